"""Configurations moved between chains, in every layout of a state."""

import numpy as np
import pytest
from helpers.statistics import accepts, normal_p

from physgen.core.random import Stream
from physgen.exact.enumeration import enumerated_observables
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.energy.rbm import RBM
from physgen.samplers.block_gibbs import BlockGibbs
from physgen.samplers.exact_draws import ExactDraws
from physgen.samplers.exchange import exchange, regroup
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.sequential import smc
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.tempering import ParallelTempering
from physgen.samplers.wolff import Wolff
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

SQUARE = Hypercubic((3, 3))
GLASS = Ising(beta=1.0, lattice=SQUARE, J=Stream(1).numpy().normal(size=SQUARE.n_bonds))
FERROMAGNET = Ising(beta=1.0, lattice=SQUARE, J=np.abs(GLASS.J))
UNIFORM = Ising(beta=1.0, lattice=SQUARE)
PHI4 = Phi4.from_halved(3, m2=1.0, lam=0.5)
CASES = {
    "bits": (HeatBath(), UNIFORM),
    "bits, Metropolis": (Metropolis(), UNIFORM),
    "int8": (HeatBath(), GLASS),
    "strips": (HeatBath(layout="lattice"), Ising(L=(16, 128), beta=0.3)),
    "rows": (SwendsenWang(), UNIFORM),
    "graph": (SwendsenWang(), FERROMAGNET),
    "wolff": (Wolff(), UNIFORM),
    "numbers": (ExactDraws(), UNIFORM),
    "machine": (BlockGibbs(), RBM((3, 3))),
    "machine of outcomes": (BlockGibbs(), RBM((3,), visible="outcomes", K=4)),
    "machine of fields": (BlockGibbs(), RBM((3,), visible="reals")),
    "fields": (HMC(), PHI4),
    "local fields": (Metropolis(), PHI4),
}


@pytest.mark.parametrize("n_chains", [1, 65])
@pytest.mark.parametrize("case", CASES)
def test_configurations_move_and_nothing_else_changes(case, n_chains):
    sampler, target = CASES[case]
    bound, rng = sampler.bind(target), Stream(2)
    a, b = (bound.init(rng.child(k), n_chains) for k in range(2))
    x, y = (bound.configurations(s) for s in (a, b))
    swap = rng.child("swap").numpy().random(n_chains) < 0.5
    where = swap.reshape(-1, *[1] * (x.ndim - 1))
    c, d = exchange((bound, bound), (a, b), swap)
    np.testing.assert_array_equal(bound.configurations(c), np.where(where, y, x))
    np.testing.assert_array_equal(bound.configurations(d), np.where(where, x, y))
    source = rng.child("source").numpy().integers(0, n_chains, n_chains)
    gathered = regroup(bound, a, source)
    np.testing.assert_array_equal(bound.configurations(gathered), x[source])
    assert gathered.x.shape == a.x.shape
    bound.step(rng.child("step"), gathered)


@pytest.mark.parametrize("sampler", [HeatBath(), SwendsenWang(), Wolff()], ids=lambda s: repr(s))
@pytest.mark.parametrize("target", [FERROMAGNET, UNIFORM], ids=["disordered", "uniform"])
def test_the_layout_is_that_of_other_temperatures_at_infinite_temperature(sampler, target):
    shapes = {sampler.bind(target.at(beta=b)).init(Stream(1), 3).x.shape for b in (0.0, 0.5, 1.0)}
    assert len(shapes) == 1


@pytest.mark.statistical
def test_a_glass_with_couplings_of_many_sizes_is_tempered():
    exact = float(enumerated_observables(GLASS)["energy_per_site"])
    replicas = ParallelTempering(HeatBath(), (0.0, 0.5, 1.0)).bind(GLASS)

    def p_value(replica):
        def test(n, seed):
            state, _ = replicas.step(Stream(seed), replicas.init(Stream(seed, ("hot",)), n), 40)
            energy = replicas.measure(state)["energy"][:, replica] / 9
            return normal_p((energy.mean() - exact) / energy.std(ddof=1) * np.sqrt(n))

        return test

    assert accepts(p_value(2), 2000)
    assert not accepts(p_value(1), 2000)  # saboteur: another temperature


@pytest.mark.statistical
def test_a_glass_with_couplings_of_many_sizes_is_annealed():
    exact = ExactDraws().bind(GLASS).log_z

    def p_value(target):
        def test(n, seed):
            ds = smc(target, n_particles=n, seed=seed)
            return normal_p(float((ds["log_z"] - exact) / ds["log_z_error"]))

        return test

    assert accepts(p_value(GLASS), 130)
    assert not accepts(p_value(GLASS.at(beta=0.9)), 130)
