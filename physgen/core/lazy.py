"""Packages that name what they export and import it when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_exports"]


def lazy_exports(
    package: str, home: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    home : mapping of str to str
        Each exported name, and the module that defines it: ``physgen...`` or within the package.
    """

    def getattr_(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = home[name] if home[name].startswith("physgen.") else f"{package}.{home[name]}"
        return getattr(import_module(module), name)

    def dir_() -> list[str]:
        return sorted(home)

    return getattr_, dir_
