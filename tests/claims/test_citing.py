"""refs.bib and .zenodo.json say what CITATION.cff and the claims say."""

import json
import re
from pathlib import Path

import pytest

from physgen.claims import load_claim, load_claims
from physgen.claims.citing import paper_references, read_citation, software_entry, zenodo
from physgen.claims.claim import paper_folder, read_claim
from physgen.cli import main
from physgen.core.errors import InputError
from physgen.results.citations import METHODS, references

ROOT = paper_folder().parent


@pytest.fixture(scope="module")
def cff():
    return read_citation(ROOT / "CITATION.cff")


def entries(text):
    return re.findall(r"^@\w+\{([\w-]+),$", text, flags=re.MULTILINE)


def test_the_release_is_described_as_the_citation_says(cff):
    import tomllib

    about = json.loads((ROOT / ".zenodo.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert about["title"] == cff["title"]
    assert about["version"] == cff["version"] == project["version"]
    assert about["license"] == cff["license"] == project["license"]
    assert about["keywords"] == cff["keywords"] == project["keywords"]
    names = [author["name"] for author in about["creators"]]
    assert names == cff["authors"] == [author["name"] for author in project["authors"]]
    assert about["description"] == cff["abstract"]


def test_both_files_are_as_the_commands_print_them(capsys):
    for option, file in (("--paper", ROOT / "paper" / "refs.bib"),
                         ("--zenodo", ROOT / ".zenodo.json")):  # fmt: skip
        assert main(["cite", option]) == 0
        assert capsys.readouterr().out == file.read_text()


def test_every_work_and_method_is_in_the_references():
    text = (ROOT / "paper" / "refs.bib").read_text()
    keys = entries(text)
    assert len(keys) == len(set(keys))
    claims = load_claims()
    methods = {m for claim in claims for m in claim.methods}
    used = {key for m in methods for key in METHODS.get(m, (m,))}
    assert set(keys) == {"physgen", *(claim.name for claim in claims), *used}
    assert used <= set(references())
    assert all(claim.methods and claim.url for claim in claims)
    cited = re.findall(r"\\cite\{([^}]*)\}", (ROOT / "paper" / "main.tex").read_text())
    assert cited
    assert {key for group in cited for key in group.split(",")} <= set(keys)


def test_physgen_is_cited_without_a_run(cff, capsys):
    assert main(["cite"]) == 0
    printed = capsys.readouterr().out
    assert printed == software_entry()
    assert f"title = {{{{{cff['title']}}}}}" in printed
    assert f"version = {{{cff['version']}}}" in printed


@pytest.mark.parametrize("argv", [["--paper", "--zenodo"], ["run", "--paper"]])
def test_one_thing_at_a_time(argv, capsys):
    assert main(["cite", *argv]) == 2
    assert "must be told one thing" in capsys.readouterr().err


def test_a_work_keeps_its_special_characters(paper):
    file = paper / "claims" / "squares" / "published.toml"
    file.write_text(file.read_text().replace("Squares (2020)", "x^2 & y_2 (2020)"))
    read_claim.cache_clear()
    text = paper_references([load_claim("squares")])
    assert r"note = {A. Author, x\textasciicircum{}2 \& y\_2 (2020)}" in text
    assert "@misc{squares,\n" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("version:", "edition:", "version is missing"), ("authors:\n", "people:\n", "authors is")],
)
def test_a_citation_that_lacks_something(tmp_path, old, new, said):
    file = Path(tmp_path) / "CITATION.cff"
    file.write_text((ROOT / "CITATION.cff").read_text().replace(old, new))
    with pytest.raises(InputError, match=said):
        read_citation(file)
    with pytest.raises(InputError, match="must be readable"):
        read_citation(tmp_path / "none.cff")


def test_a_method_that_nobody_knows_is_refused(paper):
    file = paper / "claims" / "squares" / "published.toml"
    file.write_text(file.read_text().replace("rank = 1\n", 'rank = 1\nmethods = ["magic"]\n'))
    read_claim.cache_clear()
    with pytest.raises(InputError, match="got 'magic'"):
        load_claim("squares")


def test_zenodo_is_json():
    assert json.loads(zenodo())["upload_type"] == "software"
