"""Independent draws by enumeration: their frequencies, log Z, and what cannot be listed."""

import numpy as np
import pytest
from helpers.statistics import accepts, chi_square_p

from physgen.core.errors import InputError
from physgen.core.protocols import outcomes
from physgen.core.random import Stream
from physgen.exact.kaufman import log_z
from physgen.samplers.exact_draws import ExactDraws
from physgen.samplers.run import run
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4


class Clock:
    """Three outcomes on each of four sites, unequal weights."""

    event_shape = (4,)
    support = outcomes(3)

    def action(self, x):
        return -0.5 * np.sum(x == np.roll(x, 1, -1), -1) - 0.2 * x[..., 0]


@pytest.mark.statistical
@pytest.mark.parametrize("target", [Ising(L=3, beta=0.4, h=0.1), Clock()], ids=["ising", "clock"])
def test_draws_follow_the_weights(target):
    draws = ExactDraws().bind(target)
    n_sites, K = int(np.prod(target.event_shape)), draws.K

    def p_value(p):
        def test(n, seed):
            state, _ = draws.step(Stream(seed), draws.init(Stream(seed + 1), n))
            x = draws.configurations(state).reshape(n, n_sites)
            digits = (x > 0).astype(int) if K == 2 else x
            return chi_square_p(np.bincount(digits @ K ** np.arange(n_sites), minlength=len(p)), p)

        return test

    digits = np.arange(K**n_sites)[:, None] // K ** np.arange(n_sites) % K
    x = (2 * digits - 1 if K == 2 else digits).reshape(-1, *target.event_shape)
    weight = np.exp(-target.action(x))
    assert draws.log_z == pytest.approx(np.log(weight.sum()), abs=1e-12)
    assert accepts(p_value(weight / weight.sum()), 50_000)
    wrong = weight**1.1
    assert not accepts(p_value(wrong / wrong.sum()), 50_000)


def test_log_z_is_kaufmans():
    assert ExactDraws().bind(Ising(L=4, beta=0.6)).log_z == pytest.approx(
        float(log_z(0.6, (4, 4))), abs=1e-11
    )


def test_run_says_exact_and_needs_no_warm_up():
    ds = run(ExactDraws(), Ising(L=3, beta=0.5), n_chains=100, n_draws=50, seed=1)
    assert ds.attrs["exactness"] == "exact"
    assert 0.4 < ds["energy"].attrs["tau_int"] < 0.6
    again = run(ExactDraws(), Ising(L=3, beta=0.5), n_chains=100, n_draws=50, seed=1)
    np.testing.assert_array_equal(ds["energy"], again["energy"])


def test_what_cannot_be_listed_is_refused():
    with pytest.raises(InputError, match=r"at most 2\^20 configurations, got 2\^25"):
        ExactDraws().bind(Ising(L=5, beta=0.4))
    with pytest.raises(InputError, match="finitely many configurations"):
        ExactDraws().bind(Phi4.from_unhalved(4, m2=-4.0, lam=8.0))
