"""Reweighting of Gaussian chains, whose averages are known at every coupling."""

import numpy as np
import pytest
from helpers.chains import ar1
from helpers.marks import slow
from helpers.statistics import accepts, joint_p, unit_variance_p

from physgen.analysis import jackknife, log_z_ratio, mean_estimate, reweight, reweight_beta
from physgen.core.errors import InputError

BETA, TO = 1.0, 1.2  # weight exp(-beta x^2 / 2): <x^2> = 1 / beta, Z = sqrt(2 pi / beta)
SHAPES = {"few": (8, 1500), "many": (100, 120)}


def energy(shape, seed):
    return 0.5 * ar1(0.6, *shape, seed) ** 2


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("shape", [SHAPES["few"], slow(SHAPES["many"])], ids=SHAPES)
def test_coverage(shape):
    """Mean, a derived quantity and log Z at another beta: pulls of unit variance."""

    def pulls(n, seed, sabotage=False):
        rows = []
        for s in range(n):
            E = energy(shape, [seed, s])
            if sabotage:  # the denominator held fixed; of E + 3, whose error is that of E
                w = np.exp(-(TO - BETA) * E)
                found = mean_estimate(w * (E + 3) / w.mean())
                rows.append([(found.value - 3 - 0.5 / TO) / found.error] * 3)
                continue
            mean = reweight_beta(E, E, beta=BETA, to=TO)
            heat = reweight_beta(
                E, E, E**2, beta=BETA, to=TO, function=lambda e, e2: TO**2 * (e2 - e**2)
            )
            log_z = log_z_ratio((TO - BETA) * E)
            exact = (0.5 / TO, 0.5, 0.5 * np.log(BETA / TO))
            rows.append([(q.value - x) / q.error for q, x in zip((mean, heat, log_z), exact)])
        return np.array(rows)

    for k in range(3):
        assert accepts(lambda n, seed, k=k: unit_variance_p(pulls(n, seed)[:, k]), 80)
    assert not accepts(lambda n, seed: unit_variance_p(pulls(n, seed, True)[:, 0]), 80)


def test_no_change_of_coupling_changes_nothing():
    E = energy((70, 50), 1)
    found = reweight_beta(E, E, beta=0.7, to=0.7)
    plain = jackknife(lambda e: e, E)
    assert found.value == pytest.approx(plain.value, rel=1e-12)
    assert found.error == pytest.approx(plain.error, rel=1e-12)
    assert log_z_ratio(np.zeros((70, 50)) + 3).value == pytest.approx(-3, abs=1e-12)


def test_a_constant_in_the_action_does_not_matter():
    E = energy((70, 50), 1)
    a, b = (reweight(0.2 * E + c, E) for c in (0.0, 1e4))
    assert a.value == pytest.approx(b.value, rel=1e-9)
    assert log_z_ratio(0.2 * E + 1e4).value == pytest.approx(log_z_ratio(0.2 * E).value - 1e4)


@pytest.mark.statistical
def test_refuses_where_the_overlap_is_gone():
    """500 modes: <E> moves by many standard deviations, and a bare ratio of sums is wrong."""
    rng = np.random.default_rng(1)
    E = 0.5 * rng.chisquare(500, size=(100, 100))
    near = reweight_beta(E, E, beta=1.0, to=1.05)
    assert joint_p(np.array([(near.value - 250 / 1.05) / near.error])) > 1e-3
    with pytest.raises(InputError, match=r"at least 100 effective draws, got .* of 10000; sample"):
        reweight_beta(E, E, beta=1.0, to=1.5)
    w = np.exp(-0.5 * (E - E.min()))  # what would have been returned
    naive = np.sum(w * E) / w.sum()
    assert naive > 250 / 1.5 + 10
    with pytest.raises(InputError, match="effective draws"):
        log_z_ratio(0.5 * E)


def test_bad_input():
    E = energy((70, 50), 1)
    with pytest.raises(InputError, match="function must be given for 2 series"):
        reweight(E, E, E)
    with pytest.raises(InputError, match="to must be a finite number"):
        reweight_beta(E, E, beta=1.0, to=float("nan"))
    with pytest.raises(InputError, match="one shape"):
        reweight(0.1 * E, E[:, 1:])
