"""Missing sites: closed forms of Gaussian fields, enumeration of spins, densities, refusals."""

import itertools

import numpy as np
import pytest
from helpers.statistics import normal_p

from physgen import FreeField, Ising, models
from physgen.core.errors import InputError
from physgen.samplers.inpainting import conditioned, inpaint

P = FreeField(L=4, m2=1.0)
GONE = np.zeros((4, 4), bool)
GONE[1:3, 1:3] = True
SEEN = P.sample(1, 3)[0]


def exact_conditional(x, gone):
    """Mean and covariance of the missing sites of the Gaussian: -K_mm^{-1} K_ms x_s, K_mm^{-1}."""
    K = np.array([-P.force(e) for e in np.eye(16).reshape(16, 4, 4)]).reshape(16, 16)
    m = gone.ravel()
    inner = np.linalg.inv(K[np.ix_(m, m)])
    return -inner @ K[np.ix_(m, ~m)] @ x.ravel()[~m], inner


@pytest.mark.statistical
def test_a_gaussian_field_is_filled_in_as_the_closed_form_says():
    found = inpaint(P, SEEN, GONE, n=64 * 200, rng=1)
    mean, covariance = exact_conditional(SEEN, GONE)
    z = (found["mean"].values[GONE] - mean) / found["error"].values[GONE]
    assert normal_p(np.abs(z).max()) > 1e-4
    y = found.configurations.values[..., GONE].reshape(-1, 4)
    np.testing.assert_allclose(np.cov(y.T), covariance, atol=0.02)
    assert found.attrs["r_hat"] < 1.05
    # A saboteur: what was seen elsewhere matters.
    wrong, _ = exact_conditional(-SEEN, GONE)
    assert np.abs((found["mean"].values[GONE] - wrong) / found["error"].values[GONE]).max() > 10


def test_what_was_seen_stays():
    found = inpaint(P, SEEN, GONE, n=128, rng=1, thin=1)
    assert np.all(found.configurations.values[..., ~GONE] == SEEN[~GONE])
    np.testing.assert_array_equal(found["mean"].values[~GONE], SEEN[~GONE])
    assert np.all(found["error"].values[~GONE] == 0)


@pytest.mark.statistical
def test_spins_are_filled_in_as_enumeration_says():
    ising = Ising(L=3, beta=0.5)
    seen, gone = np.ones((3, 3), np.int8), np.zeros((3, 3), bool)
    seen[0, 0] = -1
    gone[1, 1] = gone[1, 2] = gone[0, 1] = True
    states = np.array(list(itertools.product((-1, 1), repeat=3)), np.int8)
    whole = np.broadcast_to(seen, (8, 3, 3)).copy()
    whole[:, gone] = states
    w = np.exp(-ising.action(whole))
    exact = (w[:, None] * states).sum(axis=0) / w.sum()
    found = inpaint(ising, seen, gone, n=64 * 200, rng=2)
    z = (found["mean"].values[gone] - exact) / found["error"].values[gone]
    assert normal_p(np.abs(z).max()) > 1e-4


def test_a_density_is_its_own_action():
    """log q of a flow, with its gradient, conditions like an action with its force."""
    flow = models.for_target(P, "coupling-flow", decimate=False, rng=1)
    target = conditioned(flow, SEEN, GONE)
    y = np.random.default_rng(1).standard_normal((3, 4))
    whole = np.broadcast_to(SEEN, (3, 4, 4)).copy()
    whole[:, GONE] = y
    np.testing.assert_allclose(target.action(y), -np.asarray(flow.log_prob(whole)), rtol=1e-6)
    step = 1e-3 * np.eye(4)
    slope = (target.action(y[0] + step) - target.action(y[0] - step)) / 2e-3
    np.testing.assert_allclose(target.force(y[:1])[0], -slope, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (dict(missing=np.zeros((4, 4), bool)), "missing must be some of the 16 sites, got 0"),
        (dict(missing=np.ones((4, 4), bool)), "got 16"),
        (dict(missing=np.zeros((4, 4))), "mask of bool"),
        (dict(seen=np.zeros((3, 3))), "of shape"),
        (dict(seen=np.full((4, 4), np.nan)), "finite where it is not missing"),
        (dict(model=object()), "an action or a log_prob"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(how, said):
    with pytest.raises(InputError, match=said):
        conditioned(**(dict(model=P, seen=SEEN, missing=GONE) | how))
