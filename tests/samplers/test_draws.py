"""Draws by capability: 64 spin configurations, whose exact numbers are a sum over all of them."""

import itertools

import numpy as np
import pytest
from helpers.statistics import accepts, normal_p

from physgen.core.errors import InputError
from physgen.core.protocols import SPINS, Density, JointDensity, Simulator
from physgen.core.random import Stream, as_stream
from physgen.samplers import HMC, ULA, ExactDraws, HeatBath, draws_of, estimates
from physgen.targets import Ising, Phi4, as_target

SHAPE = (2, 3)
ALL = np.array(list(itertools.product((-1, 1), repeat=6)), dtype=np.int8).reshape(-1, *SHAPE)


def ising(beta, h=0.3):
    return Ising(SHAPE, beta, h=h)


TARGET = ising(0.25)
WEIGHT = np.exp(-TARGET.action(ALL))
LOG_Z = np.log(WEIGHT.sum())
EXACT = {
    "energy_per_site": float(WEIGHT @ TARGET.energy(ALL) / WEIGHT.sum()) / 6,
    "magnetization": float(WEIGHT @ ALL.mean(axis=(1, 2)) / WEIGHT.sum()),
}


def number(x):
    return ((np.asarray(x).reshape(-1, 6) > 0) @ (1 << np.arange(5, -1, -1))).astype(int)


class Table:
    """A density: the normalised table of an Ising model."""

    event_shape, support = SHAPE, SPINS

    def __init__(self, target):
        S = target.action(ALL)
        self.log_p = -S - np.log(np.exp(-S).sum())

    def log_prob(self, x):
        return self.log_p[number(x)].reshape(np.shape(x)[:-2])

    def sample(self, n, rng):
        return ALL[as_stream(rng).numpy().choice(64, size=n, p=np.exp(self.log_p))]

    def sample_and_log_prob(self, n, rng):
        x = self.sample(n, rng)
        return x, self.log_prob(x)


class Hidden:
    """A joint density: one hidden bit says whether the spins point up or down, on average.

    ``encoder`` False leaves log r(z|x) out of the weights.
    """

    event_shape, support = SHAPE, SPINS

    def __init__(self, encoder=True):
        self.encoder, self.up = encoder, np.array([0.35, 0.6])

    def sample(self, n, rng):
        generator = as_stream(rng).numpy()
        z = (generator.random(n) < 0.7).astype(int)
        x = 2 * (generator.random((n, *SHAPE)) < self.up[z][:, None, None]).astype(np.int8) - 1
        return x, z

    def joint_log_prob(self, x, z):
        p = self.up[z][:, None, None]
        return np.log(np.where(z == 1, 0.7, 0.3)) + np.log(np.where(x > 0, p, 1 - p)).sum((1, 2))

    def posterior_log_prob(self, x, z):
        r = 1 / (1 + np.exp(-2 * x.mean(axis=(1, 2))))  # a rough guess, not the posterior
        return np.log(np.where(z == 1, r, 1 - r)) if self.encoder else np.zeros(len(x))


class Coins:
    """A simulator: fair coins."""

    def sample(self, n, rng):
        return 2 * as_stream(rng).numpy().integers(0, 2, (n, *SHAPE), np.int8) - 1


MODELS = {
    "exact density": Table(TARGET),
    "wrong density": Table(ising(0.1, 0.5)),
    "energy of another coupling": ising(0.15, 0.5),
    "joint density": Hidden(),
}


def unweighted(ds):
    return ds.drop_vars("log_weight").assign_attrs(weights="")


def p_value(model, name, sabotage=lambda ds: ds):
    def of(n, seed):
        ds = draws_of(model, TARGET, n, seed)
        found = estimates(sabotage(ds), EXACT).sel(quantity=name)
        return normal_p(float(found["pull"]))

    return of


@pytest.mark.statistical
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_weights_correct_the_model_to_the_exact_value(model, name):
    assert accepts(p_value(model, name), 6400)
    dropped = accepts(p_value(model, name, unweighted), 6400)
    assert dropped == (model is MODELS["exact density"])


