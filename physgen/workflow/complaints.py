"""What pydantic finds wrong with a config, in one line: section, key, rule, value, remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from physgen.core.checks import shown
from physgen.workflow.kinds import KINDS
from physgen.workflow.sections import UNKNOWN_KEY, by_name, rule_of, section_class

__all__ = ["one_line"]


def one_line(error: ValidationError, root: type[BaseModel]) -> str:
    """Return the first complaint about a config of class `root`: rule, value, remedy."""
    first = error.errors()[0]
    section, fields, key = _place(root, first["loc"] or ("",))
    where = f"[{section}] {key}" if section else str(key)
    value = first["input"]
    if first["type"] == "value_error":
        return str(first.get("ctx", {}).get("error"))
    if first["type"] == UNKNOWN_KEY:
        name, known = (first.get("ctx", {})[k] for k in ("key", "known"))
        return _unknown(root, f"[{key}] {name}", name, str(key), known)
    if first["type"] == "extra_forbidden":
        return _unknown(root, where, str(key), section, fields)
    if first["type"] == "missing":
        return f"{where} must be given{rule_of(fields, str(key), ' as ')}; add it to the config"
    if first["type"] in ("model_type", "dict_type", "model_attributes_type"):
        got = shown(value, 200)
        return f"[{key}] must be a section of the config, got {got}; write it as [{key}]"
    return f"{where} must be{rule_of(fields, str(key))}, got {shown(value, 200)}"


def _place(
    root: type[BaseModel], path: Sequence[str | int]
) -> tuple[str, dict[str, FieldInfo], str]:
    """Return the name of a section, its fields, and the key in it that `path` leads to.

    A number in `path` is the place in a list of sections; what comes after a key that is no
    section says which member of a union was tried.
    """
    model = root
    names: list[str] = []
    for name in path[:-1]:
        if isinstance(name, int):
            names[-1] += f" {name + 1}" if name else ""
            continue
        fields = by_name(model.model_fields)
        inner = section_class(fields[name]) if name in fields else None
        if inner is None:
            return ".".join(names), fields, name
        model = inner
        names.append(name)
    key = path[-1] if isinstance(path[-1], str) else names.pop()
    return ".".join(names), by_name(model.model_fields), key


def _unknown(
    root: type[BaseModel], where: str, key: str, section: str, fields: Iterable[str]
) -> str:
    close = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
    remedy = f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(fields)}"
    elsewhere = [
        name
        for name, info in by_name(root.model_fields).items()
        if name != section and key in _section_keys(info)
    ]
    if elsewhere and not (close and close[0] == key):
        remedy = f"it belongs in {' or '.join(f'[{name}]' for name in elsewhere)}"
    if not section and (kind := _other_kind(root, key)):
        remedy = f"it belongs in a config with {KINDS[kind].told_by}"
    what = "key" if section else "section or key"
    return f"{where} is not a known {what}; {remedy}"


def _other_kind(root: type[BaseModel], key: str) -> str | None:
    """Return the kind of config, other than that of `root`, that has the section `key`."""
    own = by_name(root.model_fields)
    return next((k for k, kind in KINDS.items() if key in kind.sections and key not in own), None)


def _section_keys(info: FieldInfo) -> dict[str, FieldInfo]:
    inner = section_class(info)
    return {} if inner is None else by_name(inner.model_fields)
