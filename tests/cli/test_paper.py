"""physgen paper: list, show, run, build."""

import pytest
from claims.conftest import RUN, paper  # noqa: F401

from physgen.claims import claim as claims
from physgen.cli import main


def test_from_a_claim_to_its_table(paper, capsys, monkeypatch):  # noqa: F811
    at = ["--out", str(paper)]
    assert main(["paper", "run", "squares", *at]) == 0
    shown = capsys.readouterr().out
    assert "9.30(10)" in shown
    assert "refuted: a misprint" in shown
    assert main(["paper", "show", "squares", *at]) == 0
    assert "https://example.org" in capsys.readouterr().out
    assert main(["paper", "list", *at]) == 0
    assert "reproduced" in capsys.readouterr().out
    assert main(["paper", "run", "--all", "--budget", "1min", *at]) == 0
    assert capsys.readouterr().out.startswith("kept: 1, computed")
    assert main(["paper", "run", "--all", "--again", "--budget", "0.1s", *at]) == 0
    assert "not computed: squares (0.01 CPU min, beyond the budget)" in capsys.readouterr().out
    monkeypatch.setattr("physgen.claims.document.shutil.which", lambda name: None)
    assert main(["paper", "build", *at]) == 0
    assert "latexmk is not installed" in capsys.readouterr().out


def test_a_verdict_that_no_longer_holds(paper, capsys):  # noqa: F811
    (paper / "claims" / "squares" / "run.py").write_text(RUN.replace("9.05, 0.05", "9.9, 0.05"))
    claims._module.cache_clear()
    assert main(["paper", "run", "squares", "--out", str(paper)]) == 1
    told = capsys.readouterr().err
    assert "squares square(x=3): reproduced is stated, refuted found" in told


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run"], "must be told what"),
        (["run", "squares", "--all"], "must be told what"),
        (["run", "squares", "--budget", "1h"], "must be told what"),
        (["run", "squares", "--again"], "a claim that is named is always computed"),
        (["run", "--all", "--budget", "soon"], "must be a time such as"),
        (["run", "sqares"], "did you mean 'squares'"),
        (["show", "sqares"], "did you mean 'squares'"),
    ],
)
def test_bad_input(paper, capsys, argv, said):  # noqa: F811
    assert main(["paper", *argv, "--out", str(paper)]) == 2
    assert said in capsys.readouterr().err
