"""Fits in closed form: one row of history, nothing to step, resumed as they were."""

import numpy as np
import pytest

from physgen import fit
from physgen.core.errors import InputError, InterruptedRunError
from physgen.core.learning import Objective, Solvable
from physgen.models import LocalActionEnergy
from physgen.targets import Configurations, FreeField, Ising
from physgen.training import PseudoLikelihood, ScoreMatching

FREE = FreeField(4, 0.5)


def data(n=300):
    return Configurations(FREE.sample(n, 1), boundary="periodic", symmetries=["z2"])


def spins(n=300):
    return Ising(4, 0.2).hot(1, n)


@pytest.mark.parametrize("kind", ["reals", "spins"])
def test_a_fit_is_one_row(kind):
    reals = kind == "reals"
    q = LocalActionEnergy.for_target(FREE if reals else Ising(4, 0.2))
    objective = ScoreMatching(data()) if reals else PseudoLikelihood(Configurations(spins()))
    assert isinstance(objective, Objective)
    assert isinstance(objective, Solvable)
    seen, kept = [], []
    result = fit(
        q,
        objective,
        budget="1s",
        on_progress=seen.append,
        on_checkpoint=lambda state, history: kept.append((state, history)),
    )
    assert result.model is q
    assert result.stopped_by == "solution"
    assert result.best_step == 1
    assert result.warnings == ""
    assert result.history.sizes["evaluation"] == 1
    name = objective.loss_name
    row = {str(k): float(v[0]) for k, v in result.history.data_vars.items()}
    losses = objective.evaluate(q)
    assert losses.shape == (objective.n_validation,) == (30,)
    assert row[f"validation_{name}"] == pytest.approx(losses.mean())
    error = losses.std(ddof=1) / np.sqrt(30)
    assert row[f"validation_{name}_error"] == pytest.approx(error)
    assert abs(row[f"train_{name}"] - losses.mean()) < 6 * error
    assert "solution" in repr(result)
    assert np.isfinite(list(q.coupling_errors.values())).all()
    assert len(seen) == len(kept) == 1
    assert seen[0].train_loss == row[f"train_{name}"]
    # A resume repeats nothing, and has the same model.
    again = LocalActionEnergy.for_target(FREE if reals else Ising(4, 0.2))
    resumed = fit(again, objective, resume_from=kept[0][0])
    assert again.fingerprint == q.fingerprint
    assert again.coupling_errors == q.coupling_errors
    assert resumed.history.equals(result.history)


def test_the_held_out_share_is_the_end_of_each_chain():
    x = FREE.sample(400, 1).reshape(4, 100, 4, 4)
    objective = PseudoLikelihood((FREE, x), 0.1)
    assert objective.samples.train.shape == (4, 90, 4, 4)
    expected = x[:, 90:].swapaxes(0, 1).reshape(-1, 4, 4)
    np.testing.assert_array_equal(objective.samples.validation, expected)
    chains = Configurations(x, chains=True)
    np.testing.assert_array_equal(PseudoLikelihood(chains).samples.train, x[:, :90])
    lonely = PseudoLikelihood((FREE, x.reshape(400, 1, 4, 4)), 0.1)
    assert lonely.samples.train.shape == (360, 1, 4, 4)
    nothing = PseudoLikelihood((FREE, x), 0.0)
    assert nothing.n_validation == 0
    terms = ("nearest", "phi2")
    result = fit(LocalActionEnergy.for_target(FREE, terms=terms), nothing)
    assert np.isnan(result.history["validation_pseudo_nll"][0])


def test_a_request_to_stop_comes_first():
    with pytest.raises(InterruptedRunError, match="one solution"):
        fit(LocalActionEnergy.for_target(FREE), ScoreMatching(data()), should_stop=lambda: True)


def test_bad_data_are_refused():
    signs = Configurations(spins().astype(float), support="reals")
    with pytest.raises(InputError, match="numbers that vary, got -1, 1 alone; for spins"):
        PseudoLikelihood(signs)
    with pytest.raises(InputError, match="score matching needs real fields, got spins"):
        ScoreMatching(Configurations(spins()))
    bad = FREE.sample(50, 1)
    bad[3, 0, 0] = np.nan
    with pytest.raises(InputError, match="must be finite"):
        ScoreMatching((FREE, bad))
    q = LocalActionEnergy.for_target(FREE)
    small = FreeField(3, 0.5)
    for objective in (ScoreMatching, PseudoLikelihood):
        with pytest.raises(InputError, match=r"reals of shape \(3, 3\)"):
            fit(q, objective((small, small.sample(50, 1))))
    with pytest.raises(InputError, match="must be Configurations, "):
        PseudoLikelihood("a file")
    array = PseudoLikelihood(FREE.sample(50, 1))
    assert array.samples.support.kind == "reals"
    assert PseudoLikelihood(spins()).samples.support.kind == "spins"
    with pytest.raises(InputError, match="got 0 to 1; for bits 0 and 1 give"):
        PseudoLikelihood((spins() + 1) // 2)
    with pytest.raises(InputError, match="validation_fraction must lie in"):
        PseudoLikelihood((FREE, FREE.sample(50, 1)), 1.0)
