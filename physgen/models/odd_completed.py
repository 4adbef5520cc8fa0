r"""What models of the even sites share, whose odd sites are drawn exactly.

Where a target can integrate out its odd sublattice, :math:`p(\phi_o | \phi_e)` is known, so a
model of the even sites is one of all sites (:mod:`physgen.models.decimated` for densities,
:mod:`physgen.models.latent.decimated` for joint densities).
"""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from torch import nn

from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Decimable, Fingerprinted, Support
from physgen.core.random import Stream
from physgen.samplers.plain import first_configurations
from physgen.targets.even import EvenTarget

__all__ = ["OddCompleted", "reduced"]


def reduced(target: Any) -> EvenTarget | None:
    """Return the target with odd sites integrated out; None if this is not possible."""
    lattice = declared(target).lattice
    able = isinstance(target, Decimable) and lattice is not None and lattice.is_bipartite
    return EvenTarget(target) if able else None


class OddCompleted(nn.Module):
    """A model of all sites from one of the even sites; a Collapsed.

    Parameters
    ----------
    even : model
        Of the even sites, in the order of ``lattice.split``.
    target : Target
        One that can integrate out its odd sublattice.
    even_target : EvenTarget, optional
        Its even sites.

    Raises
    ------
    InputError
        If the target cannot do it, or the even sites have another shape.
    """

    def __init__(self, even: Any, target: Any, even_target: EvenTarget | None = None) -> None:
        super().__init__()
        even_target = even_target or reduced(target)
        if even_target is None:
            raise InputError(
                f"a decimated model needs a target that integrates its odd sublattice, got "
                f"{target!r}"
            )
        if tuple(even.event_shape) != even_target.event_shape:
            raise InputError(
                f"the even sites of the target have shape {even_target.event_shape}, got a "
                f"model of shape {tuple(even.event_shape)}"
            )
        self.even, self.target, self._even_target = even, target, even_target

    def collapsed_for(self, target: Any) -> tuple[Any, EvenTarget] | None:
        """Return the model of the even sites and their target: training needs no more.

        Return None if `target` has another action than the one whose odd sites this model draws.
        """
        if target is not self.target:
            x = first_configurations(self.target, Stream(0), 16, "hot")
            if not np.allclose(target.action(x), self.target.action(x), rtol=1e-10, atol=1e-10):
                return None
        return self.even, self._even_target

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Training copies a model to average or try out weights; a target never changes.
        return type(self)(copy.deepcopy(self.even, memo), self.target, self._even_target)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration of the target."""
        return tuple(self.target.event_shape)

    @property
    def support(self) -> Support:
        """Support of the target."""
        return self.target.support

    @property
    def config(self) -> dict[str, Any]:
        """Config of the model of the even sites, the only learned part."""
        return self.even.config

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, and of the target if it has one."""
        parts = [p.fingerprint for p in (self.even, self.target) if isinstance(p, Fingerprinted)]
        return "-".join(parts)

    def rest(self, x: Any) -> Any:
        """Return the even sites of configurations."""
        return self.target.lattice.split(x)[0]

    def complete(self, x_even: Any, rng: Stream | int) -> Any:
        """Return configurations with the given even sites and odd ones drawn exactly."""
        return self.target.lattice.merge(x_even, self.target.draw_odd(x_even, rng))
