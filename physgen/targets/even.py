r"""The target on the even sublattice, with the odd sublattice integrated out.

.. math:: e^{-S_{\rm even}(\phi_e)} = \int d\phi_o \, e^{-S(\phi)}

(a sum for spins); log Z is the same as for the full lattice.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.errors import InputError
from physgen.core.protocols import Support
from physgen.core.random import Stream
from physgen.targets.fingerprint import digest, fingerprint

__all__ = ["EvenTarget"]


@final
@dataclass(frozen=True, eq=False)
class EvenTarget:
    """The even sites of a target, odd ones integrated out.

    Parameters
    ----------
    whole : Decimable
        The target, on a bipartite lattice.
    """

    whole: Any

    def __post_init__(self) -> None:
        self.whole.lattice.checkerboard()  # raises, with the reason, where there is none

    def __repr__(self) -> str:
        return f"EvenTarget({self.whole!r})"

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n_even,): even sites in the order of ``lattice.split``."""
        return (self.whole.lattice.n_even,)

    @property
    def support(self) -> Support:
        """Support of the whole target."""
        return self.whole.support

    @property
    def fingerprint(self) -> str:
        """Digest of the whole target."""
        return digest("EvenTarget", fingerprint(self.whole))

    @property
    def observables(self) -> Any:
        """Only the action; observables of the whole: ``whole.rao_blackwell(x_even)``."""
        from physgen.observables.observable import Observable

        return MappingProxyType({"action": Observable("action", self.action, "1", "S_even")})

    def action(self, x: Any) -> Any:
        """Return S_even (...) float64 of even sites (..., n_even)."""
        return self.whole.action_even(x)

    def force(self, x: Any) -> Any:
        """Return -dS_even/dx, shape of x; only for fields."""
        if self.support.kind != "reals":
            raise InputError(f"a force is that of real fields, got {self.support.kind}")
        return self.whole.force_even(x)

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return the even sites of n hot configurations."""
        return self.whole.lattice.split(self.whole.hot(rng, n))[0]

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return the even sites of n cold configurations."""
        return self.whole.lattice.split(self.whole.cold(rng, n))[0]
