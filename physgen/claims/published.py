"""Published numbers, as ``paper/claims/<id>/published.toml`` holds them: one table, many rows.

    [[row]]
    quantity = "log_z"
    parameters = { L = 16, T = [2.0, 2.5] }      # ours; a list is one row for each entry
    device = "cpu"                               # "gpu": a CPU takes hours, so it stays open
    theirs = "n = 16, T = 2.0, 2.5, J = 1"       # in the words of the publication
    value = [263.29621043402125, 225.81063208450638]
    error = 0.0                                  # 0: exact; left out: none was printed
    place = "etc/exactz.md, commit e2429f9"      # table, page, equation, or file and commit
    verified = "text"                            # read there; "recalled" is never printed
    verdict = ["reproduced", "refuted"]          # of the last rebuild; "open" if there is none
    reason = "gamma_0 must change its sign"      # why it is refuted

A number that was never read at its place is not a published number: `place` is required, and a row
that is only recalled takes part in nothing but the list.

    [[beside]]
    quantity = "parity"
    parameters = { L = 10, of = "dephased mixture" }
    about = "<prod X>; 1 in the GHZ state"

is a number of ours that the others need beside them, which nobody published: no value, no verdict,
and it is not counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from physgen.catalogue.references import PUBLISHED
from physgen.claims.verdict import RELATIONS, VERDICTS
from physgen.core.checks import (
    check_choice,
    check_finite,
    is_list,
    is_list_or_tuple,
    is_mapping,
    key_remedy,
)
from physgen.core.errors import InputError

__all__ = ["DEVICES", "Published", "checked_error", "read_rows"]

DEVICES = ("cpu", "gpu")
VERIFIED = PUBLISHED["verified"]
_REQUIRED = ("quantity", "parameters", "value", "place", "verified", "verdict")
_OPTIONAL = ("theirs", "error", "relation", "reason", "printed", "device")
_BESIDE = ("quantity", "parameters", "about")


@dataclass(frozen=True)
class Published:
    """One published number, or one of ours that stands beside them.

    Attributes
    ----------
    claim : str
        The folder it stands in.
    quantity : str
        Our name of it.
    parameters : mapping
        In our conventions.
    theirs : str
        The quantity and its parameters in the words of the publication; of a number of ours, what
        it is.
    value : float or None
        As printed there, in our conventions; None if nobody published it: such a row has no place
        and no verdict.
    error : float or None
        One standard error; 0 if exact to the digits given, None if none was printed.
    place : str
        Table, page, equation, or file and commit.
    verified : {"text", "recalled"}
        Whether it was read there.
    relation : {"equal", "above", "bound"}
        What it has to be of the true value: "above" of a variational energy, "bound" of an upper
        bound.
    verdict : str
        What the last rebuild found, one of VERDICTS.
    reason : str
        Why it is refuted.
    printed : bool
        Whether tables of the document have room for it.
    device : {"cpu", "gpu"}
        What a rebuild needs; on a CPU a row of a GPU stays open.
    """

    claim: str
    quantity: str
    parameters: Mapping[str, Any]
    theirs: str
    value: float | None
    error: float | None
    place: str
    verified: str
    relation: str
    verdict: str
    reason: str
    printed: bool
    device: str = "cpu"

    @property
    def key(self) -> str:
        """Its name, unique in the claim: the quantity and where."""
        return f"{self.quantity}({self.where})"

    @property
    def where(self) -> str:
        """Its parameters as text."""
        return ", ".join(f"{k}={_plain(v)}" for k, v in self.parameters.items())


def read_rows(claim: str, tables: object, beside: object = ()) -> tuple[Published, ...]:
    """Return the rows of a claim, those beside them last.

    Raises
    ------
    InputError
        If a row has no place, an unknown key, lists of unequal length, a verdict without a
        reason, or the name of another row.
    """
    where = f"paper/claims/{claim}/published.toml"
    if not is_list(tables) or not tables:
        raise InputError(f"{where} must have at least one [[row]]")
    rows = [row for table in tables for row in _rows(claim, where, table)]
    if not is_list_or_tuple(beside):
        raise InputError(f"{where} must have numbers of ours as [[beside]], got {beside!r}")
    for table in beside:
        rows += _rows(claim, where, table, published=False)
    keys = [row.key for row in rows]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise InputError(f"{where} must name each number once, got {twice} twice")
    return tuple(rows)


def _rows(claim: str, where: str, table: object, published: bool = True) -> Iterator[Published]:
    """Yield the rows of one table; its lists run together."""
    if not is_mapping(table):
        raise InputError(f"a row of {where} must be a table, got {table!r}")
    required = _REQUIRED if published else _BESIDE
    known = (*_REQUIRED, *_OPTIONAL) if published else _BESIDE
    if unknown := next((key for key in table if key not in known), None):
        raise InputError(f"{where} has no key {unknown!r}; {key_remedy(unknown, known)}")
    if missing := next((key for key in required if key not in table), None):
        raise InputError(f"a row of {where} must have {', '.join(required)}; {missing} is missing")
    parameters = table["parameters"]
    if not is_mapping(parameters):
        raise InputError(f"parameters in {where} must be a table, got {parameters!r}")
    lists = {k: v for k, v in {**table, **parameters}.items() if is_list(v)}
    lengths = {len(v) for v in lists.values()}
    if len(lengths) > 1:
        raise InputError(
            f"lists of one row of {where} must have one length, got "
            + ", ".join(f"{k}: {len(v)}" for k, v in lists.items())
        )
    for i in range(lengths.pop() if lengths else 1):
        at = {k: v[i] if is_list(v) else v for k, v in parameters.items()}
        row = {k: v[i] if is_list(v) else v for k, v in table.items()}
        yield _row(claim, where, row, at) if published else _beside(claim, row, at)


def _row(claim: str, where: str, table: Mapping[str, Any], at: Mapping[str, Any]) -> Published:
    place, reason = str(table["place"]).strip(), str(table.get("reason", "")).strip()
    if not place:
        raise InputError(
            f"a published value must say where it stands, got no place for {table['quantity']} in "
            f"{where}; give table, page, equation, or file and commit"
        )
    verdict = check_choice(f"verdict in {where}", table["verdict"], VERDICTS)
    if verdict == "refuted" and not reason:
        raise InputError(f"a refuted row of {where} must have a reason, {table['quantity']} not")
    device = check_choice(f"device of a row of {where}", table.get("device", "cpu"), DEVICES)
    if device == "gpu" and verdict != "open":
        raise InputError(
            f"a row of {where} that needs a GPU must be open, got {verdict} for "
            f"{table['quantity']}"
        )
    error = table.get("error")
    return Published(
        claim=claim,
        quantity=str(table["quantity"]),
        parameters=at,
        theirs=str(table.get("theirs", "")),
        value=check_finite(f"value in {where}", table["value"]),
        error=None if error is None else checked_error(f"error in {where}", error),
        place=place,
        verified=check_choice(f"verified in {where}", table["verified"], VERIFIED),
        relation=check_choice(f"relation in {where}", table.get("relation", "equal"), RELATIONS),
        verdict=verdict,
        reason=reason,
        printed=bool(table.get("printed", True)),
        device=device,
    )


def _beside(claim: str, table: Mapping[str, Any], at: Mapping[str, Any]) -> Published:
    """Return a number of ours alone."""
    return Published(
        claim=claim,
        quantity=str(table["quantity"]),
        parameters=at,
        theirs=str(table["about"]),
        value=None,
        error=None,
        place="",
        verified="text",
        relation="equal",
        verdict="",
        reason="",
        printed=True,
    )


def checked_error(name: str, error: object) -> float:
    """Return a standard error, >= 0, as a float."""
    if check_finite(name, error) < 0:
        raise InputError(f"{name} must be >= 0, got {error!r}")
    return float(error)  # type: ignore[arg-type]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
