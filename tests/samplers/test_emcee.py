"""emcee agrees with quadrature on 16 sites, and is refused where it does not."""

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import accepts, normal_p

from physgen.core.chains import BoundSampler
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.emcee_adaptor import Emcee
from physgen.samplers.run import run
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

A = Phi4.from_unhalved(4, m2=-4.0, lam=8.0)
PHI2 = 0.14774621  # transfer matrix with Gauss quadrature


@pytest.mark.statistical
@pytest.mark.parametrize("moves", ["stretch", slow("de")])
def test_16_sites_agree_with_quadrature(moves):
    def p_value(target):
        def test(n, seed):
            walkers = Emcee(moves).bind(target)
            state, _ = walkers.step(Stream(seed, ("warmup",)), walkers.init(Stream(seed), 64), 400)
            means = []
            for k in range(16):  # blocks of several tau_int each: their spread is the error
                total = 0.0
                for i in range(4):
                    state, _ = walkers.step(Stream(seed).child(k, i), state, n // 64)
                    total += walkers.measure(state)["phi2"].mean() / 4
                means.append(total)
            return normal_p((np.mean(means) - PHI2) / (np.std(means, ddof=1) / 4))

        return test

    assert accepts(p_value(A), 960)
    assert not accepts(p_value(Phi4.from_unhalved(4, m2=-3.5, lam=8.0)), 480)


def test_walkers_are_one_ensemble():
    walkers = Emcee().bind(A)
    assert isinstance(walkers, BoundSampler)
    assert walkers.coupled_chains
    state = walkers.init(Stream(1), 40, "cold")
    after, info = walkers.step(Stream(2), state, 30)
    same, _ = walkers.step(Stream(2), state, 30)
    np.testing.assert_array_equal(after.x, same.x)
    np.testing.assert_allclose(after.aux["action"], A.action(after.x), atol=1e-9)
    assert 0.1 < info.accepted.mean() < 0.9
    ds = run(Emcee(), A, n_chains=32, n_draws=20, seed=1, warmup=100, quiet=True)
    assert ds.attrs["chains"] == "coupled"


def test_what_emcee_cannot_do_is_refused():
    big = Phi4.from_unhalved(8, m2=-4.0, lam=8.0)
    with pytest.raises(InputError, match="at most 30 dimensions, got 64: at 64 the stretch move"):
        Emcee().bind(big)
    Emcee(force=True).bind(big)
    with pytest.raises(InputError, match="real numbers, got spins"):
        Emcee().bind(Ising(L=4, beta=0.4))
    with pytest.raises(InputError, match="twice the 16 dimensions of the target, got 31"):
        Emcee().bind(A).init(Stream(1), 31)
    with pytest.raises(InputError, match="moves must be one of 'stretch', 'de'"):
        Emcee(moves="walk")
