r"""The points of a scan: extents x couplings x samplers, each one group of chains in the run file.

The group of a point, ``chains/<label>/L16/kappa0.25``, is also the name of its random stream, so
the numbers of a point depend on the seed and on the point alone, not on what else is scanned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.workflow.sampling import own
from physgen.workflow.sampling.config import Config, SamplerSection
from physgen.workflow.sampling.families import FAMILIES, build
from physgen.workflow.sampling.methods import make

__all__ = ["Point", "Scan"]


@dataclass(frozen=True)
class Point:
    """One target and one sampler.

    Attributes
    ----------
    group : str
        Where its draws are in the run file.
    L : int or None
        Extent; None where a target of the user has none.
    value : float or None
        Of the coupling that is scanned; None without one.
    """

    group: str
    sampler: SamplerSection
    target: Target
    L: int | None
    value: float | None
    coupling: str

    @property
    def text(self) -> str:
        """The point in words."""
        parts = [f"L = {self.L}"] if self.L is not None else []
        parts += [f"{self.coupling} = {self.value:g}"] if self.value is not None else []
        return ", ".join([self.sampler.label, *parts])

    def bind(self) -> Any:
        """Return the bound sampler; raise :class:`InputError` if it cannot sample the target."""
        try:
            return self.make().bind(self.target)
        except InputError as error:
            raise InputError(f"[sampler] {self.text}: {error}") from None

    def make(self) -> Any:
        """Return the sampler."""
        return make(self.sampler.name, self.sampler.settings())


@dataclass(frozen=True)
class Scan:
    """All points of a config, and the axes that they lie on."""

    config: Config

    @property
    def family(self) -> str | None:
        """Name of the known action, None for one of the user."""
        return self.config.target.name

    @property
    def title(self) -> str:
        """What is sampled, in a word or two."""
        target = self.config.target
        if target.name is not None:
            return FAMILIES[target.name].title
        return f"{target.object} of {Path(str(target.file)).name}"

    @property
    def extents(self) -> list[int | None]:
        """The values of L."""
        return list(self.config.target.L or [None])

    @property
    def coupling(self) -> str:
        """The coupling that is scanned: the one with several values, else the first; or none."""
        couplings = self.config.target.couplings()
        many = [name for name, values in couplings.items() if len(values) > 1]
        return next(iter(many or couplings), "")

    @property
    def values(self) -> list[float | None]:
        """The values of that coupling, ascending."""
        found = self.config.target.couplings().get(self.coupling) or [None]
        return [*sorted(v for v in found if v is not None)] or [None]

    @property
    def fixed(self) -> dict[str, float]:
        """The couplings that stay as they are."""
        couplings = self.config.target.couplings()
        return {name: v[0] for name, v in couplings.items() if v and name != self.coupling}

    @property
    def samplers(self) -> list[SamplerSection]:
        """The samplers, as configured."""
        return list(self.config.sampler)

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.extents) * len(self.values) * len(self.samplers)

    def target(self, L: int | None, value: float | None) -> Target:
        """Return the target at one extent and coupling."""
        couplings = dict(self.fixed) | ({self.coupling: value} if value is not None else {})
        section = self.config.target
        if section.name is None:
            return own.load(section, L, couplings)
        assert L is not None
        return build(section.name, section.convention, L, couplings)

    def points(self) -> Iterator[Point]:
        """Yield the points: small lattices first, the samplers side by side."""
        for L in self.extents:
            for value in self.values:
                target = self.target(L, value)
                for sampler in self.samplers:
                    yield Point(
                        self.group(sampler.label, L, value),
                        sampler,
                        target,
                        L,
                        value,
                        self.coupling,
                    )

    def group(self, label: str, L: int | None, value: float | None) -> str:
        """Return the group of a point."""
        parts = ["chains", label]
        parts += [f"L{L}"] if L is not None else []
        parts += [f"{self.coupling}{value:.12g}"] if value is not None else []
        return "/".join(parts)

    def sites(self, target: Target) -> int:
        """Return the number of sites."""
        return math.prod(target.event_shape)
