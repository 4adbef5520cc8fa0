import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p

from physgen import models
from physgen.core.errors import InputError

L, K = 3, 3
STRINGS = np.array(list(itertools.product(range(K), repeat=L)), dtype=np.uint8)


def member(rng, L=L):
    model = models.GRU(L, K, hidden=6, layers=1, rng=rng)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)
    return model


def test_is_the_mixture_of_its_members():
    members, weights = [member(k) for k in range(3)], np.array([0.5, 0.2, 0.3])
    q = np.exp([m.log_prob(STRINGS) for m in members])
    mixture = models.Ensemble(members, weights)
    np.testing.assert_allclose(np.exp(mixture.log_prob(STRINGS)), weights @ q, rtol=1e-6)
    np.testing.assert_allclose(np.exp(mixture.member_log_prob(STRINGS)), q, rtol=1e-6)
    equal = models.Ensemble(members)
    np.testing.assert_allclose(np.exp(equal.log_prob(STRINGS)), q.mean(axis=0), rtol=1e-6)
    assert abs(equal.log_prob(STRINGS) - mixture.log_prob(STRINGS)).max() > 0.01
    # Members differ, and the mixture is nearer to each in the mean than they are to each other.
    divergence = [(q[k] * (np.log(q[k]) - equal.log_prob(STRINGS))).sum() for k in range(3)]
    apart = [(q[k] * np.log(q[k] / q[j])).sum() for k in range(3) for j in range(3)]
    assert 0 < np.mean(divergence) < np.mean(apart)


@pytest.mark.statistical
def test_draws_follow_the_weights():
    members = [member(1), member(2)]
    mixture = models.Ensemble(members, [0.9, 0.1])

    def p_value(n, seed, weights=(0.9, 0.1)):
        probability = np.exp(models.Ensemble(members, weights).log_prob(STRINGS))
        drawn = mixture.sample(n, seed).numpy().astype(int)
        counts = np.bincount(drawn @ [9, 3, 1], minlength=K**L)
        return chi_square_p(counts, probability / probability.sum())

    assert accepts(p_value, 20_000)
    # Saboteur: the weights of the two exchanged.
    assert not accepts(lambda n, s: p_value(n, s, (0.1, 0.9)), 20_000)


def test_nested_models_are_stored_whole():
    mixture = models.Ensemble([models.Symmetrised(member(1), ["reflection"]), member(2)])
    turned = models.Symmetrised(mixture, ["translation"])
    for model in (mixture, turned):
        again = models.from_dataset(models.to_dataset(model))
        assert again.config == model.config
        np.testing.assert_array_equal(again.log_prob(STRINGS), model.log_prob(STRINGS))


def test_a_member_without_weight_does_not_count():
    mixture = models.Ensemble([member(1), member(2)], [1.0, 0.0])
    np.testing.assert_allclose(mixture.log_prob(STRINGS), member(1).log_prob(STRINGS), atol=1e-6)


def test_fresh_members_start_apart():
    config = {"family": "gru", "L": L, "K": K, "hidden": 4}
    one, other = models.build({"family": "ensemble", "members": [config, config]}, rng=1).members
    assert not torch.equal(one.head.weight, other.head.weight)


@pytest.mark.parametrize(
    ("members", "weights", "message"),
    [
        ([], None, "at least one model, all of one L and K, got none"),
        ([member(1), member(1, L=4)], None, "got L=3, K=3, L=4, K=3"),
        ([member(1)], [0.5, 0.5], "weights must be 1 numbers >= 0"),
        ([member(1), member(2)], [1.5, -0.5], "weights must be 2 numbers >= 0"),
        ([member(1), member(2)], [1.0, 1.0], "must sum to 1, got 2; divide by their sum"),
        ([member(1), member(2)], [1.0, np.nan], "finite"),
    ],
)
def test_bad_ensembles(members, weights, message):
    with pytest.raises(InputError, match=message):
        models.Ensemble(members, weights)


def test_bad_ensemble_config():
    with pytest.raises(InputError, match="weigths"):
        models.build({"family": "ensemble", "members": [], "weigths": []})
