"""Models on a GPU are those of the CPU: the same log q, draws that follow it, fits that resume."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import Ising, Phi4, ReverseKL, fit, for_target, importance, models
from physgen.cli import main
from physgen.core.errors import InputError, InterruptedRunError
from physgen.core.random import Stream
from physgen.exact.kaufman import log_z
from physgen.results import open_run
from physgen.training import FitSettings

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
ISING = Ising(L=4, beta=0.4)
RECORDED = {"equivariant-cnf", "coupling-flow", "glow-flow", "coloured-net", "masked-net"}
LOG_Z = 2.405138962  # of PHI4, by transfer matrix
FAMILIES = [
    (target, family)
    for target in (PHI4, ISING)
    for family in models.families.names(target.support.kind)
    if models.families.family(family).kind == "density"
]
every_family = pytest.mark.parametrize(
    ("target", "family"), FAMILIES, ids=[family for _, family in FAMILIES]
)


def made(target, family, size=0.1, **options):
    """A model in float64, far from a fresh start."""
    model = for_target(target, family, rng=3, **options).double()
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


@every_family
@pytest.mark.parametrize("decimate", [True, False])
def test_log_q_is_that_of_the_cpu(target, family, decimate):
    model = made(target, family, decimate=decimate)
    x = target.hot(1, 40)
    expected = model.log_prob(x)
    assert expected.std() > 0.1
    # Whatever is asked with an array is answered with one.
    np.testing.assert_allclose(model.to("cuda").log_prob(x), expected, atol=1e-9)
    if target.support.kind == "reals":
        on_cpu = made(target, family, decimate=decimate).force(x)
        np.testing.assert_allclose(model.force(x), on_cpu, atol=1e-8)


@every_family
def test_draws_carry_their_log_q(target, family):
    model = made(target, family, size=0.03, decimate=False).float().to("cuda")
    x, log_q = model.sample_and_log_prob(3000, 1)
    assert x.device.type == log_q.device.type == "cuda"
    assert log_q.dtype == torch.float64
    torch.testing.assert_close(model.log_prob(x), log_q, atol=2e-3, rtol=0)
    torch.testing.assert_close(model.sample(7, 1), x[:7], rtol=0, atol=0)


@every_family
def test_a_fit_that_is_interrupted_continues(target, family):
    settings = FitSettings(n_epochs=2, batch_size=64, learning_rate=1e-3)
    objective = ReverseKL(target, n_validation=64, draws_per_epoch=320)
    fresh = for_target(target, family, rng=1).to("cuda")
    before = [p.detach().clone() for p in fresh.parameters()]
    whole = fit(fresh, objective, settings, rng=1).model
    assert any(not torch.equal(p, q) for p, q in zip(before, whole.parameters()))
    asked, states = iter([False] * 4 + [True]), []
    half = for_target(target, family, rng=1).to("cuda")
    with pytest.raises(InterruptedRunError):
        fit(
            half, objective, settings, rng=1, should_stop=lambda: next(asked),
            on_checkpoint=lambda state, _: states.append(state),
        )  # fmt: skip
    again = for_target(target, family, rng=1).to("cuda")
    resumed = fit(again, objective, settings, rng=1, resume_from=states[-1]).model
    # Sums of a GPU are in no fixed order: equal up to rounding.
    for p, q in zip(whole.parameters(), resumed.parameters()):
        torch.testing.assert_close(p, q, atol=1e-4, rtol=1e-3)


@every_family
def test_a_fit_with_graphs_is_the_fit_without(target, family):
    def fitted(cuda_graphs):
        settings = FitSettings(
            n_epochs=3, batch_size=64, learning_rate=1e-3, cuda_graphs=cuda_graphs
        )
        model = for_target(target, family, rng=1).to("cuda")
        fit(model, ReverseKL(target, n_validation=64, draws_per_epoch=320), settings, rng=1)
        return model.parameters()

    try:
        replayed = fitted(True)
    except InputError:  # this family reads from the host, and says so
        if family in RECORDED:
            raise
        return
    for p, q in zip(fitted(False), replayed):
        torch.testing.assert_close(p, q, atol=1e-5, rtol=1e-4)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("target", "exact"), [(PHI4, LOG_Z), (ISING, log_z(0.4, (4, 4)))], ids=["fields", "spins"]
)
def test_numbers_of_a_target_from_a_fit_on_the_device(target, exact):
    model = for_target(target, rng=1).to("cuda")
    fit(model, ReverseKL(target), FitSettings(n_epochs=10, batch_size=128), rng=1)
    found = importance(model, target, 200_000, 1)
    assert float(found.ess_share) > 0.8
    assert within(found.log_z, exact, found.log_z_error, largest=0.002, rounding=1e-6)
    # Saboteur: weights of another coupling.
    other = Phi4.from_unhalved(L=4, m2=-4.0, lam=7.9) if target is PHI4 else Ising(L=4, beta=0.41)
    wrong = importance(model, other, 200_000, 1)
    assert abs(float(wrong.log_z) - float(exact)) > 4 * float(wrong.log_z_error)


@pytest.mark.parametrize("family", ["rnn", "gru", "lstm", "convolution", "transformer"])
def test_models_of_strings(family):
    model = models.build({"family": family, "L": 6, "K": 4}, rng=1).double()
    x = torch.randint(0, 4, (50, 6), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3)
        expected = model.log_prob(x)
        found = model.to("cuda").log_prob(x)
        assert found.device.type == "cpu"
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
        strings, log_q = model.sample_and_log_prob(2000, 1)
        torch.testing.assert_close(model.log_prob(strings), log_q, atol=1e-9, rtol=0)


RUN = """
[target]
name = "phi4-2d"
L = 4
convention = "unhalved"
m2 = -4.0
lam = 8.0
[model]
[train]
device = "cuda"
n_epochs = 5
[importance]
n_draws = 65536
[sampler]
name = "auto"
n_draws = 20
[smc]
n_particles = 0
"""


def test_a_run_on_the_device(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(RUN)
    out = tmp_path / "run"
    assert main(["run", str(config), "--out", str(out)]) == 0
    tree = open_run(Path(out))
    assert tree.attrs["device"] == "cuda"
    found = tree["estimates"].sel(generator="model")
    assert within(found.log_z, LOG_Z, found.log_z_error, largest=0.004, rounding=1e-6)


@pytest.mark.parametrize("visible", ["spins", "outcomes", "reals"])
def test_machines_move_as_on_the_cpu(visible):
    """The same words: chains part only where a word falls within rounding of a probability."""
    K = 3 if visible == "outcomes" else None
    model = models.RBM((32, 32), visible=visible, K=K, n_hidden=64)
    x = model.hot(1, 300)
    here = model.moved(x, 3, Stream(2))
    there = model.to("cuda").moved(torch.from_numpy(x).to("cuda"), 3, Stream(2))
    assert there.device.type == "cuda"
    same = np.isclose(there.cpu().numpy(), here, atol=1e-3)
    assert same.mean() > 0.999
    np.testing.assert_allclose(model.action(x), model.cpu().action(x), rtol=1e-12)
