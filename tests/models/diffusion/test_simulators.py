"""What has no density and says so: few distilled steps, and sums of scores."""

import pytest
import torch
from helpers.flows import make
from helpers.statistics import within

from physgen import MALA, EquivariantCNF, FreeField, Phi4, as_target, estimates, fit
from physgen.core.errors import InputError
from physgen.core.protocols import Density, Simulator
from physgen.models import Decimated, FewSteps, ScoreModel, SumOfScores, annealed_finish
from physgen.samplers import draws_of, importance
from physgen.training import Distillation, FitSettings

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
QUICK = FitSettings(n_epochs=6, batch_size=128, learning_rate=3e-3, clip_norm=None, ema_decay=0.9)


def distances(teacher, student, n=512):
    """Rms of x at equal random numbers."""
    y = torch.randn(n, teacher.geometry.n, generator=torch.Generator().manual_seed(9)).double()
    with torch.no_grad():
        return float((student.mapped(y) - teacher.carried_to_data(y)).square().mean().sqrt())


def test_a_student_lands_where_its_teacher_does():
    teacher = make("score, even", size=0.35)
    fresh, student = FewSteps(teacher, 1), FewSteps(teacher, 1)
    objective = Distillation(teacher, 4096, 512, rng=1)
    result = fit(student, objective, QUICK, rng=2)
    assert distances(teacher, result.model) < 0.5 * distances(teacher, fresh)
    assert student.evaluations == 2
    # More steps need no teacher: the rule is of second order.
    off = [distances(teacher, FewSteps(teacher, n)) for n in (4, 8)]
    assert off[0] / off[1] == pytest.approx(4, rel=0.35)
    rows = torch.arange(16)
    errors = objective.errors(student, rows)
    parameters = list(student.student.network.parameters())

    def gradient(value):
        found = torch.autograd.grad(value, parameters, retain_graph=True)
        return torch.cat([g.flatten() for g in found])

    singles = torch.stack([gradient(e) for e in errors])
    torch.testing.assert_close(singles.mean(0), gradient(errors.mean()))  # T10
    assert float(singles.abs().amax(1).min()) > 0


def test_a_student_is_a_proposal_and_nothing_else():
    whole = ScoreModel.for_target(PHI4, rng=1, channels=2, times=2)
    student = FewSteps(whole, 2)
    assert isinstance(whole, Decimated)
    assert isinstance(student, Simulator)
    assert not isinstance(student, Density)
    assert student.event_shape == (4, 4)
    ds = draws_of(student, PHI4, 256, 1)
    assert ds.attrs["exactness"] == "approximate"
    assert "log_weight" not in ds
    with pytest.raises(InputError, match="must have log_prob"):
        importance(student, PHI4, 256)
    x = student.sample(40, 3)
    assert x.shape == (40, 4, 4)
    done = annealed_finish(student, PHI4, 128, 1, n_draws=8, thin=5)
    assert done.attrs["exactness"] == "asymptotic"


def free(m2):
    model = ScoreModel((4, 4), rng=1).double()
    field = FreeField(L=4, m2=m2)
    waves = model.modes.numpy().T.reshape(-1, 4, 4)
    model.assign_spectrum(-1 / (waves * field.force(waves)).sum((1, 2)))
    return model


def test_a_sum_of_scores_is_labelled_and_made_exact_by_chains():
    """T11: 1 / (1/a + 1/b) within 1 % after correction, and not before."""
    a, b = free(0.5), free(1.5)
    both = SumOfScores(a, b, n_steps=60)
    one, other = FreeField(L=4, m2=0.5), FreeField(L=4, m2=1.5)
    product = as_target(
        lambda x: one.action(x) + other.action(x), (4, 4),
        force=lambda x: one.force(x) + other.force(x),
        observables={"phi2": lambda x: (x**2).mean((1, 2))},
    )  # fmt: skip
    x = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    slope = torch.as_tensor(product.force(x.numpy()))
    torch.testing.assert_close(both.score(x, 0.0).detach(), slope, rtol=1e-5, atol=1e-5)
    law = 1 / (1 / a.spectrum + 1 / b.spectrum)
    raw = both.sample(3000, 1)
    off = (raw.flatten(1) @ a.modes).var(0) / law - 1
    assert float(off.abs().max()) > 0.1
    ds = draws_of(both, product, 256, 1)
    assert ds.attrs["exactness"] == "approximate"
    assert both.exactness == "approximate"
    done = annealed_finish(both, product, 256, 1, n_draws=60, thin=4, move=MALA(step_size=0.08))
    phi2 = estimates(done).sel(quantity="phi2")
    exact = float(law.mean())
    assert within(phi2.value, exact, phi2.error, largest=0.01 * exact)
    assert float(phi2.error) < 0.01 * exact


def test_bad_input():
    with pytest.raises(InputError, match="a teacher must be a ScoreModel"):
        FewSteps(EquivariantCNF((4, 4), rng=1))
    with pytest.raises(InputError, match="n_steps must be a positive integer, got 0"):
        FewSteps(make("score"), 0)
    with pytest.raises(InputError, match="distillation trains a FewSteps"):
        Distillation(make("score"), 16, 4).errors(make("score"), torch.arange(3))
    with pytest.raises(InputError, match="on one lattice and in one process"):
        SumOfScores(make("score"), make("score", process="vp"))
    with pytest.raises(InputError, match="scores are those of ScoreModels"):
        SumOfScores(make("score"), 3)
    with pytest.raises(InputError, match="n_steps are for a ScoreModel, got FewSteps"):
        annealed_finish(FewSteps(make("score")), PHI4, 64, n_steps=4)
    assert bool(torch.isfinite(FewSteps(make("score"), 1).sample(5, 1)).all())
