"""The axes of a scan: the extent L, and one coupling."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from physgen.catalogue import System, target_systems
from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError
from physgen.observables.shelf import shelf_observables

__all__ = ["Axes", "Source"]


class Source(Protocol):
    """A section that says what is sampled: [target], or [data] of configurations."""

    @property
    def L(self) -> list[int] | None:
        """Extents; None where there is but one, which has no name."""
        ...

    @property
    def system(self) -> System | None:
        """The system of the catalogue, if it is one."""
        ...

    @property
    def title(self) -> str:
        """What is sampled, in a word or two."""
        ...

    @property
    def observables(self) -> list[str]:
        """What is recorded beside the observables of the target."""
        ...

    @property
    def is_foreign(self) -> bool:
        """Whether its force is of other hands than physgen's, and is to be checked."""
        ...

    def couplings(self) -> dict[str, list[float]]:
        """Return the values of every coupling, by name."""
        ...

    def target(self, L: int | None, couplings: Mapping[str, float]) -> Any:
        """Return what is sampled at one extent and one value of every coupling."""
        ...


class Axes(ABC):
    """The axes that a section spans."""

    @property
    @abstractmethod
    def section(self) -> Source:
        """The section of the config that says what is sampled."""

    @property
    def title(self) -> str:
        """What is sampled, in a word or two."""
        return self.section.title

    @property
    def text(self) -> str:
        """What is sampled, and where; couplings at their defaults go without saying."""
        extents = ", ".join(str(L) for L in self.extents if L is not None)
        values = [v for v in self.values if v is not None]
        parts = [self.title, *([f"L = {extents}"] if extents else [])]
        if values:
            span = f"{values[0]:g} to {values[-1]:g}" if len(values) > 1 else f"{values[0]:g}"
            parts.append(f"{self.coupling} = {span}")
        system = self.section.system
        usual = {} if system is None else {k: p.default for k, p in system.parameters.items()}
        parts += [f"{k} = {v:g}" for k, v in self.fixed.items() if usual.get(k) != v]
        return ", ".join(parts)

    @property
    def extents(self) -> list[int | None]:
        """The values of L."""
        return list(self.section.L or [None])

    @property
    def coupling(self) -> str:
        """The coupling that is scanned: the one with several values, else the first; or none."""
        couplings = self.section.couplings()
        many = [name for name, values in couplings.items() if len(values) > 1]
        return next(iter(many or couplings), "")

    @property
    def symbol(self) -> str:
        """The symbol of that coupling, in TeX; an own action's is as the catalogue knows it."""
        system = self.section.system
        systems = target_systems().values() if system is None else [system]
        symbols = (
            s.parameters[self.coupling].symbol for s in systems if self.coupling in s.parameters
        )
        return next(symbols, self.coupling)

    @property
    def values(self) -> list[float | None]:
        """The values of that coupling, ascending."""
        found = self.section.couplings().get(self.coupling) or [None]
        return [*sorted(v for v in found if v is not None)] or [None]

    @property
    def fixed(self) -> dict[str, float]:
        """The couplings that stay as they are."""
        couplings = self.section.couplings()
        return {name: v[0] for name, v in couplings.items() if v and name != self.coupling}

    def target(self, L: int | None, value: float | None) -> Any:
        """Return the target at one extent and coupling."""
        couplings = dict(self.fixed) | ({self.coupling: value} if value is not None else {})
        return self.section.target(L, couplings)

    def place(self, L: int | None, value: float | None) -> list[str]:
        """Return the parts of a group's name that stand for a point."""
        parts = [f"L{L}"] if L is not None else []
        return parts + ([f"{self.coupling}{value:.12g}"] if value is not None else [])

    def stream(self, L: int | None, value: float | None) -> list[str]:
        """Return the parts of a random stream's name that stand for a point.

        All couplings, whichever of them is scanned, so a point has the same random numbers in
        every run; those at their defaults go without saying.
        """
        system = self.section.system
        couplings = dict(self.fixed) | ({self.coupling: value} if value is not None else {})
        if system is None:
            usual, order = {}, sorted(couplings)
        else:
            usual = {name: p.default for name, p in system.parameters.items()}
            order = [name for name in system.parameters if name in couplings]
        told = [name for name in order if couplings[name] != usual.get(name)]
        parts = [f"L{L}"] if L is not None else []
        return parts + [f"{name}{couplings[name] + 0.0:.12g}" for name in told]

    def words(self, L: int | None, value: float | None) -> list[str]:
        """Return a point in words."""
        parts = [f"L = {L}"] if L is not None else []
        return parts + ([f"{self.coupling} = {value:g}"] if value is not None else [])

    def sites(self, target: Any) -> int:
        """Return the number of sites."""
        return math.prod(site_shape(target))

    def observables(self, target: Any) -> dict[str, Any] | None:
        """Return the observables of a target with those that the config adds; None: its own.

        Raises
        ------
        InputError
            If one of them does not suit the target.
        """
        if not self.section.observables:
            return None
        own = declared(target).observables or {"action": target.action}
        names = dict.fromkeys([*own, *self.section.observables])
        try:
            return dict(own) | shelf_observables(target, names)
        except InputError as error:
            raise InputError(f"[target] {error}") from None
