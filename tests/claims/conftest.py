"""A paper of one small claim, in a folder of the test."""

import pytest

import physgen.claims.citing  # noqa: F401  its paper is the real one, whatever is imported first
from physgen.claims import claim as claims

PUBLISHED = """
title = "Squares"
label = "squares"
work = "A. Author, Squares (2020)"
url = "https://example.org"
rank = 1
minutes = 0.01
summary = "Most squares hold."

[[row]]
quantity = "square"
theirs = "x^2"
value = [4.0, 9.3, 16.0]
error = [0.0, 0.1, 0.0]
place = "table I"
verified = "text"
verdict = ["reproduced", "reproduced", "refuted"]
reason = "a misprint"
parameters = { x = [2, 3, 5] }

[[row]]
quantity = "square"
value = 35.0
place = "remembered"
verified = "recalled"
verdict = "open"
parameters = { x = 6 }
"""
BESIDE = """
[[beside]]
quantity = "seventh"
about = "7^2"
parameters = { x = 7 }
"""
RUN = """
def rebuild(row):
    x = row.parameters["x"]
    if x == 6:
        return None
    return (9.05, 0.05) if x == 3 else (float(x**2), 0.0)
"""


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """The folder of a paper with the claim ``squares``."""
    folder = tmp_path / "paper"
    (folder / "claims" / "squares").mkdir(parents=True)
    (folder / "claims" / "squares" / "published.toml").write_text(PUBLISHED)
    (folder / "claims" / "squares" / "run.py").write_text(RUN)
    (folder / "main.tex").write_text("a document")
    monkeypatch.setattr(claims, "paper_folder", lambda: folder)
    monkeypatch.setattr("physgen.claims.document.paper_folder", lambda: folder)
    claims.read_claim.cache_clear()
    claims._module.cache_clear()
    yield folder
    claims.read_claim.cache_clear()
    claims._module.cache_clear()
