"""What autoregressive models of Ising spins have in common: how a target asks for one."""

from __future__ import annotations

from typing import Any

from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import ConfigurationModel
from physgen.models.decimated import Decimated, reduced

__all__ = ["SpinModel"]


class SpinModel(ConfigurationModel):
    """A model of spins whose class takes shape, boundary, even, odd and rng."""

    @classmethod
    def for_target(
        cls, target: Any, *, decimate: bool = True, rng: Stream | int = 0, **options: Any
    ) -> Any:
        """Return a model for an Ising target: of its even sites, where the others can be summed.

        Parameters
        ----------
        target : Target
            Of spins on a Hypercubic lattice.
        decimate : bool
            Sum the odd sublattice exactly, where the target can.
        rng : Stream or int
        **options
            Other arguments of the class.

        Raises
        ------
        InputError
            If the target is not one of spins on a hypercubic lattice.
        """
        lattice = getattr(target, "lattice", None)
        if target.support != SPINS or not isinstance(lattice, Hypercubic):
            raise InputError(
                f"{cls.__name__} needs a target of spins with a Hypercubic lattice, got {target!r}"
            )
        make: Any = cls
        arguments: dict[str, Any] = {
            "shape": lattice.shape,
            "boundary": lattice.boundary,
            "odd": "z2" in getattr(target, "symmetries", ()),
            "rng": rng,
            **options,
        }
        if decimate and (even := reduced(target)) is not None:
            return Decimated(make(**{"even": True, **arguments}), target, even)
        return make(**arguments)
