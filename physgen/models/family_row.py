"""One row of the table of families (:mod:`physgen.models.families`): what a family is."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "PACKAGE", "SUPPORTS", "Family"]

SUPPORTS = ("outcomes", "reals", "spins")
KINDS = ("density", "energy", "joint", "simulator")
PACKAGE = "physgen.models"


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes
    ----------
    name : str
        The name in configs.
    path : str
        Module in `physgen.models` and class, ``"flows.glow:GlowFlow"``.
    support : {"outcomes", "reals", "spins"}
    kind : {"density", "energy", "joint", "simulator"}
        What a trained model is: a normalised density, an action, a density of (x, z), draws.
    about : str
        One line for tables and help.
    objective : str
        Training objective where a config says "auto".
    fixed : mapping
        Constructor arguments that the name implies, where a class has several names.
    defaults : mapping
        Defaults of constructor arguments that differ from the class.
    recipe : mapping
        Fields of :class:`~physgen.training.FitSettings` that differ from its defaults.
    cites : tuple of str
        Keys of ``results/references.bib``.
    corrects : str
        Of an energy that corrects the action of a target: module and class of the correction,
        whose arguments are given instead of its own.
    """

    name: str
    path: str
    support: str
    about: str
    kind: str = "density"
    objective: str = "reverse-kl"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    cites: tuple[str, ...] = ()
    corrects: str = ""

    def load(self) -> Any:
        """Return the class."""
        module, name = self.path.split(":")
        return getattr(import_module(f"{PACKAGE}.{module}"), name)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the constructor's arguments that the family does not fix."""
        return tuple(a for a in _signature(self.path) if a not in {*self.fixed, "rng"})

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the arguments that ``for_target`` and configs give."""
        return (
            tuple(a for a in _signature(self.corrects) if a != "rng")
            if self.corrects
            else (self.arguments)
        )


@functools.cache
def _signature(path: str) -> tuple[str, ...]:
    """Return the names of a constructor's arguments, read from its source: no torch is loaded."""
    module, name = path.split(":")
    file = Path(__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    (cls,) = (
        node
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    (init,) = (n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    return tuple(a.arg for a in (*init.args.args[1:], *init.args.kwonlyargs))
