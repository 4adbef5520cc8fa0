r"""Base class of energies of configurations: an action :math:`S_\theta(x)` with weights.

.. math:: p_\theta(x) = e^{-S_\theta(x)} / Z_\theta

is not normalised: :math:`Z_\theta` is not known, so an energy has no log_prob.  It is a target.
This class declares what samplers and estimates ask of one: lattice, symmetries, observables, and
where chains begin.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Support
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.base import EnergyModel
from physgen.models.configurations import field_size
from physgen.observables.observable import Observable
from physgen.targets.checked import whole_source
from physgen.targets.configurations import site_observables

__all__ = ["Energy"]

BLOCK_NUMBERS, BLOCK_NUMBERS_ON_DEVICE = 2**17, 2**22


class Energy(EnergyModel):
    """An energy of the sites of a lattice, or of numbers without neighbours.

    Parameters
    ----------
    shape : tuple of int
        Of one configuration.
    support : Support
    boundary : {"periodic", "open"}, or one of them for each axis, or None
        Of the hypercubic lattice; None: numbers without neighbours.
    even : bool
        Whether S(-x) = S(x): the subclass makes it so, and this declares it.
    scale : float
        Size of a typical field, > 0: chains of real fields begin with normal deviates of this
        standard deviation.
    """

    translations = False  # whether the energy of a periodic lattice is invariant under shifts

    def __init__(
        self,
        shape: Any,
        support: Support,
        boundary: Any = None,
        *,
        even: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__(_shape(shape), support)
        words = boundary if boundary is None or isinstance(boundary, str) else tuple(boundary)
        self.lattice = None if words is None else Hypercubic(self.event_shape, words)
        self.boundary, self.even = words, bool(even)
        self.scale = check_positive("scale", scale)

    # --- for a target ---------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return the arguments of the constructor that follow from a target or configurations.

        Raises
        ------
        InputError
            If they do not suit the family.
        """

    @classmethod
    def for_target(cls, source: Any, *, rng: Stream | int = 0, **options: Any) -> Any:
        """Return a fresh energy of the configurations of a target, or of given configurations.

        Only what the source declares is used (shape, lattice, symmetries, the size of a field);
        never its action.

        Parameters
        ----------
        source : Target or Configurations
        rng : Stream or int
        **options
            Other arguments of the class.

        Raises
        ------
        InputError
            If the source does not suit the family, or an argument is out of range.
        """
        stream, source = as_stream(rng), whole_source(source)
        make: Any = cls
        return make(**{**cls.arguments_for(source, options, stream), **options}, rng=stream)

    @classmethod
    def lattice_arguments(cls, source: Any, support: Support, rng: Stream) -> dict[str, Any]:
        """Return shape, boundary, even and, for real fields, scale, as a source declares them.

        Raises
        ------
        InputError
            If its configurations have another support.
        """
        if source.support != support:
            raise InputError(
                f"{cls.__name__} is an energy of {support.kind}, got {source!r} of "
                f"{source.support.kind}"
            )
        about = declared(source)
        lattice, shape = about.lattice, tuple(source.event_shape)
        known = isinstance(lattice, Hypercubic) and lattice.shape == shape
        found = {
            "shape": shape,
            "boundary": lattice.boundary if known else None,
            "even": about.is_even,
        }
        return found | ({"scale": field_size(source, rng)} if support.kind == "reals" else {})

    # --- what a target declares ------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.event_shape

    @property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2" and "translations" leave the energy as it is, whatever the weights."""
        found = {"z2"} if self.even else set[str]()
        if self.translations and self.lattice is not None and self.lattice.is_periodic:
            found.add("translations")
        return frozenset(found)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The action (total), magnetization, phi2 of real fields, bond_product on a lattice."""
        own = {"action": Observable("action", self.action, "1", "S, all sites")}
        return MappingProxyType(
            own | dict(site_observables(self.event_shape, self.support, self.lattice))
        )

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites, (n, *event_shape)."""
        shape, draw = (check_positive_int("n", n), *self.event_shape), as_stream(rng).numpy()
        if self.support.kind == "spins":
            return 2 * draw.integers(0, 2, shape, np.int8) - 1
        if self.support.K is not None:
            return draw.integers(0, self.support.K, shape, np.uint8)
        return self.scale * draw.standard_normal(shape)

    @property
    def block(self) -> int:
        """Configurations whose energies are computed at once without gradients."""
        numbers = BLOCK_NUMBERS if self.device.type == "cpu" else BLOCK_NUMBERS_ON_DEVICE
        return max(16, numbers // math.prod(self.event_shape))


def _shape(given: Any) -> tuple[int, ...]:
    """Return the shape of a configuration; no energy has one by default."""
    extents = given if isinstance(given, tuple | list) else ()
    if not extents:
        raise InputError(
            f"shape must be the extents of one configuration, e.g. (8, 8), got {given!r}"
        )
    return tuple(check_positive_int("each extent of shape", extent) for extent in extents)
