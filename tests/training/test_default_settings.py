"""A fit without settings takes the recipe of the family that it trains, or refuses."""

import pytest
import torch
from helpers.fits import K, L, coupled_strings, small_model

from physgen import ColouredNet, EquivariantCNF, Ising, Phi4, fit
from physgen.core.errors import InputError, InterruptedRunError
from physgen.models import LSTM, ConditionedFlow, Ensemble, FlipMixture, MatrixProduct, Symmetrised
from physgen.quantum import povm
from physgen.training import FitSettings, NegativeLogLikelihood, ReverseKL, recipe
from physgen.training.default_settings import default_settings

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
SMALL = {"features": 3, "frequencies": 4, "times": 3}


def flow(**options):
    return EquivariantCNF.for_target(PHI4, rng=1, **SMALL, **options)


def conditioned():
    def at(lam):
        return Phi4.from_unhalved(L=4, m2=-4.0, lam=lam)

    return ConditionedFlow.for_targets(at, "lam", 6.0, 8.0, rng=1, **SMALL)


def states():
    return [MatrixProduct(3, povm("tetrahedral"), bond=2, kraus=k, rng=1) for k in (1, 2)]


@pytest.mark.parametrize(
    ("make", "family"),
    [
        (small_model, "gru"),
        (lambda: Symmetrised(small_model(), ["reflection"]), "gru"),
        (lambda: flow(decimate=True), "equivariant-cnf"),
        (lambda: FlipMixture(flow(decimate=False)), "equivariant-cnf"),
        (
            lambda: FlipMixture(
                ColouredNet.for_target(Ising(L=4, beta=0.3), rng=1, decimate=False)
            ),
            "coloured-net",
        ),
        (conditioned, "equivariant-cnf"),
        (
            lambda: Ensemble([small_model(1), Symmetrised(LSTM(L, K, rng=1), ["reflection"])]),
            "gru",
        ),
        (lambda: Ensemble(states()), "lpdo"),
    ],
)
def test_a_wrapper_takes_the_recipe_of_what_it_wraps(make, family):
    """A flip mixture of a flow was trained by the recipe of measurement strings."""
    assert default_settings(make()) == recipe(family)
    if family != "gru":  # whose recipe is the default of the class
        assert default_settings(make()) != FitSettings()


class Own(torch.nn.Module):
    """A module of a user."""

    def __init__(self, **config):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        if config:
            self.config = config


@pytest.mark.parametrize(
    ("model", "got"),
    [
        (Own(), "got Own with no recipe"),
        (Own(L=3), "got Own with no recipe"),
        (Own(family="mine"), "got the family 'mine' with no recipe"),
        (Own(family="mine", base={"family": "other"}), "the family 'mine' with no recipe"),
        (
            Ensemble([small_model(), MatrixProduct(L, povm("trine"), bond=2, rng=1)]),
            "the family 'ensemble' with recipes that differ",
        ),
        (
            Own(family="ensemble", members=[{"family": "gru"}, {"family": "mine"}]),
            "the family 'ensemble' with recipes that differ",
        ),
    ],
)
def test_a_family_without_a_recipe_is_refused(model, got):
    with pytest.raises(InputError, match=got):
        default_settings(model)


def test_fit_asks_for_settings_before_it_trains():
    objective = NegativeLogLikelihood(coupled_strings(100))
    with pytest.raises(InputError, match=r"give settings=FitSettings\(...\)"):
        fit(Own(family="mine"), objective, rng=1)
    with pytest.raises(InputError, match=r"settings=training\.recipe\(FAMILY\)"):
        fit(Own(), objective, rng=1, budget="1s")
    mixture = FlipMixture(flow(decimate=False))
    objective = ReverseKL(PHI4, draws_per_epoch=128, n_validation=16)
    # Forty epochs of one step, with the batches of 128 of the flow.
    with pytest.raises(InterruptedRunError, match="step 0 of 40"):
        fit(mixture, objective, rng=1, should_stop=lambda: True)
