"""paper/Snakefile: the document from the records, or every claim computed again before it."""

import shutil
from importlib.util import find_spec

import pytest
from helpers.snakefiles import snakemake

from physgen.claims import load_claims
from physgen.claims.claim import paper_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("snakemake") is None, reason="needs Snakemake: pip install 'physgen[workflow]'"
    ),
]


def planned(folder, *config):
    """The rules of a dry run, as text."""
    status, told = snakemake(folder, "--cores", "1", "--dry-run", *config)
    assert status == 0, told
    return told


def test_one_rule_a_claim(tmp_path):
    folder = tmp_path / "paper"
    shutil.copytree(paper_folder(), folder, ignore=shutil.ignore_patterns("assets", "main.pdf"))
    told = planned(folder)
    assert told.count("rule build:") == 1
    assert "rule claim:" not in told
    told = planned(folder, "--config", "source=raw")
    assert told.count("rule claim:") == len([c for c in load_claims() if c.device == "cpu"])
