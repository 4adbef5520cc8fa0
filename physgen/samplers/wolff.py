r"""Wolff: grow the cluster of one random site and flip it.

A satisfied bond, :math:`K_b s s' > 0`, is occupied with probability :math:`1 - e^{-2|K_b|}`;
occupied bonds join the sites of the cluster (Wolff, Phys. Rev. Lett. 62, 361 (1989)).

A draw comes after a fixed number of clusters.  Continuing "until as many spins have flipped as
there are sites" is biased: such a draw tends to come right after a large cluster, and large
clusters come from ordered configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.kernels.cpu.clusters_graph import grow_clusters
from physgen.samplers.spins.clusters import GraphChains, couplings

__all__ = ["Wolff", "WolffChains"]

_ROUNDS = 4  # of adapting the number of clusters


@dataclass(frozen=True)
class Wolff:
    r"""Wolff single-cluster updates of Ising spins, on any graph.

    Parameters
    ----------
    n_clusters : int or "auto"
        Clusters per step, always the same number.  "auto" lets the warm-up choose as many as flip
        about every site once, and then keeps this number; 1 without a warm-up.

    Raises
    ------
    InputError
        If `n_clusters` is neither positive nor "auto".

    Notes
    -----
    Couplings may differ from bond to bond and in sign as long as no loop is frustrated; `bind`
    refuses frustrated couplings.  A field is a bond from every site to an extra spin, the ghost; a
    cluster that reaches it is not flipped, and ``Info.accepted`` is the share of clusters that
    were flipped.  ``Info.metrics["cluster_size"]`` is the mean number of sites flipped per
    cluster: without a field, in a ferromagnet, its mean is :math:`N \langle m^2 \rangle`.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> chains = Wolff(n_clusters=2).bind(Ising(L=64, beta=0.4407))
    """

    cites: ClassVar[tuple[str, ...]] = ("Wolff1989",)

    n_clusters: int | str = "auto"

    def __post_init__(self) -> None:
        if self.n_clusters == "auto":
            return
        if isinstance(self.n_clusters, str):
            raise InputError(f"n_clusters must be a number or 'auto', got {self.n_clusters!r}")
        check_positive_int("n_clusters", self.n_clusters)

    def bind(self, target: Target) -> WolffChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target is not an Ising model, or frustrated.
        """
        tables = couplings(target, "Wolff").tables()
        chains = GraphChains(target, tables, grow_clusters, ("flipped", "cluster_size"))
        automatic = self.n_clusters == "auto"
        return WolffChains(chains, 1 if automatic else int(self.n_clusters), automatic)


@dataclass(frozen=True)
class WolffChains:
    """Wolff's chains of one target: a step is `n_clusters` clusters."""

    chains: GraphChains
    n_clusters: int
    automatic: bool

    @property
    def target(self) -> Target:
        """The Ising model."""
        return self.chains.target

    @property
    def exactness(self) -> str:
        """Asymptotic: the target is the limit of long chains."""
        return self.chains.exactness

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return spins, int8 (n_chains, n_sites)."""
        return self.chains.init(rng, n_chains, start)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n times `n_clusters` clusters."""
        state, info = self.chains.step(rng, state, n * self.n_clusters)
        size = info.metrics["cluster_size"]
        return state, Info(info.metrics["flipped"], {"cluster_size": size})

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return self.chains.measure(state)

    def configurations(self, state: State) -> np.ndarray:
        """Return the spins, int8 (n_chains, *event_shape)."""
        return self.chains.configurations(state)

    @property
    def tuning(self) -> Mapping[str, float]:
        """The number of clusters per step."""
        return {"n_clusters": float(self.n_clusters)}

    def with_tuning(self, tuning: Mapping[str, float]) -> WolffChains:
        """Return these chains with this many clusters per step."""
        return replace(self, n_clusters=int(tuning["n_clusters"]))

    def tune(self, rng: Stream, state: State, n: int) -> tuple[WolffChains, State]:
        """Take n steps; if automatic, later steps flip about every site once."""
        chains = self
        for k in range(_ROUNDS):
            share = n * (k + 1) // _ROUNDS - n * k // _ROUNDS
            if share == 0:
                continue
            state, info = chains.step(rng.child(k), state, share)
            if self.automatic:
                size = max(float(np.mean(info.metrics["cluster_size"])), 1.0)
                count = max(round(state.x.shape[1] / size), 1)
                chains = replace(chains, n_clusters=count)
        return chains, state
