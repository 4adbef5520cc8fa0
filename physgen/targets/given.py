r"""A target of the hidden part of a field, when the known part is given.

.. math:: e^{-S_v(h)} = e^{-S(P_v^T v + P_h^T h)} , \qquad
          \log Z_v = \log \int dh \, e^{-S_v(h)}

with the parts of :class:`~physgen.lattice.partition.Partition`.  Given block fields,
:math:`-\log Z_v` is the action of the block-spin transformation; given the field of some sites, h
fills in the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.arrays import like, to_numpy
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Differentiable, Support
from physgen.lattice.partition import Partition
from physgen.observables.observable import Observable
from physgen.targets.checked import checked_target
from physgen.targets.fingerprint import digest, fingerprint

__all__ = ["Given"]


@final
@dataclass(frozen=True, eq=False)
class Given:
    """The law of the hidden numbers of one field; a Target with a force.

    Parameters
    ----------
    whole : Target
        Of real fields, with a force.
    partition : Partition
        Of its lattice.
    known : array (n_known,)
        v.

    Raises
    ------
    InputError
        If shapes differ, or the target has no force.
    """

    whole: Any
    partition: Partition
    known: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", checked_target(self.whole))
        v = np.array(to_numpy(self.known), np.float64).ravel()
        object.__setattr__(self, "known", v)
        shape = tuple(self.whole.event_shape)
        if self.whole.support.kind != "reals" or not isinstance(self.whole, Differentiable):
            raise InputError(
                f"a part of a real field can be given where S has a force, got {self.whole!r}"
            )
        if shape != self.partition.shape or v.shape != (self.partition.n_known,):
            raise InputError(
                f"target and known numbers must have the shapes of the partition, "
                f"{self.partition.shape} and {self.partition.n_known}, got {shape} and {len(v)}"
            )

    def __repr__(self) -> str:
        return f"Given({self.whole!r}, {self.partition.n_known} of {self.whole.event_shape})"

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n_hidden,)."""
        return (self.partition.n_hidden,)

    @property
    def support(self) -> Support:
        """Real numbers."""
        return self.whole.support

    @property
    def fingerprint(self) -> str:
        """Digest of the whole target, the partition and the known numbers."""
        return digest("Given", fingerprint(self.whole), self.partition.hidden, self.known)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Those of the whole field."""
        whole = declared(self.whole).observables.items()
        found = {name: o._replace(function=partial(self._seen, o)) for name, o in whole}
        return MappingProxyType(found)

    def _seen(self, observable: Observable, h: Any) -> Any:
        return observable(self.field(h))

    def field(self, h: Any) -> Any:
        """Return the whole fields (..., *shape) of hidden numbers (..., n_hidden)."""
        return self.partition.merge(self.known, h)

    def action(self, h: Any) -> Any:
        """Return S_v (...) float64 of hidden numbers (..., n_hidden)."""
        return self.whole.action(self.field(h))

    def force(self, h: Any) -> Any:
        """Return -dS_v/dh, shape of h."""
        f = to_numpy(self.whole.force(self.field(h)))
        flat = f.reshape(*f.shape[: f.ndim - len(self.partition.shape)], -1)
        found = like(flat @ self.partition.hidden.T, h)
        return found.to(h.dtype) if hasattr(h, "detach") else found.astype(h.dtype)
