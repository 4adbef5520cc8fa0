"""Objects made from the path of their class, ``package.module:Class``, in ``system.toml``.

A name in braces, as in ``"...:Phi4.from_{convention}"``, is replaced by the argument of that name.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from physgen.core.errors import InputError

__all__ = ["Kind", "made"]


class Kind(NamedTuple):
    """What a class makes: the key that names it, what it is in words, and its protocol."""

    key: str
    noun: str
    protocol: type


def made(system: str, template: str, kind: Kind, arguments: Mapping[str, Any]) -> Any:
    """Return the object that the callable at a path makes from the arguments of a system."""
    placed = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    path = template.format_map(arguments)
    others = {k: v for k, v in arguments.items() if k not in placed}
    rule = f"{kind.key} of {system} must be the class of {kind.noun}, 'package.module:Class'"
    module, _, names = path.partition(":")
    try:
        maker: Any = functools.reduce(getattr, names.split("."), import_module(module))
    except Exception as error:  # a foreign module may raise anything
        raise InputError(f"{rule}, got {path!r} ({type(error).__name__}: {error})") from error
    try:
        found = maker(**others)
    except TypeError as error:
        raise InputError(f"{rule} that takes {', '.join(others)}, got {error}") from error
    if not isinstance(found, kind.protocol):
        raise InputError(f"{rule}, got {path!r}, which makes a {type(found).__name__}")
    return found
