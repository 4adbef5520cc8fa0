"""How physgen itself and its paper are cited, from ``CITATION.cff`` and the claims.

    physgen cite                # BibTeX of physgen
    physgen cite --paper        # paper/refs.bib: physgen, works of the claims, methods used
    physgen cite --zenodo       # .zenodo.json, which describes a release where it is archived

The two files are kept beside the code as these commands print them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physgen.claims.claim import Claim, paper_folder
from physgen.core.errors import InputError
from physgen.results.citations import bibtex
from physgen.workflow.latex import escaped

__all__ = ["paper_references", "read_citation", "software_entry", "zenodo"]

_REQUIRED = ("title", "abstract", "version", "license", "authors", "keywords")


def read_citation(path: Path | None = None) -> dict[str, Any]:
    """Return the keys of ``CITATION.cff``: texts, and lists of texts or of authors by name.

    The file is the plain part of YAML: ``key: value`` or a list of items below a key.

    Parameters
    ----------
    path : Path, optional
        Default: that of the checkout, or its copy in the wheel.
    """
    if path is None:
        near = [paper_folder().parent / "CITATION.cff", paper_folder() / "CITATION.cff"]
        path = next((file for file in near if file.is_file()), near[0])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"CITATION.cff must be readable: {error}") from None
    found: dict[str, Any] = {}
    key = ""
    for line in lines:
        if item := re.fullmatch(r"\s+-\s+(?:name:\s*)?(.+)", line):
            found[key] = [*(found.get(key) or []), _bare(item[1])]
        elif pair := re.fullmatch(r"([\w-]+):\s*(.*)", line):
            key = pair[1]
            found[key] = _bare(pair[2])
    if missing := next((key for key in _REQUIRED if not found.get(key)), ""):
        raise InputError(f"{path} must have {', '.join(_REQUIRED)}; {missing} is missing")
    return found


def software_entry() -> str:
    """Return the BibTeX entry of physgen."""
    about = read_citation()
    authors = " and ".join(f"{{{name}}}" for name in about["authors"])
    return _entry(
        "software",
        "physgen",
        author=authors,
        title=f"{{{escaped(about['title'])}}}",
        version=about["version"],
    )


def paper_references(claims: Sequence[Claim]) -> str:
    """Return ``refs.bib``: physgen, the work of each claim under its name, and the methods.

    Parameters
    ----------
    claims : sequence of Claim
        Their `methods` name what a rebuild rests on.
    """
    works = (
        _entry("misc", claim.name, note=escaped(claim.work), howpublished=f"\\url{{{claim.url}}}")
        for claim in claims
    )
    methods = {method for claim in claims for method in claim.methods}
    head = "% Made by: physgen cite --paper\n"
    return "\n".join([head, software_entry(), *works, bibtex(methods)]).rstrip() + "\n"


def zenodo() -> str:
    """Return ``.zenodo.json``: what CITATION.cff says, in the words of Zenodo."""
    about = read_citation()
    return (
        json.dumps(
            {
                "title": about["title"],
                "description": about["abstract"],
                "creators": [{"name": name} for name in about["authors"]],
                "version": about["version"],
                "license": about["license"],
                "keywords": about["keywords"],
                "upload_type": "software",
                "access_right": "open",
            },
            indent=2,
        )
        + "\n"
    )


def _bare(text: str) -> str:
    """Return a value without its quotation marks."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if quoted else text


def _entry(kind: str, key: str, **fields: str) -> str:
    inside = "".join(f"  {name} = {{{text}}},\n" for name, text in fields.items())
    return f"@{kind}{{{key},\n{inside}}}\n"
