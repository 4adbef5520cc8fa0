"""Claims as tables: all of them in one, and the numbers of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from physgen.analysis.format import format_estimate
from physgen.claims.claim import Claim
from physgen.claims.records import Rebuilt
from physgen.claims.verdict import VERDICTS
from physgen.workflow.summary import Column, Table

__all__ = ["claims_table", "numbers_table", "ours_of", "published_of"]


def claims_table(found: Mapping[str, Sequence[Rebuilt]], claims: Sequence[Claim]) -> Table:
    """Return a row a claim: how many of its numbers have which verdict, and what a rebuild costs.

    Numbers of ours that only stand beside them are not counted.

    Parameters
    ----------
    found : mapping
        The numbers of each claim, by its name.
    claims : sequence of Claim
    """
    columns = (
        Column("claim", "name"),
        Column("numbers of", "name"),
        Column("all"),
        *(Column(word) for word in VERDICTS),
        Column("CPU\nmin"),
    )
    rows: list[tuple[str, ...]] = []
    for claim in claims:
        counts = Counter(one.verdict for one in found[claim.name])
        cost = f"{claim.minutes:g}" + " (GPU)" * (claim.device == "gpu")
        numbers = [str(counts[word]) if counts[word] else "" for word in VERDICTS]
        n = str(sum(counts[word] for word in VERDICTS))
        rows.append((claim.name, claim.label, n, *numbers, cost))
    total = Counter(one.verdict for numbers in found.values() for one in numbers)
    all_numbers = str(sum(total[word] for word in VERDICTS))
    rows.append(("all", "", all_numbers, *(str(total[word]) for word in VERDICTS), ""))
    gpu = sum(one.row.device == "gpu" for numbers in found.values() for one in numbers)
    notes = (f"open for want of a GPU: {gpu}",) * bool(gpu)
    return Table("Published numbers, computed again", columns, tuple(rows), notes)


def numbers_table(claim: Claim, found: Sequence[Rebuilt], printed: bool = False) -> Table:
    """Return a row a number of a claim: published, ours, the pull between them, and the verdict.

    Parameters
    ----------
    printed : bool
        Only the rows that a document has room for, and none that was never read at its place.
    """
    chosen = [
        one for one in found if not printed or (one.row.printed and one.row.verified == "text")
    ]
    shared = _shared(chosen)
    columns = (
        Column("quantity", "name"),
        Column("at", "name"),
        Column("published"),
        Column("here"),
        Column("pull"),
        Column("verdict", "text"),
    )
    rows = tuple(
        (
            one.row.quantity,
            ", ".join(part for part in _parts(one) if part not in shared),
            published_of(one),
            ours_of(one),
            "" if one.pull is None else f"{one.pull:+.1f}",
            one.verdict + " (GPU)" * (one.row.device == "gpu"),
        )
        for one in chosen
    )
    at = f" ({', '.join(shared)})" if shared else ""
    notes = (
        (claim.summary,) * bool(claim.summary)
        + ("*: no error was printed",) * any(published_of(one).endswith("*") for one in chosen)
        + ("GPU: a CPU takes hours",) * any(one.row.device == "gpu" for one in chosen)
        + tuple(dict.fromkeys(f"refuted: {o.row.reason}" for o in chosen if o.row.reason))
        + tuple(
            dict.fromkeys(
                f"{o.row.quantity}, ours alone: {o.row.theirs}"
                for o in chosen
                if o.row.value is None
            )
        )
    )
    return Table(claim.title + at, columns, rows, notes)


def published_of(one: Rebuilt) -> str:
    """Return the published number with its error; a star where none was printed.

    Empty if nobody published it.
    """
    row = one.row
    if row.value is None:
        return ""
    if row.error is None:
        return f"{row.value:.10g}*"
    return format_estimate(row.value, row.error) if row.error else f"{row.value:.13g}"


def ours_of(one: Rebuilt) -> str:
    """Return our number with its error; empty if it was not computed.

    Exact ones have as many digits as a comparison needs, six where there is none.
    """
    if one.ours is None or one.error is None:
        return ""
    digits = 6 if one.row.value is None else 13
    return format_estimate(one.ours, one.error) if one.error else f"{one.ours:.{digits}g}"


def _parts(one: Rebuilt) -> list[str]:
    """Return its parameters: words alone, numbers with their name."""
    given = one.row.parameters.items()
    return [v if isinstance(v, str) else f"{k} = {v:g}" for k, v in given]


def _shared(found: Sequence[Rebuilt]) -> list[str]:
    """Return the parameters that all rows have in common, if there are several rows."""
    if len(found) < 2:
        return []
    return [part for part in _parts(found[0]) if all(part in _parts(one) for one in found)]
