r"""The points of a scan: extents x couplings x samplers, each one group of chains in the run file.

The group of a point, ``chains/<label>/L16/kappa0.25``, is also the name of its random stream, so
the numbers of a point depend on the seed and on the point alone, not on what else is scanned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.workflow.lattice.config import Config, SamplerSection
from physgen.workflow.lattice.methods import make
from physgen.workflow.target.axes import Axes
from physgen.workflow.target.section import TargetSection

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


@final
@dataclass(frozen=True)
class Scan(Axes):
    """All points of a config, and the axes that they lie on."""

    config: Config

    @property
    def section(self) -> TargetSection:
        """The [target] section."""
        return self.config.target

    @property
    def samplers(self) -> list[SamplerSection]:
        """The samplers, as configured."""
        return list(self.config.sampler)

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.extents) * len(self.values) * len(self.samplers)

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
        return "/".join(["chains", label, *self.place(L, value)])
