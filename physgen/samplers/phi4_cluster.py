r"""Embedded clusters for phi^4: Wolff clusters of the signs, Metropolis sweeps of the fields.

At fixed magnitudes the signs of the fields are Ising spins with couplings :math:`\mathrm{hop}\,
|\phi_x \phi_y|`, which clusters move however long the correlations; local sweeps move the
magnitudes (Brower and Tamayo, Phys. Rev. Lett. 62, 1087 (1989)).  The number of clusters in a step
is fixed: continuing until a given number of sites has flipped would be biased.  The sign of the
whole field is drawn anew in every step.

On a GPU the clusters of all sites are found at once, and each of them is flipped with probability
1/2 (Swendsen & Wang, Phys. Rev. Lett. 58, 86 (1987)): with one cluster at a time, most threads
would have nothing to do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.kernels.cpu.phi4_cluster import grow_clusters
from physgen.samplers.fields.blocked import in_parts, per_chain
from physgen.samplers.fields.local import LocalChains, bind_phi4
from physgen.samplers.fields.moves import check_settings
from physgen.samplers.plain import kernel_name

__all__ = ["Phi4Cluster", "Phi4ClusterChains"]

_ALL = 0  # clusters, each flipped with probability 1/2


@final
@dataclass(frozen=True, kw_only=True)
class Phi4Cluster:
    """Wolff clusters of the signs of a phi^4 field, mixed with local sweeps.

    One step is `n_sweeps` times `n_reflections` reflection sweeps and a Metropolis sweep, then
    `n_clusters` clusters.

    Parameters
    ----------
    n_clusters : int or "auto"
        "auto": as many as flip about every site once, found in the warm-up and then fixed.
    n_sweeps, n_reflections : int
        >= 1; >= 0.
    dtype : {"float32", "float64"}
    rng : {"philox", "fast"}
        Of the local sweeps.
    device : {"cpu", "cuda"}
        "cuda": on a GPU, lattices of at most 65,535 sites.  All clusters of the signs are flipped
        with probability 1/2, instead of `n_clusters` of them; local sweeps are those of the CPU.

    Raises
    ------
    InputError
        If a number of moves is not positive, dtype, rng or device is unknown, or a number of
        clusters is given for a GPU.

    Examples
    --------
    >>> from physgen.targets import Phi4
    >>> chains = Phi4Cluster().bind(Phi4.from_hopping(L=32, kappa=0.2705, lam=0.022))
    """

    cites: ClassVar[tuple[str, ...]] = ("Brower1989", "Wolff1989")

    n_clusters: int | str = "auto"
    n_sweeps: int = 1
    n_reflections: int = 1
    dtype: str = "float32"
    rng: str = "philox"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.n_clusters != "auto":
            if isinstance(self.n_clusters, str):
                raise InputError(f"n_clusters must be a number or 'auto', got {self.n_clusters!r}")
            check_positive_int("n_clusters", self.n_clusters)
        check_positive_int("n_sweeps", self.n_sweeps)
        check_positive_int("n_reflections", self.n_reflections, 0)
        check_settings(self.dtype, self.rng, self.device)
        if self.device == "cuda":  # a run cites what it used
            object.__setattr__(self, "cites", ("Brower1989", "SwendsenWang1987"))
        if self.device == "cuda" and self.n_clusters != "auto":
            raise InputError(
                "n_clusters must be 'auto' with device='cuda', where every cluster is flipped "
                f"with probability 1/2, got {self.n_clusters}; leave it out"
            )

    def bind(self, target: Target) -> Phi4ClusterChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target is not a phi^4 or free field, or frustrated: hop < 0 on a lattice that
            is not bipartite; or if a GPU is asked for, and is not there or cannot take the
            lattice.
        """
        if kernel_name(target) != "phi4":
            raise InputError(
                f"Phi4Cluster needs a phi^4 or free field, got {type(target).__name__}; "
                "take Wolff for Ising spins, HMC for other fields"
            )
        if self.device == "cuda":
            from physgen.samplers.cuda_clusters import require_sites

            require_sites(math.prod(target.event_shape), "Phi4Cluster")
        local = bind_phi4(
            target, self.rng, self.dtype, n_reflections=self.n_reflections, device=self.device
        )
        lattice = declared(target).lattice
        if local.fields.couplings[0] < 0 and not (lattice is not None and lattice.is_bipartite):
            raise InputError(
                "Phi4Cluster needs neighbours that attract (kappa or hop >= 0), or a bipartite "
                f"lattice, got {target!r} on {lattice!r}; take HMC or Overrelaxation"
            )
        if self.device == "cuda":
            return Phi4ClusterChains(local, self.n_sweeps, _ALL, False)
        automatic = self.n_clusters == "auto"
        n_clusters = 1 if automatic else int(self.n_clusters)
        return Phi4ClusterChains(local, self.n_sweeps, n_clusters, automatic)


