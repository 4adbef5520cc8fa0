"""How long chains remember: processes whose autocorrelation is known."""

import math

import numpy as np
import pytest
import torch

from physgen.core.protocols import REALS, SPINS, outcomes
from physgen.training import mixing


def followed(chains, support, k=1):
    """Return what is carried after a sequence of chains."""
    carry = mixing.begun(chains[0])
    for x in chains[1:]:
        carry = mixing.followed(carry, x, support, k)
    return carry


def autoregressive(a, n_updates, n=4000, V=5, seed=1):
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((n, V))]
    for _ in range(n_updates):
        x.append(a * x[-1] + math.sqrt(1 - a * a) * rng.standard_normal((n, V)))
    return torch.from_numpy(np.array(x))


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.parametrize("a", [0.2, 0.8, 0.95])
def test_the_time_of_an_exponential(a, k):
    carry = followed(autoregressive(a, 120), REALS, k)
    tau, bound = mixing.needed(carry, k)
    assert float(carry["windows"]) >= 1
    assert not bound
    assert tau == pytest.approx(-k / math.log(a), rel=0.12)


def test_chains_that_stay_have_a_bound_that_grows():
    x = autoregressive(0.5, 0)[0]
    times = [mixing.needed(followed([x] * n, REALS, 5), 5) for n in (10, 100)]
    assert [bound for _, bound in times] == [True, True]
    assert times[1][0] > 9 * times[0][0] > 9 * 40


def test_a_slow_mean_counts_although_the_sites_are_fast():
    """Sites of 64 chains forget at once, their common shift never."""
    rng = np.random.default_rng(1)
    shift = 0.3 * rng.standard_normal((1000, 1))
    chains = [torch.from_numpy(rng.standard_normal((1000, 64)) + shift) for _ in range(40)]
    tau, bound = mixing.needed(followed(chains, REALS), 1)
    assert bound
    assert tau > 10


def ordered(n_updates=50):
    """Chains of an ordered phase: each keeps its sign, the sites about it are fresh."""
    rng = np.random.default_rng(1)
    sign = rng.choice([-1, 1], (500, 1))
    return [
        torch.from_numpy(sign * np.where(rng.random((500, 20)) < 0.9, 1, -1))
        for _ in range(n_updates)
    ]


def test_an_ordered_phase_that_never_flips_is_slow_unless_signs_do_not_matter():
    carry = mixing.begun(ordered()[0])
    assert mixing.needed(followed(ordered(), SPINS), 1)[0] > 30
    for x in ordered()[1:]:
        carry = mixing.followed(carry, x, SPINS, 1, even=True)
    tau, bound = mixing.needed(carry, 1)
    assert tau < 0.5
    assert not bound
    # A memory that is even is seen all the same: of the size of the field, say.
    x = ordered()[0].double() * torch.rand(500, 1, generator=torch.Generator().manual_seed(1))
    flipped = x * torch.from_numpy(np.random.default_rng(2).choice([-1, 1], (500, 1)))
    assert mixing.overlap(x, flipped, REALS, even=True) == pytest.approx(1.0)


def test_agreement_of_outcomes_by_chance_is_no_memory():
    rng = np.random.default_rng(1)
    fresh = lambda: torch.from_numpy(rng.choice(3, (4000, 4), p=[0.7, 0.2, 0.1]))  # noqa: E731
    assert abs(mixing.overlap(fresh(), fresh(), outcomes(3))) < 0.03
    x = fresh()
    assert mixing.overlap(x, x, outcomes(3)) == pytest.approx(1.0)
    kept = torch.where(torch.rand(4000, 4) < 0.6, x, fresh())
    assert mixing.overlap(x, kept, outcomes(3)) == pytest.approx(0.6, abs=0.03)


def test_chains_that_do_not_vary_never_forget():
    x = torch.ones(50, 4)
    assert mixing.overlap(x, x, SPINS) == 1.0
    assert mixing.overlap(x.to(torch.uint8), x.to(torch.uint8), outcomes(2)) == 1.0
