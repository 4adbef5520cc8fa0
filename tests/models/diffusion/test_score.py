"""Score models: Gaussian fields, the flow in any clock, steps, refusals.

What all densities of fields promise is in test_field_contract.
"""

import numpy as np
import pytest
import torch
from helpers.flows import make
from helpers.statistics import within

from physgen import FreeField, Ising, Phi4, Stream, as_target, importance, models
from physgen.core.errors import InputError
from physgen.core.learning import Refinable, Stepped
from physgen.models import Decimated, embedded_runge_kutta
from physgen.models.diffusion.processes import OU, PROCESSES
from physgen.models.diffusion.score import ScoreModel
from physgen.models.diffusion.spectrum import scales_of

FREE = FreeField(L=4, m2=0.5)


def gaussian(process="ou"):
    """The free field: its spectrum, and a network that is zero."""
    model = ScoreModel(FREE.event_shape, process=process, rng=1).double()
    waves = model.modes.numpy()
    fields = waves.T.reshape(-1, *FREE.event_shape)
    inverse = -(fields * FREE.force(fields)).sum((1, 2))
    model.spectrum.copy_(torch.tensor(1 / inverse))
    return model


def test_a_gaussian_field_is_exact_without_a_network():
    model, x = gaussian(), FREE.sample(50, rng=2)
    np.testing.assert_allclose(model.log_prob(x), FREE.log_prob(x), atol=2e-4)
    found = importance(model.as_density(2), FREE, 512, 1, log_z=(FREE.log_z, 1e-6))
    assert float(found.ess_share) > 0.999999
    assert float(found.log_z) == pytest.approx(FREE.log_z, abs=1e-4)


@pytest.mark.parametrize("name", PROCESSES)
def test_its_score_is_the_gradient_of_the_noised_law(name):
    model, process = gaussian(name), PROCESSES[name]()
    x = torch.tensor(FREE.sample(3, rng=2))
    for t in (0.0, 0.2 * process.end, 0.9 * process.end):
        law = process.variance(t, model.spectrum.numpy())
        wanted = -((x.flatten(1) @ model.modes) / torch.tensor(law)) @ model.modes.t()
        found = model.score(x, t).flatten(1).detach()
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("process", ["ou", "cosine", "edm"])
def test_the_flow_ends_at_the_same_field_in_any_clock(process):
    """Heun in the time of a process, with the score, against the density's own flow."""
    model = make("score, not odd", process=process)
    model.centre.fill_(0.3)
    torch.manual_seed(0)
    model.spectrum.copy_(
        torch.tensor(model._filters.symmetric(np.linspace(0.3, 2.5, model.geometry.n)))
    )
    model.scales.copy_(scales_of(model.spectrum))
    x, _ = model.draw(5, Stream(3).torch())
    off = []
    for n in (50, 100):
        y = model.diffuse(5, Stream(3), "heun", n)
        off.append(float((x - y).abs().max().detach()))
    assert off[1] < 0.02
    assert off[0] / off[1] == pytest.approx(4, rel=0.5)
    assert float((x - model.centre).abs().mean().detach()) > 0.3
    # Saboteur: the score without its network ends elsewhere.
    with torch.no_grad():
        for out in model.network.out:
            out.zero_()
    assert float((x - model.diffuse(5, Stream(3), "heun", 100)).abs().max().detach()) > 0.05


def test_noise_ends_at_the_same_law_as_the_flow():
    model = make("score, even")
    exact = model.sample(4000, rng=1).square().mean()
    for method in ("ancestral", "frozen", "euler-maruyama"):
        x = model.diffuse(2000, 2, method, 80)
        found, error = float(x.square().mean()), float(x.square().mean(1).std() / 2000**0.5)
        assert within(found, float(exact), error, largest=0.03, rounding=0.03)


def test_draws_and_scores_agree_within_what_doubled_steps_show():
    """T8: 99.9 % of 4096 draws, with steps so long that there is something to see."""
    coarse = make("score, even", size=0.35).as_density(2)
    x, log_q = coarse.sample_and_log_prob(4096, rng=1)
    with torch.no_grad():
        off = (coarse.log_prob(x) - log_q).abs()
        doubled = coarse.refined().log_prob(x) - coarse.log_prob(x)
    estimate = float(doubled.square().mean().sqrt())
    assert 1e-3 < estimate < 1e-2
    assert float(off.square().mean().sqrt()) < estimate
    assert float(torch.quantile(off, 0.999)) < 3 * estimate
    assert float(off.max()) > 1e-4


def test_the_error_of_steps_is_of_sixth_order():
    model = make("score, even", size=0.35)
    x = model.sample(8, rng=1)
    with torch.no_grad():
        found = [model.as_density(n).log_prob(x) for n in (5, 10, 80)]
    coarse, fine = (float((log_q - found[2]).abs().max()) for log_q in found[:2])
    assert 2**4.8 < coarse / fine < 2**8.5
    assert isinstance(model, Refinable)
    assert not isinstance(model, Stepped)  # training solves no equation
    assert model.refined().n_steps == 2 * model.n_steps


