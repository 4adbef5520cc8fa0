"""What every density of real fields promises.  A new family is a few entries of helpers.flows."""

import math

import numpy as np
import pytest
import torch
from helpers.flows import (
    CASES,
    CNF,
    COUPLING,
    GLOW,
    MIXTURE,
    SCORE,
    ZUKO,
    generator,
    make,
    stirred,
)
from helpers.marks import slow

from physgen import Hypercubic, Phi4, ReverseKL, Stream, as_target, models
from physgen.core.protocols import Density
from physgen.models import Decimated, FlipMixture
from physgen.models.autoregressive.site_mixtures import log_density
from physgen.models.diffusion.network import applied

HEAVY = {
    "score, u-net",
    "score, u-net, not odd",
    "score, local, not odd",
}  # "score, local" is in the fast suite
every_flow = pytest.mark.parametrize("name", [slow(n) if n in HEAVY else n for n in CASES])
# Steps of a continuous flow; zuko's chooses its own, to 1e-5.
LOOSE = {"equivariant-cnf": 2e-4, "score-model": 1e-4, "zuko-flow": 2e-4, "zuko's cnf": 2e-3}


def tolerance(name):
    return LOOSE.get(name, LOOSE.get(CASES[name]["family"], 5e-6))


def test_every_family_is_here():
    rows = models.families.FAMILIES
    fields = {
        name
        for name in models.families.names("reals")
        if rows[name].kind == "density" and not rows[name].path.startswith("classical.")
    }
    assert {config["family"] for config in CASES.values()} == fields


@every_flow
def test_it_is_a_density_of_fields(name):
    model = make(name)
    assert isinstance(model, Density)
    x, log_q = model.sample_and_log_prob(40, rng=1)
    assert x.shape == (40, *model.event_shape)
    assert log_q.dtype == torch.float64
    # What is drawn is scored alike: the way back is the inverse of the way there.
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=tolerance(name))
    assert isinstance(model.log_prob(x.numpy()), np.ndarray)
    # Draws do not depend on how many are made.
    torch.testing.assert_close(model.sample(7, rng=1), x[:7], rtol=0, atol=0)


@every_flow
def test_log_q_is_that_of_the_jacobian_of_a_draw(name, monkeypatch):
    """q(x(eps)) = N(eps) / |det dx/deps|, with the derivative by automatic differentiation."""
    model = make(name)
    n = math.prod(model.event_shape)
    eps = torch.randn(n, generator=generator(), dtype=torch.float64)
    log_r = torch.distributions.Normal(0.0, 1.0).log_prob(eps).sum()

    def drawn(eps):
        with monkeypatch.context() as patched:
            patched.setattr(torch, "randn", lambda *_, **__: eps[None])
            return model.draw(1, generator())

    jacobian = torch.autograd.functional.jacobian(lambda e: drawn(e)[0].flatten(), eps)
    assert jacobian.shape == (n, n)
    log_det = torch.linalg.slogdet(jacobian)[1]
    x, log_q = (part.detach() for part in drawn(eps))
    assert abs(float(log_det)) > 0.05  # there is something to see
    torch.testing.assert_close(log_q[0], log_r - log_det, atol=tolerance(name), rtol=0)
    torch.testing.assert_close(model(x)[0].detach(), log_q[0], atol=tolerance(name), rtol=0)


@every_flow
def test_the_path_gradient_is_the_whole_one_less_the_score_of_the_weights(name):
    """At equal draws: d/dtheta of log q(x(theta)) + S holds dlog q/dtheta at fixed x, and more."""
    steps = {"steps": 16} if CASES[name]["family"] == "equivariant-cnf" else {}
    model = make(name, 0.1, **steps)
    target = as_target(
        lambda x: (x**2 + 0.1 * x**4).flatten(1).sum(1), model.event_shape, library="torch"
    )
    n, parameters = 32, list(model.parameters())

    def flat(loss):
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        return torch.cat([
            torch.zeros_like(p).flatten() if g is None else g.flatten()
            for p, g in zip(parameters, found, strict=True)
        ])  # fmt: skip

    def gradient(how):
        return flat(ReverseKL(target, how).loss(model, np.arange(n), Stream(5), {}).value)

    x = model.draw(n, Stream(5).torch())[0].detach()
    score = flat(model(x).mean())
    assert float(score.abs().max()) > 0.01
    off = (gradient("reparam") - gradient("path") - score).abs().max()
    steps_off = {"equivariant-cnf": 5e-6, "score-model": 5e-6, "zuko's cnf": 5e-3}
    assert float(off) < steps_off.get(name, steps_off.get(CASES[name]["family"], 1e-10))


@every_flow
def test_single_precision_comes_back(name):
    model = make(name).float()
    x, log_q = model.sample_and_log_prob(100, rng=1)
    assert x.dtype == torch.float32
    for scored in (model.log_prob(x), model.double().log_prob(x)):
        rms = (scored.detach() - log_q).square().mean().sqrt()
        assert float(rms) < 2e-4 + tolerance(name)


@every_flow
def test_symmetries_are_exact(name):
    case, model = CASES[name], make(name)
    even = case.get("halved", False)
    x = model.sample(5, rng=2)
    if case["family"] == "zuko-flow":  # knows none
        assert float((model.log_prob(-x) - model.log_prob(x)).detach().abs().max()) > 1e-3
        return
    lattice = Hypercubic(tuple(case["shape"]), case.get("boundary", "periodic"))

    def log_q(whole):
        return model.log_prob(lattice.split(whole)[0] if even else whole).detach()

    whole = lattice.merge(x, torch.zeros_like(x[..., : lattice.n_odd])) if even else x
    images = list(shifted(case, lattice, whole))
    if case.get("odd", True):
        images.append(-whole)
    else:
        assert float((log_q(-whole) - log_q(whole)).abs().max()) > 1e-3
    for image in images:
        torch.testing.assert_close(log_q(image), log_q(whole), atol=1e-6, rtol=0)


