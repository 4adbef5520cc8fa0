"""What the points of a run over targets lie on: extents L, and one coupling."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path

from physgen.core.protocols import Target
from physgen.workflow.target import own
from physgen.workflow.target.families import FAMILIES, build
from physgen.workflow.target.section import TargetSection

__all__ = ["Axes"]

_NEUTRAL = {"J": 1.0, "h": 0.0}  # couplings that go without saying


class Axes(ABC):
    """The axes that a [target] section spans."""

    @property
    @abstractmethod
    def section(self) -> TargetSection:
        """The [target] section."""

    @property
    def family(self) -> str | None:
        """Name of the known action, None for one of the user."""
        return self.section.name

    @property
    def title(self) -> str:
        """What is sampled, in a word or two."""
        target = self.section
        if target.name is not None:
            return FAMILIES[target.name].title
        return f"{target.object} of {Path(str(target.file)).name}"

    @property
    def text(self) -> str:
        """What is sampled, and where."""
        extents = ", ".join(str(L) for L in self.extents if L is not None)
        values = [v for v in self.values if v is not None]
        parts = [self.title, *([f"L = {extents}"] if extents else [])]
        if values:
            span = f"{values[0]:g} to {values[-1]:g}" if len(values) > 1 else f"{values[0]:g}"
            parts.append(f"{self.coupling} = {span}")
        parts += [f"{k} = {v:g}" for k, v in self.fixed.items() if _NEUTRAL.get(k) != v]
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
    def values(self) -> list[float | None]:
        """The values of that coupling, ascending."""
        found = self.section.couplings().get(self.coupling) or [None]
        return [*sorted(v for v in found if v is not None)] or [None]

    @property
    def fixed(self) -> dict[str, float]:
        """The couplings that stay as they are."""
        couplings = self.section.couplings()
        return {name: v[0] for name, v in couplings.items() if v and name != self.coupling}

    def target(self, L: int | None, value: float | None) -> Target:
        """Return the target at one extent and coupling."""
        couplings = dict(self.fixed) | ({self.coupling: value} if value is not None else {})
        section = self.section
        if section.name is None:
            return own.load(section, L, couplings)
        assert L is not None
        return build(section.name, section.convention, L, couplings)

    def place(self, L: int | None, value: float | None) -> list[str]:
        """Return the parts of a group's name that stand for a point."""
        parts = [f"L{L}"] if L is not None else []
        return parts + ([f"{self.coupling}{value:.12g}"] if value is not None else [])

    def words(self, L: int | None, value: float | None) -> list[str]:
        """Return a point in words."""
        parts = [f"L = {L}"] if L is not None else []
        return parts + ([f"{self.coupling} = {value:g}"] if value is not None else [])

    def sites(self, target: Target) -> int:
        """Return the number of sites."""
        return math.prod(target.event_shape)
