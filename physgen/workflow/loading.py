"""Reading a config: TOML text and ``--set section.key=value`` overrides to a checked config.

What a config holds says of which kind it is (:mod:`physgen.workflow.job`).  Every error is one
line that names the section, the key, the rule, the value and, for a misspelt key, the closest
valid one.
"""

from __future__ import annotations

import functools
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from physgen.core.checks import is_list, is_mapping
from physgen.core.errors import InputError, StoreError
from physgen.workflow.complaints import one_line
from physgen.workflow.files import check_digest
from physgen.workflow.kinds import job_of, kind_of
from physgen.workflow.sections import JobConfig
from physgen.workflow.toy import shortened

__all__ = ["attrs_of", "check_layout", "config_from_dict", "config_of_run", "load_config"]


def load_config(
    path: str | Path, overrides: Iterable[str] = (), *, toy: bool = False
) -> JobConfig:
    """Read the TOML file `path`, apply `overrides`, and check every value.

    Parameters
    ----------
    path : str or Path
        The config, or a folder with a config.toml; paths inside it are relative to its folder.
    overrides : iterable of str
        Each ``"section.key=value"`` (or ``"seed=3"``); values are TOML, bare words are texts.  In
        a list of sections (``[[sampler]]``) every one is changed.  A ``section.file`` is relative
        to the current directory.
    toy : bool
        Cut every length to what takes seconds, before `overrides`.
    """
    path = Path(path)
    if path.is_dir():  # as `physgen workflows copy` makes one
        path = path / "config.toml"
    try:
        # Editors of Windows begin a file with a byte order mark.
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"config must be a readable TOML file, got {str(path)!r} ({error.strerror})"
        ) from None
    except ValueError as error:  # no TOML, no UTF-8, an integer of thousands of digits
        raise InputError(f"config must be valid TOML, got {str(path)!r}: {error}") from None
    except RecursionError:
        raise InputError(
            f"config must be valid TOML, got {str(path)!r}, nested too deeply"
        ) from None
    if toy:
        table = shortened(table)
    for text in overrides:
        _override(table, text)
    return config_from_dict(table, folder=path.parent)


def config_from_dict(table: Mapping[str, Any], folder: str | Path | None = None) -> JobConfig:
    """Check a nested mapping; with `folder`, resolve the files that it names and hash them."""
    config = job_of(table).config
    table = {key: dict(value) if is_mapping(value) else value for key, value in table.items()}
    if folder is not None:
        for section in config.FILE_SECTIONS:
            if isinstance(table.get(section), dict):
                _resolve_file(section, table[section], Path(folder))
    try:
        return config.model_validate(table)
    except ValidationError as error:
        raise InputError(one_line(error, config)) from None


def config_of_run(attrs: Mapping[Any, Any]) -> JobConfig:
    """Return the config of a run from the root attributes of its file.

    The attribute ``config`` says what the run is, ``files`` where its input lay when it began.
    """
    _check_layout(attrs, job_of(json.loads(attrs["config"])).config, "the run")
    return _stored(attrs["config"], attrs.get("files", "{}"))


@functools.lru_cache(maxsize=8)  # a report asks for its tables, its figures and its page
def _stored(text: str, files: str) -> JobConfig:
    table = json.loads(text)
    for section, path in json.loads(files).items():
        table[section]["file"] = path
    return config_from_dict(table)


def attrs_of(out: Path) -> Mapping[Any, Any] | None:
    """Return the root attributes of the run in `out`; None if there is none of ours."""
    from physgen.results import open_run

    try:
        attrs = open_run(out, groups=()).attrs
    except (StoreError, FileNotFoundError):
        return None  # opening the store says why
    return attrs if "config" in attrs else None


def check_layout(out: Path, config: JobConfig) -> None:
    """Raise :class:`StoreError` if `out` holds a run whose groups this version names otherwise."""
    attrs = attrs_of(out)
    if attrs is not None and kind_of(json.loads(attrs["config"])) == config.KIND:
        _check_layout(attrs, type(config), str(out))


def _check_layout(attrs: Mapping[Any, Any], config: type[JobConfig], where: str) -> None:
    if int(attrs.get("layout", 1)) < config.LAYOUT:
        raise StoreError(
            f"{where} was written by physgen {attrs.get('physgen_version', '')} of an older "
            "layout, which this one neither continues nor reports; its draws open in xarray "
            "(xarray.open_datatree), and the same config in another directory makes them anew"
        )


def _override(table: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    keys = name.strip().split(".")
    if not equals or len(keys) > 2 or not all(keys):
        raise InputError(f"--set must read section.key=value, got {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except (ValueError, RecursionError):
        parsed = value.strip()  # a bare word, such as gru
    if keys[-1] == "file" and isinstance(parsed, str) and parsed:
        # What is typed at a prompt is meant from where it is typed; a config, from where it lies.
        parsed = os.path.abspath(os.path.expanduser(parsed))
    tables: list[Any] = [table]
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        tables = inner if is_list(inner) else [inner]  # [[sampler]]: every one of them
        if not all(isinstance(each, dict) for each in tables):
            raise InputError(f"--set must read section.key=value, got {text!r}: {key} is a value")
    for each in tables:
        each[keys[-1]] = parsed


def _resolve_file(section: str, values: dict[str, Any], folder: Path) -> None:
    """Make the path absolute and record what the file holds, so that the run is identified."""
    name = values.get("file")
    if not isinstance(name, str) or not name:
        return
    if "\x00" in name:
        raise InputError(f"[{section}] file must be the name of a file, got {name!r}")
    # os.path leaves what it cannot resolve: an unknown ~user, a ring of links.
    path = os.path.realpath(folder / os.path.expanduser(name))
    values.update(file=path, sha256=check_digest(section, path, values.get("sha256")))
