"""Moves of the negative phase leave e^{-S} invariant: draws that begin exact stay exact."""

import numpy as np
import pytest
import torch
from helpers.energies import Potts, Quartic, Ring, counts
from helpers.statistics import accepts, chi_square_p, within

from physgen import Hypercubic
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.training.conditionals import conditional_nll
from physgen.training.negative_phase import Spectrum, heat_bath, hmc, moved


def quartic_draws(n, rng, shape=(4, 4)):
    """Exact draws of S = sum x^4: x^4 is Gamma(1/4)."""
    draw = rng.numpy()
    x = draw.gamma(0.25, size=(n, *shape)) ** 0.25 * draw.choice([-1, 1], (n, *shape))
    return torch.from_numpy(x)


def fourth_moment(energy, n=3000, step=0.6, spectrum=None):
    """Return the mean of x^4 after trajectories, 1/4 exactly, with its error; acceptance."""
    x = quartic_draws(n, Stream(1))
    lattice = Hypercubic((4, 4))
    spectrum = spectrum or Spectrum.of(x, lattice, even=True)
    y, acceptance, broken = hmc(energy, x, 4, Stream(2), step, spectrum, 3)
    assert broken == 0
    each = (y**4).mean((1, 2))
    return (float(each.mean()), 0.25, float(each.std() / n**0.5)), acceptance


def test_trajectories_leave_the_weight_invariant():
    model = Quartic((4, 4), 0.0, 1.0)
    found, acceptance = fourth_moment(model.forward)
    assert 0.3 < acceptance < 0.98  # steps so long that rejection matters
    assert within(*found, largest=0.004)
    # Saboteurs: a temperature that is off by 5 %; proposals that are always accepted.
    assert not within(*fourth_moment(lambda x: model(x) / 1.05)[0], largest=0.004)


def test_trajectories_without_rejection_are_seen(monkeypatch):
    monkeypatch.setattr(
        torch, "rand", lambda *shape, **like: torch.zeros(*shape, dtype=torch.double)
    )
    found, _ = fourth_moment(Quartic((4, 4), 0.0, 1.0).forward, step=0.75)
    assert not within(*found, largest=0.004)


def test_any_spectrum_is_allowed_and_long_modes_move_faster():
    model = Quartic((4, 4), 0.0, 1.0)
    uneven = Spectrum(torch.linspace(0.3, 1.5, 12).view(4, 3), periodic=True)
    assert within(*fourth_moment(model.forward, step=0.5, spectrum=uneven)[0], largest=0.004)
    at_sites = Spectrum(torch.linspace(0.3, 1.2, 16).view(4, 4), periodic=False)
    assert within(*fourth_moment(model.forward, step=0.5, spectrum=at_sites)[0], largest=0.004)


def test_the_spectrum_is_the_square_root_of_the_power():
    x = torch.randn(500, 4, 6, generator=Stream(1).torch()) + 3.0
    lattice = Hypercubic((4, 6))
    spectrum = Spectrum.of(x, lattice, even=False)
    np.testing.assert_allclose(spectrum.amplitude**2, 1, atol=0.35)
    # A A z has the covariance of the field: the power of the constant mode counts if it is even.
    assert float(Spectrum.of(x, lattice, even=True).amplitude[0, 0]) ** 2 > 100
    z = torch.randn(3, 4, 6, generator=Stream(2).torch())
    inner = lambda a, b: float((a * b).sum())  # noqa: E731
    assert inner(z[0], spectrum.apply(z)[1]) == pytest.approx(inner(z[1], spectrum.apply(z)[0]))
    assert Spectrum.of(x, Hypercubic((4, 6), "open"), even=False).periodic is False


def test_a_constant_field_still_has_a_spectrum():
    spectrum = Spectrum.of(torch.zeros(30, 4), None, even=True)
    assert bool((spectrum.amplitude > 0).all())


def test_the_step_follows_the_acceptance():
    model = Quartic((4, 4), 0.0, 1.0)
    x = quartic_draws(100, Stream(1))
    log_step, spectrum = float(np.log(0.05)), Spectrum.of(x, None, even=True)
    for t in range(60):
        how = {"log_step": log_step, "spectrum": spectrum, "n_leapfrog": 3}
        found = moved(model, model.forward, x, 1, Stream(3).at(t), **how)
        x, log_step = found.x, found.log_step
    assert 0.2 < np.exp(log_step) < 1.5
    assert 0.6 < found.acceptance < 0.95


@pytest.mark.parametrize("bad", [float("inf"), float("nan"), -float("inf")])
def test_proposals_that_are_not_finite_are_rejected_and_counted(bad):
    def walled(x):
        inside = (x.abs() < 0.8).flatten(1).all(1)
        S = 0.5 * (x * x).double().flatten(1).sum(1)
        return torch.where(inside, S, S.detach() * 0 + bad)

    x = torch.zeros(200, 2, dtype=torch.float64)
    y, acceptance, broken = hmc(walled, x, 20, Stream(1), 0.7, Spectrum(torch.ones(2), False), 2)
    assert float(y.abs().max()) < 0.8
    assert broken > 100
    assert 0.05 < acceptance < 0.9


def swept_p(model, tempered, sweeps=2):
    def p_value(n, seed):
        pick = Stream(seed).numpy().choice(len(model.states), n, p=model.probabilities.numpy())
        x = heat_bath(
            tempered,
            model.states[torch.from_numpy(pick)],
            model.support,
            sweeps,
            Stream(seed, ("h",)),
        )
        return chi_square_p(counts(x, model.states), model.probabilities.numpy())

    return p_value


@pytest.mark.parametrize("model", [Ring(5), Potts()], ids=["spins", "outcomes"])
def test_a_heat_bath_leaves_the_weight_invariant(model):
    with torch.no_grad():
        assert accepts(swept_p(model, model.forward), 20_000)
        assert not accepts(swept_p(model, lambda x: model(x) / 1.15), 20_000)


def test_a_heat_bath_forgets():
    model = Ring(5)
    with torch.no_grad():
        x = heat_bath(model.forward, torch.ones(20_000, 5), SPINS, 30, Stream(1))
        assert chi_square_p(counts(x, model.states), model.probabilities.numpy()) > 1e-3


def test_fields_have_no_heat_bath_of_energies():
    with pytest.raises(InputError, match="needs spins or outcomes"):
        heat_bath(Quartic((2,)).forward, torch.zeros(2, 2), Quartic((2,)).support, 1, Stream(1))


@pytest.mark.parametrize("model", [Ring(4), Potts()], ids=["spins", "outcomes"])
def test_conditional_probabilities_of_every_site(model):
    """Against ratios of the enumerated probabilities."""
    states, p = model.states, model.probabilities
    n, V = len(states), states.shape[1]
    wanted = torch.zeros(n, dtype=torch.float64)
    for i in range(V):
        rest = [j for j in range(V) if j != i]
        same = (states[:, None, rest] == states[None, :, rest]).all(-1)
        wanted -= torch.log(p / (same.double() @ p)) / V
    with torch.no_grad():
        found = conditional_nll(model.forward, states, model.support, V, Stream(1))
        torch.testing.assert_close(found, wanted)
        # Random sites have the same mean.
        some = conditional_nll(model.forward, states.repeat(2000, 1), model.support, 2, Stream(1))
    each = some.view(2000, n)
    assert within(each.mean(0), wanted, each.std(0) / 2000**0.5, largest=0.05, rounding=1e-12)
