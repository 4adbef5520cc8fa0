"""Tables and numbers of the document come from the records, and only from them."""

import os
import re
import shutil
import subprocess

import pytest
from claims.conftest import BESIDE, PUBLISHED

from physgen.claims import load_claim, load_claims, read_records, rebuild
from physgen.claims.claim import read_claim
from physgen.claims.document import compile_document, write_assets
from physgen.claims.records import Rebuilt
from physgen.claims.tables import claims_table, numbers_table, ours_of
from physgen.core.errors import StoreError


@pytest.fixture
def found(paper):
    claim = load_claim("squares")
    rebuild(claim, paper)
    return {"squares": read_records(paper, claim)}


def test_tables(found):
    claim = load_claim("squares")
    every = numbers_table(claim, found["squares"])
    assert [row[1:] for row in every.rows] == [
        ("x = 2", "4", "4", "", "reproduced"),
        ("x = 3", "9.30(10)", "9.050(50)", "+2.2", "reproduced"),
        ("x = 5", "16", "25", "", "refuted"),
        ("x = 6", "35*", "", "", "open"),
    ]
    assert every.notes == (
        "Most squares hold.",
        "*: no error was printed",
        "refuted: a misprint",
    )
    assert len(numbers_table(claim, found["squares"], printed=True).rows) == 3
    total = claims_table(found, [claim]).rows
    assert total[0] == ("squares", "squares", "4", "2", "", "1", "1", "0.01")
    assert total[-1] == ("all", "", "4", "2", "0", "1", "1", "")


def test_numbers_of_ours_and_of_a_gpu_are_marked_and_not_counted(paper):
    there = "parameters = { x = 6 }\n"
    text = PUBLISHED.replace(there, there + 'device = "gpu"\n') + BESIDE
    (paper / "claims" / "squares" / "published.toml").write_text(text)
    read_claim.cache_clear()
    claim = load_claim("squares")
    rebuild(claim, paper)
    found = {"squares": read_records(paper, claim)}
    every = numbers_table(claim, found["squares"])
    assert every.rows[-2] == ("square", "x = 6", "35*", "", "", "open (GPU)")
    assert every.rows[-1] == ("seventh", "x = 7", "", "49", "", "")
    assert every.notes[-1] == "seventh, ours alone: 7^2"
    total = claims_table(found, [claim])
    assert [row[2:7] for row in total.rows] == [
        ("4", "2", "", "1", "1"),
        ("4", "2", "0", "1", "1"),
    ]
    assert total.notes == ("open for want of a GPU: 1",)
    write_assets(paper, [claim], found)
    values = (paper / "assets" / "values.tex").read_text()
    assert r"\pg@set{ours@squares@seventh(x=7)}{49}" in values
    assert "theirs@squares@seventh" not in values
    assert r"\pg@set{counts@numbers}{4}" in values


def test_every_number_of_the_text_is_a_value(paper, found):
    write_assets(paper, load_claims(), found)
    values = (paper / "assets" / "values.tex").read_text()
    assert r"\pg@set{ours@squares@square(x=3)}{9.050(50)}" in values
    assert r"\pg@set{theirs@squares@square(x=3)}{9.30(10)}" in values
    assert r"\pg@set{pull@squares@square(x=3)}{+2.2}" in values
    assert r"\pg@set{counts@refuted}{1}" in values
    assert "x=6" not in values
    table = (paper / "assets" / "tables" / "squares.tex").read_text()
    assert r"square & x = 3 & \num{9.30(10)} & \num{9.050(50)} & \num{+2.2} & reproduced" in table
    assert "recalled" not in table
    assert (paper / "assets" / "plots" / "pulls.pdf").read_bytes().startswith(b"%PDF")


