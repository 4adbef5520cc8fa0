"""A claim: what one publication says, in one folder.

    paper/claims/<id>/published.toml   title, label, work, url, rank, minutes,
                                     device, summary, methods; [[row]], [[beside]]
                      run.py           def rebuild(row): our value and its error, or None

``minutes`` are CPU minutes of ``run.py`` on one core; ``device = "gpu"`` says that a CPU takes
hours; a row may say so of itself.  ``methods`` are what a rebuild rests on, to be cited.  The
folders are read from the checkout, or from their copy in the wheel.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from physgen.catalogue.systems import shipped_folder
from physgen.claims.published import DEVICES, Published, read_rows
from physgen.core.checks import check_choice, check_positive, check_positive_int, key_remedy
from physgen.core.errors import InputError
from physgen.results.citations import check_methods

__all__ = ["Claim", "claim_names", "load_claim", "load_claims", "paper_folder",
           "read_claim", "working_folder"]  # fmt: skip

_REQUIRED = ("title", "label", "work", "rank", "minutes")
_KEYS = (*_REQUIRED, "url", "device", "summary", "methods", "row", "beside")


@dataclass(frozen=True)
class Claim:
    """Published numbers of one work.

    Attributes
    ----------
    name : str
        The folder, and the name on the command line.
    title, label : str
        What is published, in a line and in two or three words.
    work, url, summary : str
        Where, and what was found, in a sentence or two.
    rank : int
        The order of tables.
    minutes : float
        CPU minutes of a rebuild on one core.
    device : {"cpu", "gpu"}
        What a rebuild needs.
    methods : tuple of str
        Keys of works and names of methods, as :mod:`physgen.results.citations` knows them.
    rows : tuple of Published
        The published numbers, and ours that stand beside them.
    folder : Path
    """

    name: str
    title: str
    label: str
    work: str
    url: str
    summary: str
    rank: int
    minutes: float
    device: str
    methods: tuple[str, ...]
    rows: tuple[Published, ...]
    folder: Path

    @property
    def rebuild_row(self) -> Callable[[Published], tuple[float, float] | None]:
        """The function of ``run.py`` that computes one of its rows again."""
        return _module(self.name, self.folder / "run.py").rebuild

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what a record follows from: the numbers, and ``run.py``.

        Verdicts, reasons and words may change without a new computation.
        """
        numbers = [(row.key, row.value, row.error, row.relation) for row in self.rows]
        code = (self.folder / "run.py").read_bytes()
        return hashlib.sha256(json.dumps(numbers).encode() + code).hexdigest()


def paper_folder() -> Path:
    """Return ``paper/`` of the checkout, or its copy in the wheel."""
    return shipped_folder("paper")


def working_folder(out: Path | None = None, make: bool = True) -> Path:
    """Return the folder of records and documents: `out`, or ``paper/`` of a checkout, or of here.

    Parameters
    ----------
    out : Path, optional
    make : bool
        Whether a folder that is not there begins with the records that came with physgen; else
        these are read where they are.
    """
    source = paper_folder()
    if out is None:
        out = source if (source.parent / "pyproject.toml").is_file() else Path("paper")
    if out.exists():
        return out
    if not make:
        return source
    shutil.copytree(source / "data_assets", out / "data_assets")
    return out


def claim_names() -> list[str]:
    """Return the names of the claims, sorted."""
    return sorted(path.parent.name for path in paper_folder().glob("claims/*/published.toml"))


def load_claims() -> list[Claim]:
    """Return all claims in the order of their rank."""
    return sorted(map(load_claim, claim_names()), key=lambda claim: claim.rank)


def load_claim(name: str) -> Claim:
    """Return one claim.

    Parameters
    ----------
    name : str
        Of its folder in paper/claims.

    Raises
    ------
    InputError
        If there is no claim of this name, or its files do not hold what they must.
    """
    return read_claim(paper_folder() / "claims" / check_choice("claim", name, claim_names()))


@functools.cache
def read_claim(folder: Path) -> Claim:
    """Return the claim of a folder; raise :class:`InputError` if its files are not as above."""
    path = folder / "published.toml"
    try:
        about: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} must be a readable TOML file: {error}") from None
    if unknown := next((key for key in about if key not in _KEYS), None):
        raise InputError(f"{path} has no key {unknown!r}; {key_remedy(unknown, _KEYS)}")
    if missing := next((key for key in _REQUIRED if key not in about), ""):
        raise InputError(f"{path} must say its {missing}")
    return Claim(
        name=folder.name,
        title=about["title"],
        label=about["label"],
        work=about["work"],
        url=about.get("url", ""),
        summary=" ".join(about.get("summary", "").split()),
        rank=check_positive_int(f"rank in {path}", about["rank"]),
        minutes=check_positive(f"minutes in {path}", about["minutes"]),
        device=check_choice(f"device in {path}", about.get("device", "cpu"), DEVICES),
        methods=tuple(check_methods(map(str, about.get("methods", ())))),
        rows=read_rows(folder.name, about.get("row"), about.get("beside", ())),
        folder=folder,
    )


@functools.cache
def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"physgen_claim_{name.replace('-', '_')}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"a claim must have a run.py with rebuild(row), none in {path.parent}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "rebuild", None)):
        raise InputError(f"{path} must define rebuild(row), it does not")
    return module
