"""Reference values of a system, as ``reference.toml`` holds them: one table a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["KINDS", "PUBLISHED", "Reference", "read_reference"]

KINDS = ("exact", "published", "computed")
PUBLISHED = {  # what a published value has beside the others: key -> its choices, if any
    "place": (),
    "verified": ("text", "recalled"),
    "verdict": ("reproduced", "consistent", "refuted", "open"),
}


@dataclass(frozen=True)
class Reference:
    """One reference value.

    Attributes
    ----------
    quantity : str
        Name of the quantity, e.g. ``ground_state_energy``.
    parameters : mapping
        The parameters of the system.
    value, error : float
        The value and its uncertainty (0 for exact values, to the digits given).
    kind : {"exact", "published", "computed"}
        From a closed form or oracle; from a publication; computed by us.
    source : str
        The formula, publication or computation.
    place, verified, verdict : str
        Of published values: table, page, equation, or file and commit; "text" if it was read
        there, else "recalled"; "reproduced", "consistent", "refuted" or "open".
    """

    quantity: str
    parameters: Mapping[str, Any]
    value: float
    error: float
    kind: str
    source: str
    place: str = ""
    verified: str = ""
    verdict: str = ""


def read_reference(entry: Mapping[str, Any], folder: Path) -> Reference:
    """Return one table of ``reference.toml``, checked."""
    where = f"a reference in {folder}/reference.toml"
    check_choice(f"kind of {where}", entry.get("kind"), KINDS)
    fields = set(Reference.__dataclass_fields__)
    if entry["kind"] != "published":
        fields -= PUBLISHED.keys()
    if set(entry) != fields:
        wrong = ", ".join(sorted(fields ^ entry.keys()))
        raise InputError(f"{where} must have exactly {', '.join(sorted(fields))}; see {wrong}")
    for key, choices in PUBLISHED.items():
        if key in entry and choices:
            check_choice(f"{key} of {where}", entry[key], choices)
    if entry["kind"] == "published" and not str(entry["place"]).strip():
        raise InputError(f"{where} must say where it is published, got an empty place")
    numbers = {"value": float(entry["value"]), "error": float(entry["error"])}
    known: dict[str, Any] = {**entry, **numbers}
    return Reference(**known)
