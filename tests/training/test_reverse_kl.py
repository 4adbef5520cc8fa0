"""Reverse KL: three estimators of one gradient, and a descent to the exact free energy."""

import math

import numpy as np
import pytest
import torch
from helpers.marks import slow
from helpers.statistics import within

from physgen import (
    ColouredNet,
    EquivariantCNF,
    FreeField,
    Ising,
    Phi4,
    as_target,
    exact_values,
    fit,
    importance,
)
from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.core.learning import Reparametrised, Scored
from physgen.core.random import Stream
from physgen.exact import kaufman
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.training import FitSettings, ReverseKL

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
QUICK = FitSettings(
    n_epochs=1, batch_size=64, learning_rate=1e-2, clip_norm=5.0, beta2=0.95, ema_decay=0.9
)


def flow(**options):
    options = {"features": 3, "frequencies": 4, "times": 3, "steps": 4} | options
    model = EquivariantCNF.for_target(PHI4, rng=1, **options)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return model.double()


def gradients(model, objective, n_batches=24, n=128):
    """One gradient a batch, (n_batches, n_parameters)."""
    found = []
    for k in range(n_batches):
        model.zero_grad()
        loss = objective.loss(model, np.arange(n), Stream(5).at(k), {}).value
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]).numpy())
    return np.array(found)


@pytest.mark.parametrize("decimate", [True, slow(False)])
def test_three_estimators_of_one_gradient(decimate):
    model = flow(decimate=decimate)
    path, reparam, reinforce = (
        gradients(model, ReverseKL(PHI4, how)) for how in ("path", "reparam", "reinforce")
    )
    for other in (reparam, reinforce):
        error = np.sqrt((path.var(0, ddof=1) + other.var(0, ddof=1)) / len(path))
        z = (path.mean(0) - other.mean(0)) / error
        assert np.sqrt(np.mean(z**2)) < 1.5  # unit variance but for few degrees of freedom
        assert np.abs(z).max() < 5
    assert np.median(path.std(0) / reinforce.std(0)) < 0.5  # it has the smaller variance


class InTwoPasses:
    """A flow whose score is not carried along with its draws: Reparametrised and not Scored."""

    def __init__(self, flow):
        self.draw, self.parameters, self.forward = flow.draw, flow.parameters, flow.forward
        self.event_shape, self.support = flow.event_shape, flow.support


def test_the_path_gradient_of_one_pass_is_that_of_two():
    model = flow(decimate=False, steps=12)
    two = InTwoPasses(model)
    assert isinstance(model, Scored)
    assert isinstance(two, Reparametrised)
    assert not isinstance(two, Scored)
    objective = ReverseKL(PHI4, "path")
    found = []
    for q in (model, two):
        model.zero_grad()
        objective.loss(q, np.arange(64), Stream(5), {}).value.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-4)
    assert float(found[0].abs().max()) > 0.1
    assert all(p.requires_grad for p in model.parameters())


def test_a_fit_takes_more_steps_where_the_flow_is_stiff_and_resumes_alike():
    """Deep in a broken phase; what it has decided belongs to the checkpoint."""
    target = Phi4.from_unhalved(L=4, m2=-6.0, lam=3.0)
    settings = FitSettings(n_epochs=3, batch_size=64, learning_rate=3e-2, ema_decay=0.5)
    objective = ReverseKL(target, n_validation=128, draws_per_epoch=640)

    def fresh():
        return EquivariantCNF.for_target(target, rng=1, steps=1, features=3, frequencies=4)

    kept, whole = [], fresh()
    how = {"rng": 2, "on_checkpoint": lambda state, _: kept.append(state)}
    fit(whole, objective, settings, **how)
    assert whole.even.steps > 1
    kept.clear()
    stops = iter([False] * 20 + [True])
    with pytest.raises(InterruptedRunError):
        fit(fresh(), objective, settings, should_stop=lambda: next(stops), **how)
    again = fresh()
    fit(again, objective, settings, rng=2, resume_from=kept[-1])
    assert again.even.steps == whole.even.steps
    for a, b in zip(again.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_model_of_another_target_is_not_trained():
    other = Phi4.from_unhalved(L=4, m2=-4.0, lam=6.975)
    with pytest.raises(InputError, match="from another target"):
        fit(flow().float(), ReverseKL(other), QUICK)
    again = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)  # equal, and another object
    assert ReverseKL(again).evaluate(flow()).shape == (1024,)


def test_a_wrong_force_is_another_gradient():
    right = gradients(flow(decimate=False), ReverseKL(PHI4, "reparam"))
    wrong = as_target(PHI4.action, (4, 4), force=lambda x: 0.9 * PHI4.force(x))
    found = gradients(flow(decimate=False), ReverseKL(wrong, "path"))
    error = np.sqrt((right.var(0, ddof=1) + found.var(0, ddof=1)) / len(right))
    assert np.abs((right.mean(0) - found.mean(0)) / error).max() > 5