def test_steps_of_any_length_keep_to_their_tolerance():
    """Errors of log q fall with the tolerance; draws and scores agree within it (T8)."""
    model = make("score, even", size=0.35)
    x = model.sample(32, rng=1)
    with torch.no_grad():
        exact = model.as_density(64).log_prob(x)
        off = [
            float((model.as_density(tolerance=e).log_prob(x) - exact).abs().max())
            for e in (1e-2, 1e-4, 1e-6)
        ]
        assert off[0] < 0.1
        assert off[1] < 1e-3
        assert off[2] < 1e-5
        assert off[0] > off[1] > off[2]
        adaptive = model.as_density(tolerance=1e-5)
        y, log_q = adaptive.sample_and_log_prob(1024, rng=2)
        shown = (adaptive.refined().log_prob(y) - adaptive.log_prob(y)).abs()
        assert float((adaptive.log_prob(y) - log_q).abs().max()) < 10 * float(shown.max()) + 1e-9
        assert float(shown.max()) < 1e-4
    assert adaptive.refined().tolerance == pytest.approx(1e-6)
    found = importance(gaussian().as_density(tolerance=1e-4), FREE, 512, 1, forward_check=False)
    assert float(found.ess_share) > 0.999999


def test_log_q_has_a_part_in_the_choice_of_steps(monkeypatch):
    """A field at rest, whose log q does not rest."""
    y, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)

    def rates(y, t):
        return 0 * y, torch.full((1,), np.cos(9 * t), dtype=torch.float64)

    def error():
        _, log_q, _ = embedded_runge_kutta.solve(rates, list, y, zero, (0.0, 7.0), 1e-6)
        return abs(float(log_q) - np.sin(63.0) / 9)

    assert error() < 1e-5
    # Saboteur: the error of the field alone.
    monkeypatch.setattr(embedded_runge_kutta.torch, "maximum", lambda a, b: a)
    assert error() > 1e-2


def test_the_pair_is_of_fifth_order():
    """dy/dt = y cos t: y = e^{sin t}, log q = -int cos."""
    y, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)

    def rates(y, t):
        return y * np.cos(t), torch.full((1,), -np.cos(t), dtype=torch.float64)

    off, calls = [], []
    for tolerance in (1e-4, 1e-6, 1e-8, 1e-10):
        found, log_q, n = embedded_runge_kutta.solve(rates, list, y, zero, (0.0, 7.0), tolerance)
        off.append(abs(float(found) - np.exp(np.sin(7.0))) + abs(float(log_q) + np.sin(7.0)))
        calls.append(n)
    slope = np.log(off[0] / off[-1]) / np.log(calls[-1] / calls[0])
    assert 4 < slope < 7
    assert off[-1] < 1e-8
    backward, _, _ = embedded_runge_kutta.solve(rates, list, found, log_q, (7.0, 0.0), 1e-10)
    assert float(backward) == pytest.approx(1, abs=1e-7)


def test_a_schedule_of_the_same_name_is_refused(monkeypatch):
    """T7: alpha and sigma on a grid are stored with the weights."""
    stored = models.to_dataset(make("score", process="vp").float())
    assert models.from_dataset(stored).config["process"]["beta_max"] == 20
    theirs = PROCESSES["vp"].beta
    monkeypatch.setattr(PROCESSES["vp"], "_integral", lambda self, t: 0.5 * t * theirs(self, t))
    with pytest.raises(InputError, match=r"alpha, sigma = 0.00657.* at t = 1; this one has"):
        models.from_dataset(stored)


def test_a_target_gets_the_model_of_its_symmetries():
    phi4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    model = ScoreModel.for_target(phi4)
    assert isinstance(model, Decimated)
    assert model.even.config["odd"]
    long = Phi4.from_hopping((8, 4), kappa=0.2, lam=0.1)
    assert not ScoreModel.for_target(long).even.config["point_group"]
    assert ScoreModel.for_target(phi4, decimate=False, process=OU(4.0)).process["end"] == 4


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (Ising(L=4, beta=0.3), "needs real fields.*take 'coloured-net' for spins"),
        (as_target(lambda x: (x**2).sum(1), (3,)), "does not declare them"),
    ],
)
def test_targets_that_do_not_suit_are_refused(target, says):
    with pytest.raises(InputError, match=says):
        ScoreModel.for_target(target)


def test_bad_input():
    model = make("score")
    for n in (0, 1):
        with pytest.raises(InputError, match="n_steps must be an integer >= 2"):
            model.as_density(n)
        with pytest.raises(InputError, match="n_steps must be an integer >= 2"):
            make("score", n_steps=n)
    with pytest.raises(InputError, match="n_steps or a tolerance, got None and None"):
        model.as_density()
    with pytest.raises(InputError, match=r"n_steps or a tolerance, got 4 and 0.1"):
        model.as_density(4, tolerance=0.1)
    with pytest.raises(InputError, match="tolerance must be a positive"):
        model.as_density(tolerance=0.0)
    with pytest.raises(InputError, match="larger than what rounding makes of log q"):
        make("score").float().as_density(tolerance=1e-12).sample(4, 1)
    with pytest.raises(InputError, match="weights need the exact divergence"):
        model.as_density(10, divergence="hutchinson")
    with pytest.raises(InputError, match="n_steps must be a positive integer, got 0"):
        model.diffuse(3, 1, n_steps=0)
    with pytest.raises(InputError, match="channels must be an integer >= 2"):
        make("score", channels=1)
    with pytest.raises(InputError, match="must vary"):
        model.standardise(np.ones((30, 4, 4)))
    big = 300 * np.random.default_rng(1).standard_normal((30, 4, 4))
    with pytest.raises(InputError, match="must end at 5 times the slowest mode"):
        model.standardise(big)
