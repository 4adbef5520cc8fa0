"""Shared by autoregressive models of Ising spins: the arguments that follow from a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.models.geometry import Geometry, LatticeModel
from physgen.targets.even import EvenTarget

__all__ = ["SpinModel"]


class SpinModel(LatticeModel):
    """A model of spins on a lattice."""

    def __init__(self, geometry: Geometry, odd: bool) -> None:
        super().__init__(geometry, SPINS)
        self.odd = bool(odd)

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice of an Ising target, and q(-s) = q(s) where S(-s) = S(s)."""
        del options, rng
        return cls._lattice_arguments(target, even, SPINS)
