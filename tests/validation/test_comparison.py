"""Families side by side: closed forms, what is unknown, and which axis sees which flaw."""

import numpy as np
import pytest
import torch

from physgen import FreeField, Ising
from physgen.core.errors import InputError
from physgen.validation.comparison import compare, kind_of, likelihood_of
from physgen.validation.sample_sets import sample_set

P = FreeField(L=4, m2=0.5)
BASE = P.sample(4096, 1)
QUICK = ["observables", "c2st"]


class Simulator:
    """Draws of the target without a density."""

    event_shape, support = P.event_shape, P.support

    def sample(self, n, rng):
        return torch.as_tensor(P.sample(n, rng))


class OneWell:
    """A target of which only one half is drawn: every field has a positive mean."""

    event_shape, support = P.event_shape, P.support

    def sample(self, n, rng):
        x = P.sample(n, rng)
        return x * np.sign(x.mean(axis=(1, 2)))[:, None, None]


class Energy:
    """The action of the target as an energy: no density."""

    event_shape, support, lattice = P.event_shape, P.support, P.lattice
    observables = P.observables
    action, force, kernel = map(staticmethod, (P.action, P.force, P.kernel))


@pytest.fixture(scope="module")
def found():
    others = {"same": P, "wide": FreeField(L=4, m2=0.4), "blind": Simulator(),
              "one well": OneWell(), "energy": Energy(),
              "noise": np.random.default_rng(1).normal(size=(2000, 4, 4))}  # fmt: skip
    return compare(others, P, BASE, n=4096, tests=QUICK, rng=1, n_max=1000)


def one(found, name):
    return found.sel(generator=name)


def test_each_generator_is_what_it_can_do(found):
    assert list(found.kind.values) == ["density", "density", "simulator", "simulator", "energy",
                                       "samples"]  # fmt: skip
    assert list(found.likelihood.values) == ["exact", "exact", "unknown", "unknown",
                                             "up to the error of log Z", "unknown"]  # fmt: skip


def test_the_target_itself_has_no_distance(found):
    same = one(found, "same")
    assert float(same.fidelity) == pytest.approx(1, abs=1e-12)
    assert abs(float(same.kl_reverse)) < 1e-12
    assert abs(float(same.kl_forward)) < 1e-12
    assert float(same.log_z) == pytest.approx(P.log_z, abs=1e-9)
    assert float(same.log_likelihood) == pytest.approx(float(np.mean(P.log_prob(BASE))))


def test_a_wider_field_has_the_divergence_of_the_closed_form(found):
    """Of Gaussians D = sum over modes of (r - 1 - log r) / 2, r the ratio of variances."""
    k = 2 * np.pi * np.arange(4) / 4
    kinetic = 4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)
    r = (kinetic + 0.4) / (kinetic + 0.5)  # of precisions: variance of p over that of q
    forward, reverse = ((r - 1 - np.log(r)).sum() / 2, (1 / r - 1 + np.log(r)).sum() / 2)
    wide = one(found, "wide")
    for name, exact in (("kl_forward", forward), ("kl_reverse", reverse)):
        assert abs(float(wide[name]) - exact) < 4 * float(wide[f"{name}_error"]), name
    corrected, raw = np.abs(wide.corrected_pull), np.abs(wide.raw_pull)
    assert float(corrected.max()) < 4 < float(raw.max())


def test_what_is_not_known_is_not_a_number(found):
    for name in ("blind", "one well", "noise"):
        row = one(found, name)
        for key in ("log_likelihood", "kl_forward", "fidelity", "ess_reverse", "log_z"):
            assert np.isnan(float(row[key])), (name, key)
        assert np.isnan(row.corrected).all()
        assert np.isfinite(row.raw).all()
    energy = one(found, "energy")
    assert np.isnan(float(energy.log_likelihood))
    assert float(energy.fidelity) > 1 - 1e-9


def test_each_flaw_is_seen_by_what_can_see_it(found):
    p = {name: one(found, name).p_value for name in map(str, found.generator.values)}
    assert float(p["noise"].sel(test="observables")) < 1e-6
    assert float(p["blind"].min()) > 1e-3
    # A lost well shows in <m> alone: a saboteur that |m| does not catch.
    lost = one(found, "one well")
    assert abs(float(lost.raw_pull.sel(quantity="magnetization"))) > 10
    assert abs(float(lost.raw_pull.sel(quantity="abs_magnetization"))) < 4


def test_a_likelihood_above_the_entropy_is_an_alarm(found):
    class TooGood:
        """As the target, and 0.2 nat likelier than it can be where the data lie."""

        event_shape, support = P.event_shape, P.support
        sample = staticmethod(P.sample)
        data = {x.tobytes() for x in BASE}

        def log_prob(self, x):
            better = [0.2 * (each.tobytes() in self.data) for each in np.asarray(x)]
            return P.log_prob(x) + better

        def sample_and_log_prob(self, n, rng):
            x = P.sample(n, rng)
            return x, self.log_prob(x)

    ds = compare({"a": TooGood()}, P, BASE, n=1024, tests=["observables"])
    assert "no divergence is negative" in str(ds.warnings.values[0])
    assert "no divergence" not in str(one(found, "wide").warnings.values)


def test_a_test_that_cannot_be_made_says_why():
    ising = Ising(L=3, beta=0.3)
    spins = np.where(np.random.default_rng(2).random((300, 3, 3)) < 0.5, -1, 1).astype(np.int8)
    ds = compare({"a": spins[:150]}, ising, spins[150:], tests=["observables", "stein"])
    assert np.isnan(ds.p_value.sel(test="stein").item())
    assert "stein: left out" in ds.notes.item()


def test_likelihood_without_an_action_is_log_prob():
    log_q, log_w = likelihood_of(P, sample_set("samples", BASE[:50]), rng=None)
    assert log_w is None
    np.testing.assert_allclose(log_q[0], P.log_prob(BASE[:50]))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (dict(generators={}), "at least one generator"),
        (dict(baseline=None), "needs a baseline"),
        (dict(tests=["magic"]), "tests must be one of"),
        (dict(n=3), "n must be"),
        (dict(generators={"a": 3}), "a generator must be a model"),
        (dict(generators={"a": np.zeros((30, 5, 5))}), "shape"),
        (dict(baseline=BASE[:, :2]), "is it another system"),
    ],
)
def test_what_cannot_be_compared_is_refused(how, said):
    given = dict(generators={"same": P}, target=P, baseline=BASE) | how
    with pytest.raises(InputError, match=said):
        compare(**given)


def test_kinds_of_samples():
    assert {kind_of(each) for each in ("a.npy", BASE, torch.zeros(3))} == {"samples"}


def test_a_density_that_contradicts_itself_keeps_its_raw_numbers():
    """One bad generator does not end the comparison of all; what is wrong is told."""

    class Broken:
        event_shape, support = P.event_shape, P.support
        log_prob, sample = staticmethod(P.log_prob), staticmethod(P.sample)

        def sample_and_log_prob(self, n, rng):
            x, log_q = P.sample_and_log_prob(n, rng)
            return x, log_q + np.linspace(-1, 1, n)

    ds = compare({"broken": Broken(), "same": P}, P, BASE, n=256, tests=["observables"])
    broken = one(ds, "broken")
    assert "weights are refused" in str(broken.warnings.values)
    assert np.isfinite(broken.raw).all()
    assert np.isnan(broken.corrected).all()
    assert np.isnan(float(broken.fidelity))
    assert float(one(ds, "same").fidelity) == pytest.approx(1, abs=1e-12)