def test_what_all_rows_share_stands_in_the_title_once(paper):
    file = paper / "claims" / "squares" / "published.toml"
    file.write_text(PUBLISHED.replace("{ x = [2, 3, 5] }", '{ kind = "real", x = [2, 3, 5] }'))
    read_claim.cache_clear()
    claim = load_claim("squares")
    found = [Rebuilt(row, 1 / 3, 0.0) for row in claim.rows[:3]]
    for many, title, at, here in (
        (3, "Squares (real)", "x = 2", "0.3333333333333"),
        (2, "Squares (real)", "x = 2", "0.3333333333333"),
        (1, "Squares", "real, x = 2", "0.3333333333333"),
    ):
        table = numbers_table(claim, found[:many])
        assert (table.heading, *table.rows[0][1:4:2]) == (title, at, here)
    file.write_text(PUBLISHED + BESIDE)
    read_claim.cache_clear()
    alone = load_claim("squares").rows[-1]
    assert ours_of(Rebuilt(alone, 1 / 3, 0.0)) == "0.333333"  # nothing to compare it with
    assert ours_of(Rebuilt(alone, 1 / 3, 0.01)) == "0.333(10)"


def latexmk(folder, monkeypatch, script):
    """A latexmk that does what `script` says."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "latexmk"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


def test_the_document_is_compiled_where_its_text_is(paper, tmp_path, monkeypatch):
    """... also in a new folder, which begins with the text that came with physgen."""
    latexmk(tmp_path, monkeypatch, 'cp "$4" main.pdf\n')
    new = tmp_path / "new"
    new.mkdir()
    assert compile_document(new) == new / "main.pdf"
    assert (new / "main.tex").read_text() == (new / "main.pdf").read_text() == "a document"
    (new / "main.tex").write_text("another one")
    assert (compile_document(new)).read_text() == "another one"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo fine; echo '! Undefined'; echo 'l.7 x'; exit 1\n",
            r"main.tex: ! Undefined; l.7 x$",
        ),
        ("echo 'no such option' >&2; exit 2\n", r"main.tex: no such option$"),
        (f"echo '{'x' * 400}' >&2; exit 2\n", r"main.tex: x{300}$"),
        ('for k in 1 2 3 4 5 6; do echo "! $k"; done; exit 1\n', r"! 1; ! 2; ! 3; ! 4$"),
    ],
)
def test_latex_that_fails_says_why(paper, tmp_path, monkeypatch, script, said):
    latexmk(tmp_path, monkeypatch, script)
    with pytest.raises(StoreError, match=said):
        compile_document(paper)


def test_without_tex_the_tables_are_there(paper, found, monkeypatch):
    write_assets(paper, load_claims(), found)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert compile_document(paper) is None


def test_the_document_types_no_number_by_hand():
    """Digits of the text are within commands, or name a system: never a result."""
    from physgen.claims.claim import paper_folder

    text = (paper_folder() / "main.tex").read_text()
    body = text[text.index(r"\begin{abstract}") :]
    body = re.sub(r"\\(ours|theirs|pull)\{[^}]*\}\{[^}]*\}|\\counts\{[^}]*\}", "", body)
    assert not re.findall(r"-?\d+\.\d+|\d\(\d+\)", re.sub(r"\$[^$]*\$", "", body))


def test_every_number_that_the_text_asks_for_is_there(tmp_path):
    """... so that LaTeX does not stop; checked here because TeX is not everywhere."""
    from physgen.claims.claim import paper_folder

    claims = load_claims()
    write_assets(tmp_path, claims, {c.name: read_records(paper_folder(), c) for c in claims})
    values = (tmp_path / "assets" / "values.tex").read_text()
    known = set(re.findall(r"\\pg@set\{([^}]*)\}", values))
    text = (paper_folder() / "main.tex").read_text()
    asked = re.findall(r"\\(ours|theirs|pull)\{([^}]*)\}\{([^}]*)\}", text)
    assert len(asked) > 10
    assert {"@".join(one) for one in asked} <= known
    assert {f"counts@{word}" for word in re.findall(r"\\counts\{([^}]*)\}", text)} <= known


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed")
def test_the_document_compiles(tmp_path):
    claims = load_claims()
    from physgen.claims.claim import paper_folder

    shutil.copytree(paper_folder() / "data_assets", tmp_path / "data_assets")
    write_assets(tmp_path, claims, {c.name: read_records(tmp_path, c) for c in claims})
    pdf = compile_document(tmp_path)
    fonts = subprocess.run(["pdffonts", str(pdf)], capture_output=True, text=True, check=True)
    lines = fonts.stdout.splitlines()[2:]
    assert lines
    assert all(line.split()[-5] == "yes" for line in lines)  # embedded
