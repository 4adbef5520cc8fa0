"""Rebuild claims: compute their numbers again, within a budget of CPU time, one record a claim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import physgen
from physgen.claims.claim import Claim
from physgen.claims.published import Published, checked_error
from physgen.claims.records import Rebuilt, records_are_current, write_records
from physgen.core.checks import check_finite, is_list_or_tuple
from physgen.core.errors import InputError
from physgen.results.provenance import collect_provenance

__all__ = ["Done", "fitting", "rebuild", "rebuild_all"]


@dataclass(frozen=True)
class Done:
    """A rebuilt claim: its numbers, the CPU seconds, and the verdicts that have changed."""

    claim: Claim
    found: tuple[Rebuilt, ...]
    seconds: float

    @property
    def changed(self) -> tuple[Rebuilt, ...]:
        """The numbers whose verdict is not the one that published.toml states."""
        return tuple(one for one in self.found if one.verdict != one.row.verdict)


def rebuild(claim: Claim, out: Path, tell: Callable[[str, int, int], None] | None = None) -> Done:
    """Compute every number of a claim again, those of a GPU aside, and write its record.

    Parameters
    ----------
    claim : Claim
    out : Path
        The folder of the paper: the record goes to ``data_assets/<id>.csv`` below it.
    tell : callable, optional
        Called with the name of each number before it is computed, its place and how many there
        are.

    Raises
    ------
    InputError
        If ``run.py`` returns something else than (value, error) or None.
    """
    start, compute, found = time.process_time(), claim.rebuild_row, list[Rebuilt]()
    for k, row in enumerate(claim.rows):
        if tell is not None:
            tell(row.key, k, len(claim.rows))
        found.append(_rebuilt(claim, row, compute(row) if row.device == "cpu" else None))
    seconds = time.process_time() - start
    commit = collect_provenance()["commit"] or "unknown"
    about = f"physgen {physgen.__version__}, commit {commit}, {seconds:.1f} CPU s"
    write_records(out, claim, found, about)
    return Done(claim, tuple(found), seconds)


def fitting(claims: Iterable[Claim], minutes: float, done: Callable[[Claim], bool]) -> list[Claim]:
    """Return the claims whose rebuild fits into `minutes` of CPU time, the cheapest first.

    Claims that are done cost nothing and are left out; those that need a GPU as well.
    """
    chosen: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: claim.minutes):
        if claim.device == "gpu" or done(claim):
            continue
        if claim.minutes > minutes:
            break
        minutes -= claim.minutes
        chosen.append(claim)
    return chosen


def rebuild_all(
    claims: Iterable[Claim],
    out: Path,
    minutes: float = float("inf"),
    again: bool = False,
    tell: Callable[[str, int, int], None] | None = None,
) -> Iterator[Done]:
    """Rebuild the claims that fit into `minutes`; each is on disk before the next one begins.

    Claims whose record is of their present numbers and ``run.py`` are kept, unless `again`.
    """
    for claim in fitting(claims, minutes, lambda c: not again and records_are_current(out, c)):
        yield rebuild(claim, out, tell)


def _rebuilt(claim: Claim, row: Published, answer: object) -> Rebuilt:
    """Return a number with ours, checked."""
    if answer is None:
        return Rebuilt(row, None, None)
    if not is_list_or_tuple(answer) or len(answer) != 2:
        raise InputError(
            f"rebuild(row) of {claim.name} must return (value, error) or None, got {answer!r}"
        )
    ours = check_finite(f"{row.key} of {claim.name}", answer[0])
    return Rebuilt(row, ours, checked_error(f"error of {row.key} of {claim.name}", answer[1]))