@final
@dataclass(frozen=True)
class Phi4ClusterChains:
    """Chains of phi^4 fields moved by local sweeps and clusters of signs.

    Parameters
    ----------
    local : LocalChains
    n_sweeps : int
    n_clusters : int
        0 on a device: all of them, each with probability 1/2.
    automatic : bool
        Whether the number of clusters is tuned.
    """

    local: LocalChains
    n_sweeps: int
    n_clusters: int
    automatic: bool
    exactness: str = "asymptotic"

    @property
    def target(self) -> Any:
        """The action that is sampled."""
        return self.local.target

    @property
    def tuning(self) -> Mapping[str, float]:
        """What the local sweeps tune, and the number of clusters, if it is one."""
        number = {} if self.n_clusters == _ALL else {"n_clusters": float(self.n_clusters)}
        return {**self.local.tuning, **number}

    def with_tuning(self, tuning: Mapping[str, float]) -> Phi4ClusterChains:
        """Return these chains with these values."""
        local = {name: value for name, value in tuning.items() if name != "n_clusters"}
        n_clusters = int(tuning.get("n_clusters", self.n_clusters))
        return replace(self, local=self.local.with_tuning(local), n_clusters=n_clusters)

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first fields and their actions."""
        return self.local.init(rng, n_chains, start)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n steps.

        ``accepted`` is the acceptance of Metropolis moves; metrics hold ``cluster_size``, the mean
        number of sites of a cluster (of the cluster of a site, where all are flipped), and
        ``reflected``.
        """
        check_positive_int("n", n)
        accepted, metrics = 0.0, {}
        for i in range(n):
            state, info = self.local.step(rng.child("local").at(i), state, self.n_sweeps)
            state, size = self._flip(rng.child("clusters").at(i), state)
            accepted = accepted + info.accepted / n  # type: ignore[operator]
            for name, value in {**info.metrics, "cluster_size": size}.items():
                metrics[name] = metrics.get(name, 0.0) + value / n
        return state, Info(accepted, metrics)  # type: ignore[arg-type]

    def tune(self, rng: Stream, state: State, n: int) -> tuple[Phi4ClusterChains, State]:
        """Tune the local sweeps and the number of clusters over n steps."""
        chains = self
        first = max(1, n // 2)
        local, state = self.local.tune(rng.child("local"), state, first)
        chains = replace(chains, local=local)
        for part in range(2):  # the size of the clusters settles as the fields do
            steps = max(1, (n - first) // 2)
            state, info = chains.step(rng.child("clusters", part), state, steps)
            if self.automatic:
                size = max(1.0, float(np.mean(info.metrics["cluster_size"])))
                chains = replace(
                    chains, n_clusters=max(1, round(self.local.fields.n_sites / size))
                )
        return chains, state

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return self.local.measure(state)

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        return self.local.configurations(state)

    def _flip(self, rng: Stream, state: State) -> tuple[State, np.ndarray]:
        if self.n_clusters == _ALL:
            return self.local.fields.flipped(rng, state)
        x, fields, key = state.x.copy(), self.local.fields, rng.philox_key()
        size = np.empty((len(x), x.shape[2]))
        hop = float(fields.couplings[0])
        in_parts(
            lambda part: grow_clusters(
                part, x, fields.neighbours, hop, self.n_clusters, key, size
            ),
            x,
            10,
        )
        return fields.state(x, state.aux["n_chains"]), per_chain(state, size)
