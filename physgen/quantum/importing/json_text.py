r"""JSON of counts and shots, as columns.

=====================================  ============================================================
``{"010": 512, "111": 488}``           a histogram
``{"XX": {"00": 512}, "ZZ": {...}}``   one histogram a setting
``{"counts": {...}, "basis": "XX"}``   one histogram with its setting, or a list of such
``["010", "111"]``                     one shot an entry
``[{"basis": "XZ", "bits": "01"}]``    one shot an entry, with names
``{"bits": [...], "bases": [...]}``    columns
=====================================  ============================================================

A dictionary printed by Python, with single quotes, is read too, and one value a line.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physgen.core.errors import InputError
from physgen.quantum.importing.columns import COUNTS, is_known_name
from physgen.quantum.importing.opening import open_text, shown, whole_text

__all__ = ["json_columns", "looks_like_json"]

KINDS = (
    'JSON of shots must be counts {"010": 512}, one dictionary of counts a setting '
    '{"XX": {"00": 512}}, a list of shots, or columns {"bits": [...], "bases": [...]}'
)


def looks_like_json(path: Path) -> bool:
    """Whether a text file begins like JSON, or has its suffix."""
    if path.suffix.lower() == ".json":
        return True
    with open_text(path) as file:
        return file.read(4096).lstrip()[:1] in (b"{", b"[")


def json_columns(path: Path, ignore: Sequence[str] = ()) -> dict[str, Any]:
    """Return the columns that a JSON file describes, lists by name.

    Raises
    ------
    InputError
        If it is no JSON, or does not describe shots.
    """
    text = whole_text(path).strip()
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise InputError(f"{KINDS}, got {path.name}, nested too deeply") from None
    except json.JSONDecodeError as error:
        found = _other(text)
        if found is None:
            raise InputError(
                f"{KINDS}, got line {error.lineno} of {path.name}: {error.msg}"
            ) from None
    except InputError:
        raise
    except ValueError:  # an integer of more digits than Python reads
        raise InputError(
            f"{KINDS}, got {path.name} with a number of thousands of digits"
        ) from None
    return _columns(found, path.name, ignore)


def _other(text: str) -> Any:
    """Return what Python printed, or a value a line; None if the text is neither."""
    for read in (
        ast.literal_eval,
        lambda t: [json.loads(row) for row in t.split("\n") if row.strip()],
    ):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dictionary whose keys all differ; JSON would keep the last of equal ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(k for k in keys if keys.count(k) > 1)
        raise InputError(f"keys of JSON must differ, got {twice!r} twice; add their counts")
    return found


def _columns(found: Any, source: str, ignore: Sequence[str]) -> dict[str, Any]:
    if isinstance(found, dict) and found:
        found = {str(key): value for key, value in found.items()}
        if "results" in found and isinstance(found["results"], list) and "backend_name" in found:
            raise InputError(
                f"{KINDS}, got a whole result of Qiskit in {source}; save "
                "json.dump(result.get_counts(), file)"
            )
        values = list(found.values())
        if all(_is_number(v) for v in values) and not _named(found):
            return {"key": list(found), "counts": values}
        if all(isinstance(v, dict) for v in values) and not _named(found):
            return _settings(found, source)
        settings = {k: v for k, v in found.items() if isinstance(v, dict) and not is_known_name(k)}
        rest = {k: v for k, v in found.items() if k not in settings}
        if len(settings) > 1 and not any(isinstance(v, (dict, list)) for v in rest.values()):
            total = {"n_shots" if k == "shots" else k: v for k, v in rest.items()}
            return _settings(settings, source) | total
        counts = next((k for k in found if _is(k, COUNTS) and isinstance(found[k], dict)), None)
        if counts is not None:
            return _joined([found], source, ignore)
        lists = {k: v for k, v in found.items() if isinstance(v, list)}
        per_setting = [k for k, v in lists.items() if v and isinstance(v[0], dict)]
        if per_setting:
            rows = len(lists[per_setting[0]])
            same = {k: v for k, v in lists.items() if len(v) == rows}
            rest = {k: v for k, v in found.items() if k not in same}
            return _joined(
                [{k: v[i] for k, v in same.items()} | rest for i in range(rows)], source, ignore
            )
        if lists:
            return found
    if isinstance(found, list) and found:
        if all(isinstance(v, dict) for v in found):
            return _joined(found, source, ignore)
        if all(isinstance(v, (str, list, int)) for v in found):
            return {"shots": found}
    raise InputError(f"{KINDS}, got {shown(str(found))} in {source}")


def _settings(found: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the columns of one dictionary of counts a setting."""
    columns: dict[str, Any] = {"key": [], "counts": [], "bases": []}
    for setting, counts in found.items():
        counts = counts.get("counts", counts)
        if not isinstance(counts, dict) or not all(_is_number(v) for v in counts.values()):
            raise InputError(f"{KINDS}, got {shown(str(counts))} for {setting!r} in {source}")
        columns["key"] += list(map(str, counts))
        columns["counts"] += list(counts.values())
        columns["bases"] += [setting] * len(counts)
    if not columns["key"]:
        raise InputError(f"{source} must hold at least one shot, got none")
    return columns


def _joined(rows: list[dict[str, Any]], source: str, ignore: Sequence[str]) -> dict[str, Any]:
    """Return the columns of dictionaries, one a shot, or one a setting with its counts."""
    columns: dict[str, list[Any]] = {str(key): [] for key in rows[0]}
    if all(_is_number(v) for row in rows for v in row.values()) and not _named(columns):
        raise InputError(
            f"dictionaries of counts must say their settings, got a list without in {source}; "
            'write {"XX": {"00": 512}, ...}'
        )
    names = set(columns)
    for k, row in enumerate(rows):
        if set(map(str, row)) != names:
            raise InputError(
                f"every entry must have the keys {', '.join(rows[0])}, got {', '.join(row)} in "
                f"entry {k} of {source}"
            )
        histogram = [key for key, v in row.items() if isinstance(v, dict) and key not in ignore]
        if len(histogram) > 1:
            raise InputError(
                f"an entry must hold one dictionary of counts, got {', '.join(histogram)} in "
                f"{source}; leave others aside with ignore (--ignore)"
            )
        times = 1
        if histogram:
            counts = row[histogram[0]]
            times = len(counts)
            columns.setdefault("key", []).extend(map(str, counts))
            columns[histogram[0]].extend(counts.values())
        for key, value in row.items():
            if key not in histogram:
                columns[str(key)] += [value] * times
    if "key" in columns and "shots" in columns:  # the total beside a histogram
        columns["n_shots"] = columns.pop("shots")
    return columns


def _named(found: dict[str, Any]) -> bool:
    return any(is_known_name(key) for key in found if not key.isdigit())


def _is(name: str, names: Sequence[str]) -> bool:
    return name.lower().strip("_ ") in names


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
