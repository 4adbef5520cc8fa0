r"""The points of a scan: extents x couplings, and at each of them every generator of draws.

The group of a generator at a point is ``chains/<label>/L16/kappa0.25`` or ``models/<label>/...``,
with the coupling that is scanned.  Its random stream is named by all couplings, so its numbers
depend on the seed and on itself alone, not on what is scanned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import final

from physgen.workflow.lattice.config import DATA, SMC, Config, SmcSection
from physgen.workflow.lattice.data_section import DataSection
from physgen.workflow.lattice.generators import (
    Annealed,
    Chains,
    Generator,
    Given,
    Learned,
    Place,
)
from physgen.workflow.lattice.sampler_section import SamplerSection
from physgen.workflow.target.axes import Axes
from physgen.workflow.target.section import TargetSection

__all__ = ["Scan"]

POINT = 300  # sites whose chains take as long as what a point of any size takes besides


@final
@dataclass(frozen=True)
class Scan(Axes):
    """All points of a config, and the axes that they lie on."""

    config: Config

    @property
    def section(self) -> TargetSection | DataSection:
        """The section that says what is sampled."""
        found = self.config.target or self.config.data
        assert found is not None  # the config has one of them
        return found

    @property
    def samplers(self) -> list[SamplerSection]:
        """The samplers, as configured."""
        return list(self.config.sampler)

    @property
    def labels(self) -> list[str]:
        """Every generator, in the order of the tables."""
        return self.config.labels

    @property
    def n_points(self) -> int:
        """Number of points, counted for every generator."""
        return len(self.extents) * len(self.values) * len(self.labels)

    def costs(self) -> list[int]:
        """Return what each place of the whole scan costs, relative to the others.

        That is its sites; where a model is fitted in a budget of time, all cost the same.
        """
        in_time = any(model.train.n_epochs is None for model in self.config.model)
        alike = in_time or len(self.extents) == 1
        sites = (0 if alike else self.sites(self.target(L, self.values[0])) for L in self.extents)
        return [POINT + n for n in sites for _ in self.values]

    def places(self) -> Iterator[Place]:
        """Yield the targets that this process works on, small lattices first."""
        for i, L in enumerate(self.extents):
            for j, value in enumerate(self.values):
                if not self.config.takes(i * len(self.values) + j):
                    continue
                text = ", ".join(self.words(L, value))
                path = tuple(self.place(L, value))
                stream, make = tuple(self.stream(L, value)), partial(self.target, L, value)
                yield Place((i, j), make, L, value, path, text, stream)

    def groups(self) -> list[str]:
        """Return the groups of all points, in the order in which stages work on them."""
        kinds = (self.given, self.chains, self.annealed, self.learned)
        return [p.group for points in kinds for place in self.places() for p in points(place)]

    def generators(self, place: Place) -> Iterator[Generator]:
        """Yield every generator at a place, in the order of the tables."""
        yield from self.given(place)
        yield from self.chains(place)
        yield from self.learned(place)
        yield from self.annealed(place)

    def given(self, place: Place) -> Iterator[Given]:
        """Yield the configurations of the user, if there are any."""
        if self.config.data is not None:
            yield Given(DATA, DATA, place, DATA)

    def chains(self, place: Place) -> Iterator[Chains]:
        """Yield the Markov chains at a place; those of the first sampler come first."""
        for section in self.config.sampler:
            group = "/".join(["chains", section.label, *place.path])
            yield Chains(section.label, group, place, _text(section.label, place), section)

    def learned(self, place: Place) -> Iterator[Learned]:
        """Yield the models at a place."""
        for section in self.config.model:
            group = "/".join(["models", section.label, *place.path])
            yield Learned(section.label, group, place, _text(section.label, place), section)

    def annealed(self, place: Place) -> Iterator[Annealed]:
        """Yield sequential Monte Carlo at a place, if it was asked for."""
        if n := self.config.n_particles:
            group = "/".join([SMC, *place.path])
            n_islands = (self.config.smc or SmcSection()).n_islands
            yield Annealed(SMC, group, place, _text(SMC, place), n, n_islands)


def _text(label: str, place: Place) -> str:
    return ", ".join(filter(None, (label, place.text)))