@pytest.mark.statistical
def test_log_z_of_pairs_is_that_of_the_target():
    def p(n, seed, model):
        ds = draws_of(model, TARGET, n, seed, ess_floor=1)
        return normal_p((float(ds.log_z) - LOG_Z) / float(ds.log_z_error))

    assert accepts(lambda n, seed: p(n, seed, Hidden()), 6400)
    assert not accepts(lambda n, seed: p(n, seed, Hidden(encoder=False)), 6400)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_labels_of_weighted_draws(model):
    ds = draws_of(model, TARGET, 640, rng=Stream(1).child("a"))
    assert ds["log_weight"].dims == ds["energy"].dims == ("chain", "draw")
    assert ds.sizes == {"chain": 64, "draw": 10}
    assert (ds.attrs["exactness"], ds.attrs["exactness_for"]) == ("asymptotic", "the target")
    assert ds.attrs["weights"] == "importance"
    assert "exactness_of" not in ds.attrs
    assert float(ds["beta"]) == 0.25
    assert (ds["energy"].attrs["units"], ds["magnetization"].attrs["units"]) == ("J", "1")
    again = draws_of(model, TARGET, 640, rng=Stream(1).child("a"))
    np.testing.assert_array_equal(again["log_weight"], ds["log_weight"])
    own = {"up": lambda x: (x > 0).mean(axis=(1, 2))}
    only = draws_of(model, TARGET, 640, rng=Stream(1).child("a"), observables=own)
    np.testing.assert_allclose(2 * only["up"] - 1, ds["magnetization"], atol=1e-12)
    assert "energy" not in only


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_without_a_target_draws_are_those_of_the_model(model):
    ds = draws_of(model, None, 640, 1, observables={"m": lambda x: x.mean(axis=(1, 2))})
    chains = isinstance(model, Ising)
    assert ds.attrs["exactness"] == ("asymptotic" if chains else "exact")
    assert ds.attrs["exactness_for"] == "the model"
    assert "log_weight" not in ds
    assert estimates(ds)["quantity"].values.tolist() == ["m"]


@pytest.mark.statistical
def test_a_simulator_is_never_weighted():
    ds = draws_of(Coins(), TARGET, 6400, 1)
    assert (ds.attrs["exactness"], ds.attrs["exactness_for"]) == ("approximate", "the target")
    assert "log_weight" not in ds
    assert ds.sizes == {"chain": 64, "draw": 100}
    table = estimates(ds, EXACT)
    assert np.all(np.abs(table["pull"].sel(quantity=list(EXACT))) > 10)

    def fair(n, seed):
        found = estimates(draws_of(Coins(), TARGET, n, seed), {"magnetization": 0.0})
        return normal_p(float(found["pull"].sel(quantity="magnetization")))

    assert accepts(fair, 6400)


def test_chains_of_the_model_itself_have_equal_weights():
    ds = draws_of(TARGET, TARGET, 640, 1)
    assert np.ptp(ds["log_weight"].values) < 1e-12
    assert float(ds["ess_share"]) == pytest.approx(1.0)
    assert (
        draws_of(TARGET, TARGET, 640, 1, sampler=ExactDraws()).attrs["exactness"] == "asymptotic"
    )
    alone = draws_of(TARGET, None, 640, 1, sampler=ExactDraws())
    assert (alone.attrs["exactness"], alone.attrs["exactness_for"]) == ("exact", "the model")


def test_weights_do_not_make_an_approximate_chain_exact():
    model, target = Phi4.from_halved(2, 1.0, 0.1), Phi4.from_halved(2, 1.0, 0.12)
    ula = draws_of(model, target, 6400, 1, sampler=ULA(step_size=0.05), thin=20)
    assert ula.attrs["exactness"] == "approximate"
    hmc = draws_of(model, target, 6400, 1, n_chains=128)
    assert hmc.attrs["exactness"] == "asymptotic"
    assert hmc.sizes["chain"] == 128
    assert {"acceptance_rate", "quart"} <= set(hmc.variables)
    assert float(hmc["quart"]) == 0.12


def test_capabilities_are_protocols():
    assert isinstance(Table(TARGET), Density)
    assert isinstance(Hidden(), JointDensity)
    assert not isinstance(Hidden(), Density)
    assert isinstance(Coins(), Simulator)
    assert not isinstance(Coins(), Density | JointDensity)


def test_bad_input():
    with pytest.raises(InputError, match=r"model must be a density .* got int"):
        draws_of(3, TARGET)
    with pytest.raises(InputError, match="n must be an integer >= 128, got 5"):
        draws_of(Coins(), TARGET, 5)
    with pytest.raises(InputError, match=r"must draw configurations of the target.*got shape"):
        draws_of(Coins(), Ising(4), 640)
    with pytest.raises(InputError, match=r"must draw configurations of the target.*got shape"):
        draws_of(Ising(3), Ising(4), 640)
    with pytest.raises(InputError, match="observables must be given where no target names any"):
        draws_of(Coins(), None, 640)
    with pytest.raises(InputError, match="weights need at least 200 effective draws, got"):
        draws_of(ising(0.5, 1.5), ising(0.5, -1.5), 640, sampler=HeatBath())
    with pytest.raises(InputError, match="target with a force"):
        draws_of(as_target(lambda x: (x**2).sum(1), 3), None, 640, sampler=HMC())