def test_at_the_exact_density_every_draw_has_zero_path_gradient():
    """A Gaussian base with the spectrum of a free field: log q + S is constant."""
    target = FreeField(L=4, m2=1.5)
    model = EquivariantCNF.for_target(target, decimate=False).double()
    orbits = model.orbits
    lattice = target.lattice
    C = 1 / (lattice.laplacian().ravel() + 1.5)
    x = lattice.coordinates @ lattice.momenta().reshape(-1, 2).T
    log_c = (np.log(C) * np.cos(x)).mean(1)  # log of the spectrum, as a function of distance
    with torch.no_grad():
        for o in range(orbits.n_orbits):
            here = np.flatnonzero(orbits.of_displacement == o)
            model.base.log_spectrum_orbits[o] = log_c[here[0]] * math.sqrt(orbits.sizes[o])
    g = gradients(model, ReverseKL(target, "path"), 3)
    assert np.abs(g).max() < 1e-6  # modes are stored in single precision
    assert np.abs(gradients(model, ReverseKL(target, "reparam"), 3)).max() > 1e-3
    loss = ReverseKL(target).loss(model, np.arange(5), Stream(1), {}).value
    assert float(loss.detach()) == pytest.approx(-target.log_z, abs=1e-5)


@pytest.mark.slow
def test_a_flow_learns_phi4_and_the_bound_holds():
    model = EquivariantCNF.for_target(PHI4, rng=1)
    result = fit(model, ReverseKL(PHI4, draws_per_epoch=3200), QUICK, rng=1)
    exact = float(phi4_torus(PHI4)["log_z"])
    ds = importance(model, PHI4, 6400, seed=1, exact=exact_values(PHI4))
    assert float(ds.ess_share) > 0.9
    known = ds.sel(quantity=np.isfinite(ds["pull"]))
    assert {"phi2", "susceptibility"} <= set(known["quantity"].values)
    for _, at in known.groupby("quantity"):
        assert within(at.pull * at.error, 0, at.error, largest=0.005 + 0.04 * abs(at.value))
    assert within(ds.log_z, exact, ds.log_z_error, largest=0.0025)
    F = result.history["validation_free_energy"] * 16
    error = result.history["validation_free_energy_error"] * 16
    assert float(F[-1]) > -exact - 4 * float(error[-1])
    assert float(result.history["ess"][-1]) == pytest.approx(float(ds.ess_share), abs=0.1)


def test_a_net_learns_ising_spins_and_keeps_both_signs():
    target = Ising(L=4, beta=0.6)
    model = ColouredNet.for_target(target, rng=1, hidden=8)
    fit(model, ReverseKL(target, anneal=0.3, draws_per_epoch=6400), QUICK, rng=1)
    exact = float(kaufman.log_z(0.6, (4, 4)))
    known = exact_values(target)
    known = {n: float(known[n]) for n in ("abs_magnetization", "specific_heat", "chi_abs")}
    ds = importance(model, target, 25_600, seed=1, log_z=(exact, 0.0), exact=known)
    # Squares and moduli are those of whole configurations, not of what is left of them.
    largest = {"abs_magnetization": 0.001, "specific_heat": 0.01, "chi_abs": 0.006}
    for name, value in known.items():
        at = ds.sel(quantity=name)
        assert within(at.value, value, at.error, largest=largest[name]), name
    assert float(ds.ess_share) > 0.8
    assert ds.attrs["warnings"] == ""
    x = np.asarray(model.sample(2000, rng=3)).reshape(2000, -1).sum(1)
    assert abs((x > 0).mean() - (x < 0).mean()) < 0.1


def test_annealing_ends_at_the_target():
    objective = ReverseKL(PHI4, anneal=0.5, start=0.2)
    assert objective.at(0.0).factor == pytest.approx(0.2)
    assert objective.at(0.25).factor == pytest.approx(0.6)
    assert objective.at(0.5).factor == objective.at(0.9).factor == 1


def test_weights_that_were_good_are_kept_when_the_loss_is_not_finite():
    calls = []

    def action(x):
        calls.append(1)
        return (x**2).sum(axis=(1, 2)) * (math.nan if len(calls) > 20 else 1)

    target = as_target(action, (4, 4), force=lambda x: -2 * x)
    model = EquivariantCNF([4, 4], rng=1)
    how = FitSettings(n_epochs=4, batch_size=64)
    with pytest.raises(TrainingDivergedError, match="the weights of step"):
        fit(model, ReverseKL(target, draws_per_epoch=640), how, rng=1)
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        (object(), {}, "must be an object with action"),
        (Ising(L=4, beta=0.3), {"gradient": "path"}, "needs real fields"),
        (as_target(lambda x: (x**2).sum(1), (3,)), {"gradient": "path"}, "target with a force"),
        (PHI4, {"anneal": 1.0}, "share of the steps"),
        (PHI4, {"start": 1.5}, "factor of the action"),
        (PHI4, {"gradient": "forward"}, "gradient must be one of"),
    ],
)
def test_bad_input(target, options, says):
    with pytest.raises(InputError, match=says):
        ReverseKL(target, **options)
