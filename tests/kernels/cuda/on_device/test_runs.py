import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers import blocks, run
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.tempering import ParallelTempering
from physgen.targets import Ising, Phi4

ISING, PHI4 = Ising(L=(2, 3), beta=0.4), Phi4.from_halved(L=(2, 3), m2=1.0, lam=1.0)
COUNTS = {"n_chains": 4, "n_draws": 4, "warmup": 2, "seed": 1, "quiet": True}


def test_a_run_is_that_of_the_cpu():
    host, device = (run(HeatBath(device=d), ISING, **COUNTS) for d in ("cpu", "cuda"))
    for name in ("energy", "magnetization"):
        np.testing.assert_array_equal(device[name], host[name])


def test_a_run_resumes_from_a_checkpoint():
    sampler = HMC(step_size=0.2, n_leapfrog=2, device="cuda")
    parts = list(blocks(sampler, PHI4, block_size=2, **COUNTS))
    middle = parts[-2].checkpoint
    assert all(type(v.data) is np.ndarray for v in middle.variables.values())  # fit for a file
    rest = run(sampler, PHI4, checkpoint=middle, **COUNTS)
    np.testing.assert_array_equal(rest["action"], parts[-1].data["action"])


@pytest.mark.parametrize("sampler", [HeatBath, Metropolis])
def test_chains_are_tempered_on_the_device(sampler):
    energies, accepted = [], []
    for device in ("cpu", "cuda"):
        chains = ParallelTempering(sampler(device=device), betas=[0.3, 0.4]).bind(ISING)
        state = chains.init(Stream(1), 8)
        for i in range(2):
            state, info = chains.step(Stream(2).at(i), state)
            accepted.append(info.accepted)
        energies.append(chains.measure(state)["energy"])
    np.testing.assert_array_equal(*energies)
    if sampler is Metropolis:
        np.testing.assert_array_equal(accepted[2:], accepted[:2])


@pytest.mark.parametrize(
    ("sampler", "other"),
    [
        (HeatBath(device="cuda"), Ising(L=(3, 3), beta=0.4)),
        (HeatBath(device="cuda", layout="int8"), Ising(L=(3, 3), beta=0.4)),
        (HMC(step_size=0.2, n_leapfrog=2, device="cuda"), Phi4.from_halved(L=3, m2=1.0, lam=1.0)),
        (Metropolis(device="cuda"), Phi4.from_halved(L=3, m2=1.0, lam=1.0)),
    ],
)
def test_states_of_another_lattice_are_refused(sampler, other):
    target = PHI4 if other.support.kind == "reals" else ISING
    state = sampler.bind(other).init(Stream(1), 4)
    with pytest.raises(InputError, match="state must be one of this sampler"):
        sampler.bind(target).step(Stream(2), state)
