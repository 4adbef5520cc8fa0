r"""Local Metropolis sweeps of phi^4 fields, alone or after overrelaxation.

A field moves by d uniform in (-width, width), with probability :math:`\min(1, e^{-\Delta S})`;
sites are visited colour by colour (`kernels.cpu.phi4_local`).  A sweep leaves the target invariant
but is not reversible.  The width is tuned to an acceptance of one half, and the curvature c of the
reflections to the largest mean squared move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.fields.dual_averaging import DualAveraging
from physgen.samplers.fields.moves import check_settings
from physgen.samplers.fields.phi4 import Phi4Fields, SiteMoves

__all__ = ["LocalChains", "bind_phi4"]

_LEAST_WIDTH = 64  # chains of a block: sites are updated one by one
_TARGET_ACCEPT = 0.5
_LOOKED_AT = 1 << 17  # sites, to choose the curvature


def bind_phi4(
    target: Target,
    rng: str = "philox",
    dtype: str = "float32",
    width: float | None = None,
    n_reflections: int = 0,
    device: str = "cpu",
) -> LocalChains:
    """Return local chains of a target whose kernel is "phi4".

    Parameters
    ----------
    target : Target
    rng : {"philox", "fast"}
    dtype : {"float32", "float64"}
    width : float, optional
        Of the proposals; tuned in the warm-up by default.
    n_reflections : int
        Overrelaxation sweeps before each Metropolis sweep.
    device : {"cpu", "cuda"}

    Raises
    ------
    InputError
        If there is no CUDA device, or `rng` is none of its.
    """
    check_settings(dtype, rng, device)
    if device == "cuda":
        from physgen.samplers.fields.cuda import cuda_fields

        fields: Any = cuda_fields(target, "a local sweep", dtype)
    else:
        fields = Phi4Fields(target, dtype, rng, _LEAST_WIDTH)
    _, quad, quart, _ = fields.couplings
    scale = np.sqrt(quart) + max(quad, 0.0)  # of a curvature: phi^2 of a site is about 1 / scale
    curvature = quad if quart == 0 else scale + 3 * quart / scale
    return LocalChains(
        fields, width or 2 / np.sqrt(scale), float(curvature), n_reflections, width is None
    )


@final
@dataclass(frozen=True)
class LocalChains:
    """Chains of phi^4 fields moved site by site; a step is `n_reflections` + 1 sweeps.

    Parameters
    ----------
    fields : Phi4Fields or CudaPhi4Fields
    width, curvature : float
        Half width of the Metropolis proposals; c of the reflections.
    n_reflections : int
    automatic : bool
        Whether the width is tuned.
    """

    fields: Any
    width: float
    curvature: float
    n_reflections: int = 0
    automatic: bool = True
    exactness: str = "asymptotic"

    @property
    def target(self) -> Any:
        """The action that is sampled."""
        return self.fields.target

    @cached_property
    def order(self) -> np.ndarray:
        """The order of the sites: colour by colour where the lattice is known."""
        lattice = declared(self.target).lattice
        if lattice is None:
            return np.arange(self.fields.n_sites)
        return np.argsort(lattice.colouring(), kind="stable").astype(np.int64)

    @property
    def tuning(self) -> Mapping[str, float]:
        """The width, and the curvature where there are reflections."""
        tuned = {"width": self.width}
        return tuned | {"curvature": self.curvature} if self.n_reflections else tuned

    def with_tuning(self, tuning: Mapping[str, float]) -> LocalChains:
        """Return these chains with these values."""
        return replace(self, **{name: float(value) for name, value in tuning.items()})

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first fields and their actions."""
        return self.fields.init(rng, n_chains, start)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n rounds of sweeps."""
        check_positive_int("n", n)
        how = SiteMoves(self.width, self.curvature, self.n_reflections)
        state, accepted, reflected = self.fields.swept(rng, state, self.order, how, n)
        return state, Info(accepted, {"reflected": reflected} if self.n_reflections else {})

    def tune(self, rng: Stream, state: State, n: int) -> tuple[LocalChains, State]:
        """Adapt the width over n rounds, and the curvature to the fields found."""
        chains, adaptation = self, DualAveraging(self.width, _TARGET_ACCEPT)
        for i in range(n):
            if self.automatic:
                chains = replace(chains, width=adaptation.trial)
            if self.n_reflections and i in (n // 4, n // 2):
                chains = replace(chains, curvature=self._best_curvature(state))
            state, info = chains.step(rng.at(i), state)
            adaptation.update(float(np.mean(info.accepted)))  # type: ignore[arg-type]
        if self.automatic:
            chains = replace(chains, width=adaptation.result)
        if self.n_reflections:
            chains = replace(chains, curvature=self._best_curvature(state))
        return chains, state

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return self.fields.measure(state)

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        return self.fields.configurations(state)

    def _best_curvature(self, state: State) -> float:
        """Return the c, from a grid of values, whose reflections move the fields farthest."""
        hop, quad, quart, _ = self.fields.couplings
        if quart == 0:
            return float(quad)
        x = self.fields.configurations(state)[: max(1, _LOOKED_AT // self.fields.n_sites)]
        x = x.reshape(len(x), -1).astype(np.float64)
        table = self.fields.neighbours
        b = hop * np.where(table >= 0, x[:, table], 0.0).sum(axis=2)
        scale = abs(quad) + 6 * quart * np.mean(x**2)
        grid = scale * np.geomspace(0.125, 8.0, 37)

        def squared_move(c: float) -> float:
            new = b / c - x
            change = (new - x) * ((new + x) * (quad + quart * (new**2 + x**2)) - b)
            return float(np.mean((new - x) ** 2 * np.exp(-np.maximum(change, 0.0))))

        return float(max(grid, key=squared_move))
