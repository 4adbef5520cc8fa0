r"""Swendsen-Wang: every cluster of the lattice is flipped with probability 1/2.

A satisfied bond, :math:`K_b s s' > 0`, is occupied with probability :math:`1 - e^{-2|K_b|}`;
occupied bonds join the sites of a cluster (Swendsen & Wang, Phys. Rev. Lett. 58, 86 (1987)).  At
the critical point of the square lattice a few sweeps decorrelate the spins, at any L.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from physgen.core.chains import BoundSampler
from physgen.core.checks import check_choice
from physgen.core.protocols import Target
from physgen.kernels.cpu.clusters_graph import sweep_graph
from physgen.samplers.spins.clusters import GraphChains, RowChains, couplings
from physgen.samplers.spins.local import DEVICES

__all__ = ["SwendsenWang"]


@dataclass(frozen=True)
class SwendsenWang:
    r"""Swendsen-Wang cluster sweeps of Ising spins, on any graph.

    One step is one sweep.  Couplings may differ from bond to bond and in sign as long as no loop
    is frustrated; `bind` refuses frustrated couplings.  A field is a bond from every site to an
    extra spin, the ghost, whose cluster is not flipped; a field that points against the order of a
    cluster pins that cluster, which costs speed but never correctness.

    A hypercubic lattice whose couplings depend on the axis only, in a uniform field, runs on rows
    of 64 spins per word, five times as fast as other graphs.

    ``Info.metrics`` holds ``n_clusters`` and, of the last sweep, ``mean_cluster_size``
    :math:`\sum_c n_c^2 / N`, whose mean in a ferromagnet is :math:`N \langle m^2 \rangle`, with a
    smaller variance than :math:`m^2` itself (an improved estimator).

    Parameters
    ----------
    device : {"cpu", "cuda"}
        "cuda": on a GPU, lattices of at most 65,535 sites.  Chains are others than on a CPU,
        whose loops draw random words one bond after the other.

    Raises
    ------
    InputError
        If `device` is unknown.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> chains = SwendsenWang().bind(Ising(L=32, beta=0.44))
    """

    cites: ClassVar[tuple[str, ...]] = ("SwendsenWang1987",)

    device: str = "cpu"

    def __post_init__(self) -> None:
        check_choice("device", self.device, DEVICES)

    def bind(self, target: Target) -> BoundSampler:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target is not an Ising model, or frustrated; or if a GPU is asked for, and is
            not there or cannot take the lattice.
        """
        table = couplings(target, "SwendsenWang")
        if self.device == "cuda":
            from physgen.samplers.spins.cuda_clusters import bind_cuda_clusters

            return bind_cuda_clusters(target, table)
        # At beta = 0 all couplings are alike; keep the layout of the other temperatures, so that
        # replicas and annealed particles can pass on their spins.
        model: Any = target
        shown = table if model.beta > 0 else couplings(model.at(beta=1.0), "SwendsenWang")
        if RowChains.fit(shown, target.event_shape):
            return RowChains(target, table)
        metrics = ("n_clusters", "mean_cluster_size")
        return GraphChains(target, table.tables(), sweep_graph, metrics)
