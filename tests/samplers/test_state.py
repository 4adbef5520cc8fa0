"""A state belongs to the sampler that made it: compiled loops go by the shape of the lattice."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.phi4_cluster import Phi4Cluster
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.ula import ULA
from physgen.samplers.wolff import Wolff
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4


def ising(L):
    return Ising(L=L, beta=0.3)


def open_ising(L):
    lattice = Hypercubic((L, L), "open")
    return Ising(lattice=lattice, beta=0.3, J=1 + np.arange(lattice.n_bonds))


def phi4(L):
    return Phi4.from_halved(L, m2=1.0, lam=0.5)


MADE = {
    "bits": (HeatBath(), ising),
    "int8": (Metropolis(layout="int8"), ising),
    "rows": (SwendsenWang(), ising),
    "graph": (SwendsenWang(), open_ising),
    "wolff": (Wolff(), ising),
    "hmc": (HMC(), phi4),
    "ula": (ULA(), phi4),
    "local": (Metropolis(), phi4),
    "cluster": (Phi4Cluster(), phi4),
}


@pytest.mark.parametrize("case", MADE)
def test_the_state_of_another_lattice_or_layout_is_refused(case):
    sampler, target = MADE[case]
    bound = sampler.bind(target(4))
    other = sampler.bind(target(3)).init(Stream(1), 5)
    with pytest.raises(InputError, match="state must be one of this sampler"):
        bound.step(Stream(2), other)
    state = bound.init(Stream(1), 5)
    with pytest.raises(InputError, match="state must be one of this sampler"):
        bound.step(Stream(2), state._replace(x=state.x.astype(np.int16)))
    bound.step(Stream(2), state)
