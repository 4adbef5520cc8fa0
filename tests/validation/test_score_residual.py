"""Residuals of a score by sector, and what a draw costs: known errors are found where they are."""

import numpy as np
import pytest
import torch
from helpers.flows import make
from helpers.statistics import joint_p, within

from physgen import EquivariantCNF, FreeField, Phi4, Phi4Cluster, run
from physgen.core.errors import InputError
from physgen.models import Decimated, ScoreModel
from physgen.plotting import plot_evaluations, plot_score_residual
from physgen.samplers import unpack_configurations
from physgen.validation import ess_against_evaluations, score_residual
from physgen.validation.score_residual import SECTORS, sectors

FREE = FreeField(L=4, m2=0.5)
PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)


def gaussian():
    model = ScoreModel(FREE.event_shape, rng=1).double()
    fields = model.modes.numpy().T.reshape(-1, *FREE.event_shape)
    model.assign_spectrum(-1 / (fields * FREE.force(fields)).sum((1, 2)))
    return model


def test_sectors_are_shells_of_momenta():
    for name in ("score", "score, even", "score, no point group"):
        where = sectors(make(name))
        assert (where == 0).sum() == 1
        model = make(name)
        zero = model.modes.numpy()[:, where == 0]
        np.testing.assert_allclose(np.abs(zero), np.abs(zero[0, 0]))
    assert list(np.bincount(sectors(make("score")))) == [1, 10, 5]  # |k|^2 of 0, of 2 and 4


def test_an_exact_score_has_no_residual_and_a_wrong_zero_mode_shows_there_alone():
    x = FREE.sample(8000, rng=3)
    right = score_residual(gaussian(), FREE, x, 5, rng=2)
    assert right.sizes == {"sector": 3, "noise": 5}
    assert joint_p((right.linear / right.linear_error).values) > 1e-3
    assert float(right.linear_error.sel(sector="rest").max()) < 0.01
    model = gaussian()
    where, wrong = sectors(model), 0.7
    exact = model.units[1].clone() * model.units[0] ** 2
    model.spectrum[torch.as_tensor(where == 0)] *= wrong
    found = score_residual(model, FREE, x, 5, rng=2)
    lam2 = (found.noise.values * model.units[0]) ** 2
    c = float(exact[torch.as_tensor(where == 0)][0])
    # -x/(0.7 C + lambda^2) in place of -x/(C + lambda^2), in units of the model's own D.
    share = (c + lam2) / (wrong * c + lam2)
    rows = found.sel(sector="zero mode")
    assert within(rows.linear, share - 1, rows.linear_error, largest=0.05)
    for name in SECTORS[1:]:
        rows = found.sel(sector=name)
        assert joint_p((rows.linear / rows.linear_error).values) > 1e-3


def test_a_missing_network_shows_in_the_cubic_part():
    ds = run(Phi4Cluster(), PHI4, n_chains=256, n_draws=8, thin=3, seed=3, quiet=True,
             keep="configurations")  # fmt: skip
    x = unpack_configurations(ds).transpose("draw", "chain", ...).values.reshape(-1, 4, 4)
    model = ScoreModel.for_target(PHI4, rng=1, channels=2, times=2)
    model.even.standardise(model.rest(x))
    found = score_residual(model, PHI4, x, 4, rng=1)
    pull = (found.cubic / found.cubic_error).sel(sector="small momenta")
    assert float(pull.isel(noise=0)) < -10  # it holds large fields too loosely
    assert float(abs(found.linear).max()) < 0.2
    assert found.linear.sel(sector="rest").isnull().all()  # 8 sites have no more momenta
    figure = plot_score_residual(found)
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == list(SECTORS)


def test_shares_are_those_of_the_weights_and_grow_with_evaluations():
    model = ScoreModel.for_target(PHI4, rng=1, channels=2, times=2)
    table = ess_against_evaluations(model, PHI4, 1024, 1, flow=(2, 8), paths=(2, 16))
    assert list(table.route.values) == ["flow", "flow", "paths", "paths"]
    assert list(table.evaluations.values) == [14, 56, 2, 16]
    # Without a network flow and paths are one Gaussian, and steps change nothing.
    assert float(table.ess[0]) == pytest.approx(float(table.ess[1]), rel=1e-3)
    assert 0.3 < float(table.ess[2] / table.ess[0]) < 3
    rough = make("score, even", size=0.35).float()
    even = Phi4.from_unhalved(L=4, m2=1.0, lam=1.0)
    table = ess_against_evaluations(
        Decimated(rough, even), even, 1024, 1, flow=(8,), paths=(2, 64)
    )
    assert float(table.ess[1]) < float(table.ess[2])
    figure = plot_evaluations(table)
    assert len(figure.axes[0].lines) == 2
    assert float(figure.axes[0].lines[1].get_ydata()[0]) == float(table.ess[1])


def test_bad_input():
    cnf = EquivariantCNF.for_target(PHI4)
    with pytest.raises(InputError, match="that of a ScoreModel, got EquivariantCNF"):
        score_residual(cnf, PHI4, np.ones((70, 4, 4)))
    with pytest.raises(InputError, match="at least 64 configurations"):
        score_residual(gaussian(), FREE, FREE.sample(30, rng=1))
    with pytest.raises(InputError, match="those of a ScoreModel"):
        ess_against_evaluations(cnf, PHI4)
    with pytest.raises(InputError, match="n_steps must be an integer >= 2, got 1"):
        ess_against_evaluations(gaussian(), FREE, 128, flow=(1,))
