r"""Files of several named arrays or columns: which holds the results, the bases, the counts.

Every array is used, or its name is told: an array that nobody understands is refused, because bits
without the bases beside them are wrong numbers.  Numbers and times of shots are left aside, and
that is said; `ignore` names others to be left aside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from physgen.core.errors import InputError

__all__ = ["Columns", "is_known_name", "left_aside", "sorted_columns"]

RESULTS = (
    *("outcomes", "outcome", "samples", "sample", "measurements", "measurement", "shots", "data"),
    *("bits", "bit", "bitstrings", "bitstring", "results", "result", "readout", "readouts", "key"),
    *("memory", "state", "states", "keys", "string", "strings", "spins", "eigenvalues"),
)
BASES = (
    *("bases", "basis", "recipes", "recipe", "settings", "setting", "paulis", "pauli", "axes"),
    *("axis", "measurementbasis", "measurementbases", "measbasis", "measbases"),
)
COUNTS = (
    *("counts", "count", "multiplicity", "multiplicities", "occurrences", "hits", "repetitions"),
    *("number", "freq", "frequency", "frequencies"),
)
ASIDE = (
    *("shot", "shotnumber", "shotindex", "index", "idx", "id", "i", "run", "time", "times"),
    *("timestamp", "timestamps", "date", "seed", "nshots", "numshots", "totalshots", "backend"),
    *("backendname", "device", "experiment", "name", "jobid", "title", "description", "comment"),
    *("comments", "success", "status", "version", ""),
)
SITES = re.compile(r"(.*?)[\W_]*(\d+)")


@dataclass
class Columns:
    """What the columns of a file hold.

    Attributes
    ----------
    results : tuple of str
        One name, or one a site, in the order of sites.
    bases : tuple of str
        None, one name, or one a site.
    counts : str or None
    aside : tuple of str
        Names of what is not used.
    bits : bool
        Whether the name of the results says that they are bits.
    """

    results: tuple[str, ...]
    bases: tuple[str, ...] = ()
    counts: str | None = None
    aside: tuple[str, ...] = ()
    bits: bool = False


def is_known_name(name: str) -> bool:
    """Whether a word is a name of a column that is understood."""
    return bool(name) and _plain(name) in (*RESULTS, *BASES, *COUNTS, *ASIDE)


def sorted_columns(
    names: Sequence[str], source: str, ignore: Sequence[str] = (), scalars: Sequence[str] = ()
) -> Columns:
    """Return what each column holds.

    Parameters
    ----------
    names : sequence of str
        Names of the columns or arrays; the last part of a path counts.
    source : str
        The file, for errors.
    ignore : sequence of str
        Names to be left aside.
    scalars : sequence of str
        Those of `names` that are single numbers: they are left aside.

    Raises
    ------
    InputError
        If a name is not understood, or there are two columns for one purpose.
    """
    unknown = [name for name in ignore if not _matching(name, names)]
    if unknown:
        raise InputError(
            f"ignore must name what {source} holds, {', '.join(names)}, got {unknown[0]!r}"
        )
    aside = [n for n in names if n in scalars or any(n in _matching(i, names) for i in ignore)]
    rest = [n for n in names if n not in aside]
    if len(rest) == 1:  # whatever its name
        return Columns((rest[0],), aside=tuple(aside), bits=_says_bits(rest[0]))
    role = {n: _role(n) for n in rest}
    aside += [n for n in rest if role[n] == "aside"]
    found = {r: [n for n in rest if role[n] == r] for r in ("results", "bases", "counts", "")}
    total = [n for n in found["results"] if _plain(n) == "shots"]
    if total and len(found["results"]) == 2 and not found["counts"]:  # bitstring, shots
        found["results"].remove(total[0])
        found["counts"] = total
    sites, strange = _sites(found[""])
    if not found["results"] and not sites["results"] and len(strange) == 1:
        found["results"], strange = strange, []
    for purpose in ("results", "bases"):
        if found[purpose] and sites[purpose]:
            strange += sites.pop(purpose)
        else:
            found[purpose] = found[purpose] or sites[purpose]
    for purpose, what in (("results", "shots"), ("bases", "bases"), ("counts", "counts")):
        several = len(found[purpose]) > 1 and found[purpose] != sites.get(purpose)
        if several or (purpose == "results" and not found[purpose]):
            listed = ", ".join(names) or "none"
            raise InputError(
                f"{source} must hold one array of {what}, or one named "
                f"{_examples(purpose)}, got {listed}; leave others aside with ignore (--ignore)"
            )
    if strange:
        raise InputError(
            f"every array of {source} must be understood by its name (such as outcomes, bits, "
            f"bases, counts, shot, or sites q0, q1, ...), got {', '.join(strange[:6])}; rename "
            f"it, or leave it aside with ignore (--ignore {strange[0]})"
        )
    return Columns(
        tuple(found["results"]),
        tuple(found["bases"]),
        found["counts"][0] if found["counts"] else None,
        tuple(aside),
        bits=all(map(_says_bits, found["results"])),
    )


def _role(name: str) -> str:
    plain = _plain(name)
    for role, known in (("results", RESULTS), ("bases", BASES), ("counts", COUNTS)):
        if plain in known:
            return role
    return "aside" if plain in ASIDE else ""


def _sites(names: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return columns of single sites in the order of their numbers, and all other names."""
    groups: dict[str, list[tuple[int, str]]] = {}
    strange = []
    for name in names:
        match = SITES.fullmatch(name.rsplit("/", 1)[-1])
        if match is None or match.group(1) == "arr":  # NumPy's name of an array without one
            strange.append(name)
        else:
            groups.setdefault(_plain(match.group(1)), []).append((int(match.group(2)), name))
    found: dict[str, list[str]] = {"results": [], "bases": []}
    for prefix, members in groups.items():
        role = (
            "bases" if prefix in BASES or (prefix in ("b", "p") and len(groups) > 1) else "results"
        )
        numbers = sorted(members)
        whole = [k for k, _ in numbers] == list(range(numbers[0][0], numbers[0][0] + len(numbers)))
        if found[role] or not whole or numbers[0][0] not in (0, 1):
            strange += [name for _, name in members]
        else:
            found[role] = [name for _, name in numbers]
    return found, strange


def _matching(name: str, names: Sequence[str]) -> list[str]:
    return [n for n in names if name in (n, n.rsplit("/", 1)[-1])]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.rsplit("/", 1)[-1].lower())


def _says_bits(name: str) -> bool:
    plain = _plain(name)
    return plain.startswith("bit") or plain in ("key", "keys", "memory", "spins")


def _examples(purpose: str) -> str:
    return {"results": "outcomes or samples", "bases": "bases", "counts": "counts"}[purpose]


def left_aside(columns: Columns) -> Mapping[str, Any]:
    """Return the attribute that says what is not used."""
    return {"left_aside": ", ".join(columns.aside)} if columns.aside else {}
