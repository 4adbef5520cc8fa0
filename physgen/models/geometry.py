"""Models of the sites of a lattice: all of them, or the even sublattice alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS, Support
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import ConfigurationModel
from physgen.targets.even import EvenTarget

__all__ = ["Geometry", "LatticeModel", "lattice_arguments", "lattice_of"]


@dataclass(frozen=True)
class Geometry:
    """The sites that a model describes.

    Attributes
    ----------
    lattice : Hypercubic
    halved : bool
        The even sublattice alone, in the order of ``lattice.split``.
    """

    lattice: Hypercubic
    halved: bool = False

    @classmethod
    def of(cls, shape: Any, boundary: Any = "periodic", halved: bool = False) -> Geometry:
        """Return the geometry of a model's arguments."""
        words = boundary if isinstance(boundary, str) else tuple(boundary)
        return cls(Hypercubic(tuple(shape), words), bool(halved))

    @property
    def n(self) -> int:
        """Number of sites."""
        return self.lattice.n_even if self.halved else self.lattice.n_sites

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration."""
        return (self.n,) if self.halved else self.lattice.shape


class LatticeModel(ConfigurationModel):
    """A model whose class takes ``shape``, ``boundary``, ``halved`` and ``odd``."""

    odd: bool

    def __init__(self, geometry: Geometry, support: Support) -> None:
        super().__init__(geometry.event_shape, support)
        self.geometry = geometry

    @property
    def lattice(self) -> Hypercubic:
        """The whole lattice."""
        return self.geometry.lattice

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the whole lattice."""
        return self.lattice.shape

    @property
    def boundary(self) -> Any:
        """Boundary of the lattice, one word or one per axis."""
        return self.lattice.boundary

    @property
    def halved(self) -> bool:
        """Whether the model covers the even sublattice only."""
        return self.geometry.halved

    @classmethod
    def _lattice_arguments(
        cls, target: Any, even: EvenTarget | None, support: Support, components: bool = False
    ) -> dict[str, Any]:
        """Return shape, boundary, halved and odd, as a target declares them.

        Raises
        ------
        InputError
            If it has no such lattice, or several numbers a site without `components`.
        """
        return lattice_arguments(cls.__name__, target, even, support, components)


def lattice_arguments(
    who: str, target: Any, even: EvenTarget | None, support: Support, components: bool = False
) -> dict[str, Any]:
    """Return shape, boundary, halved and odd of a model, as a target declares them.

    Raises
    ------
    InputError
        If it has no such lattice, or several numbers a site without `components`.
    """
    lattice = lattice_of(target, support, who)
    if not components and site_shape(target) != tuple(target.event_shape):
        raise InputError(
            f"{who} models one number a site, got configurations of shape "
            f"{tuple(target.event_shape)} on {lattice.shape}; take 'zuko-flow', or "
            "'equivariant-cnf' where components may be permuted"
        )
    return {
        "shape": lattice.shape,
        "boundary": lattice.boundary,
        "halved": even is not None,
        "odd": declared(target).is_even,
    }


def lattice_of(target: Any, support: Support, who: str) -> Hypercubic:
    """Return the lattice of a target of this support.

    Raises
    ------
    InputError
        If it has another support, or no Hypercubic lattice.
    """
    lattice = declared(target).lattice
    if target.support != support or not isinstance(lattice, Hypercubic):
        what = "spins" if support == SPINS else "real fields"
        raise InputError(
            f"{who} needs a target of {what} with a Hypercubic lattice, got {target!r}; give "
            "a target of your own its lattice: as_target(action, lattice=Hypercubic((8, 8)))"
        )
    return lattice