def shifted(case, lattice, whole):
    """Fields that a flow of this kind cannot tell from these."""
    if case["family"] == "mixture-net":  # an order of the sites knows none of the lattice
        return
    if case["family"] in ("equivariant-cnf", "score-model"):
        yield torch.roll(whole, (1, 1), (1, 2))
        if case["family"] == "score-model":
            yield torch.roll(whole.flip(2), 1, 2)
        if case.get("point_group", True):
            yield torch.roll(whole.flip(1), 1, 1)
            yield whole.transpose(1, 2)
        return
    # Shifts that preserve the colours of a checkerboard, or the blocks.
    step = 4 if lattice.dim == 1 and case.get("halved") else 2
    for mu in range(lattice.dim):
        if lattice.boundaries[mu] == "periodic":
            yield torch.roll(whole, step, 1 + mu)


@every_flow
def test_weights_and_architecture_come_back(name):
    model = make(name).float()
    again = models.from_dataset(models.to_dataset(model))
    x = model.sample(6, rng=1)
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x), rtol=0, atol=0)
    assert again.config == model.config


PAIR = {"shape": [2, 2], "halved": True}
PAIRS = {
    "cnf": CNF | PAIR,
    "cnf, not odd": CNF | PAIR | {"odd": False},
    "score": SCORE | PAIR,
    "score, not odd": SCORE | PAIR | {"odd": False},
    "affine": COUPLING | PAIR,
    "spline": COUPLING | PAIR | {"kind": "spline"},
    "not odd": COUPLING | PAIR | {"kind": "spline", "odd": False, "site_bins": 3},
    "glow": GLOW | PAIR,
    "mixtures": MIXTURE | PAIR,
    "mixtures, logistic, not odd": MIXTURE | PAIR | {"law": "logistic", "odd": False},
    "iaf": ZUKO | {"shape": [2], "flow": "iaf"},
    "nsf": ZUKO | {"shape": [2], "flow": "nsf", "options": {"bins": 4}},
    "realnvp, mixed": ZUKO | {"shape": [2], "flow": "realnvp", "mixing": True},
}


LONG = ("cnf, not odd", "score, not odd")


def integral(model):
    """Integral of a density of two numbers by the trapezoidal rule."""
    ends = 25 if model.config["family"] == "zuko-flow" else 9
    grid = torch.linspace(-ends, ends, 541, dtype=torch.float64)
    x = torch.cartesian_prod(grid, grid)
    return float(np.exp(model.log_prob(x.numpy())).sum() * (grid[1] - grid[0]) ** 2)


@pytest.mark.parametrize("name", [slow(n) if n in LONG else n for n in PAIRS])
def test_it_integrates_to_one_and_without_the_jacobian_it_does_not(name, monkeypatch):
    config = PAIRS[name]
    model = stirred(models.build(config, rng=3).double(), 0.2)
    # Splines have a kink in their curvature at every knot.
    assert integral(model) == pytest.approx(1, abs=3e-3 if "zuko" in config["family"] else 1e-3)
    without_jacobian(model, monkeypatch)
    assert abs(integral(model) - 1) > 0.02


def test_wrappers_integrate_to_one(monkeypatch):
    """The mixture with the mirror image; a model of one site, the other drawn exactly."""
    config = COUPLING | PAIR | {"kind": "spline", "odd": False, "site_bins": 3}
    model = FlipMixture(stirred(models.build(config, rng=3).double(), 0.2))
    assert integral(model) == pytest.approx(1, abs=1e-3)
    phi4 = Phi4.from_hopping(L=2, kappa=0.3, lam=0.5, dim=1)
    one = stirred(models.build(CNF | {"shape": [2], "halved": True}, rng=3).double(), 0.1)
    decimated = Decimated(one, phi4)
    assert integral(decimated) == pytest.approx(1, abs=1e-3)
    # Saboteur: the conditional of the other site has the normalisation of another coupling.
    other = Phi4.from_hopping(L=2, kappa=0.2, lam=0.5, dim=1)
    action_even = Phi4.action_even
    monkeypatch.setattr(Phi4, "action_even", lambda self, x: action_even(other, x))
    assert abs(integral(decimated) - 1) > 0.02


def without_jacobian(model, monkeypatch):
    """Saboteur: the log-determinant of a model's map is left out, or a part of it."""
    family, cls = model.config["family"], type(model)
    if family == "equivariant-cnf":

        def derivatives(self, phase, at):
            return 0 * phase.sine[0].view(self.n, -1)[0], None

        monkeypatch.setattr(type(model.velocity), "derivatives", derivatives)
    elif family == "score-model":
        monkeypatch.setattr(
            "physgen.models.diffusion.network.applied",
            lambda y, at: (applied(y, at)[0], 0 * y[:, 0]),
        )
    elif family == "zuko-flow":
        monkeypatch.setattr(cls, "_log_scale", 0.0)
    elif family == "mixture-net":  # the widths of the laws
        monkeypatch.setattr(
            "physgen.models.autoregressive.mixture_net.log_density",
            lambda x, log_w, mean, log_s, law: log_density(x, log_w + log_s, mean, log_s, law),
        )
    else:
        through = cls._through

        def bare(self, x, inverse):
            return through(self, x, inverse)[0], 0 * x[0].double()

        monkeypatch.setattr(cls, "_through", bare)
