"""Reading a config: TOML text and ``--set section.key=value`` overrides to a checked Config.

Every error is one line that names the section, the key, the rule, the value and, for a misspelt
key, the closest valid one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from physgen.core.errors import InputError
from physgen.workflow.config import Config

__all__ = ["check_digest", "config_from_dict", "config_of_run", "load_config"]


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read the TOML file `path`, apply `overrides`, and check every value.

    Parameters
    ----------
    path : str or Path
        The config; paths inside it are relative to its folder.
    overrides : iterable of str
        Each ``"section.key=value"`` (or ``"seed=3"``); values are TOML, bare words are texts.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"config must be a readable TOML file, got {str(path)!r} ({error.strerror})"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"config must be valid TOML, got {str(path)!r}: {error}") from None
    for text in overrides:
        _override(table, text)
    return config_from_dict(table, folder=path.parent)


def config_from_dict(table: Mapping[str, Any], folder: str | Path | None = None) -> Config:
    """Check a nested mapping; with `folder`, resolve the files that it names and hash them."""
    table = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in table.items()
    }
    if folder is not None:
        for section in ("state", "data"):
            if isinstance(table.get(section), dict):
                _resolve_file(section, table[section], Path(folder))
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise InputError(_one_line(error)) from None


def config_of_run(attrs: Mapping[Any, Any]) -> Config:
    """Return the config of a run from the root attributes of its file.

    The attribute ``config`` says what the run is, ``files`` where its input lay when it began.
    """
    table = json.loads(attrs["config"])
    for section, path in json.loads(attrs.get("files", "{}")).items():
        table[section]["file"] = path
    return config_from_dict(table)


def check_digest(section: str, path: str | Path, stated: str | None) -> str:
    """Return the SHA-256 of the input file of `section`; refuse one that is not as `stated`."""
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"[{section}] file must be a readable file, got {str(path)!r} ({error.strerror})"
        ) from None
    if stated is not None and stated != digest:
        raise InputError(
            f"[{section}] sha256 must be the checksum of the file, got {stated!r} where "
            f"{Path(path).name} has {digest}; give the file that was meant"
        )
    return digest


def _override(table: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    keys = name.strip().split(".")
    if not equals or len(keys) > 2 or not all(keys):
        raise InputError(f"--set must read section.key=value, got {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a bare word, such as gru
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError(f"--set must read section.key=value, got {text!r}: {key} is a value")
    table[keys[-1]] = parsed


def _resolve_file(section: str, values: dict[str, Any], folder: Path) -> None:
    """Make the path absolute and record what the file holds, so that the run is identified."""
    name = values.get("file")
    if not isinstance(name, str) or not name:
        return
    path = (folder / name).expanduser().resolve()
    values.update(file=str(path), sha256=check_digest(section, path, values.get("sha256")))


def _one_line(error: ValidationError) -> str:
    """Return the first complaint of pydantic in the project's form: rule, value, remedy."""
    first = error.errors()[0]
    *above, key = first["loc"] or ("",)
    section, fields = _fields(above)
    where = f"[{section}] {key}" if section else str(key)
    value = first["input"]
    if first["type"] == "value_error":
        return str(first.get("ctx", {}).get("error"))
    if first["type"] == "extra_forbidden":
        return _unknown(where, str(key), section, fields)
    if first["type"] == "missing":
        return f"{where} must be given{_rule_of(fields, str(key), ' as ')}; add it to the config"
    if first["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return f"[{key}] must be a section of the config, got {value!r}; write it as [{key}]"
    return f"{where} must be{_rule_of(fields, str(key))}, got {value!r}"


def _fields(above: list[Any]) -> tuple[str, dict[str, FieldInfo]]:
    """Return the dotted section name and the fields of the model reached through `above`."""
    model: type[BaseModel] = Config
    for name in above:
        info = _by_name(model.model_fields)[str(name)]
        inner = (info.annotation, *get_args(info.annotation))
        model = next(m for m in inner if isinstance(m, type) and issubclass(m, BaseModel))
    return ".".join(map(str, above)), _by_name(model.model_fields)


def _by_name(fields: Mapping[str, FieldInfo]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in fields.items()}


def _unknown(where: str, key: str, section: str, fields: Mapping[str, FieldInfo]) -> str:
    close = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
    remedy = f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(fields)}"
    elsewhere = [
        name
        for name, info in _by_name(Config.model_fields).items()
        if name != section and key in _section_keys(name, info)
    ]
    if elsewhere and not (close and close[0] == key):
        remedy = f"it belongs in [{elsewhere[0]}]"
    what = "key" if section else "section or key"
    return f"{where} is not a known {what}; {remedy}"


def _section_keys(name: str, info: FieldInfo) -> dict[str, FieldInfo]:
    inner = (info.annotation, *get_args(info.annotation))
    if not any(isinstance(m, type) and issubclass(m, BaseModel) for m in inner):
        return {}
    return _fields([name])[1]


def _rule_of(fields: Mapping[str, FieldInfo], key: str, lead: str = " ") -> str:
    """Return the rule of a field in words; optional fields keep it in their annotation."""
    info = fields.get(key)
    if info is None:
        return ""
    sources = [
        info,
        *(m for a in get_args(info.annotation) for m in getattr(a, "__metadata__", ())),
    ]
    for source in sources:
        extra = getattr(source, "json_schema_extra", None)
        if isinstance(extra, dict) and "rule" in extra:
            return f"{lead}{extra['rule']}"
    return ""
