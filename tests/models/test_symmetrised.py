import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p, normal_p

from physgen import models
from physgen.core.errors import InputError
from physgen.core.learning import Augmented
from physgen.models.symmetries import as_symmetry, group
from physgen.training import FitSettings, NegativeLogLikelihood, fit

L, K = 4, 3
STRINGS = np.array(list(itertools.product(range(K), repeat=L)), dtype=np.uint8)
PLACE = K ** np.arange(L)[::-1]
SWAP = models.Symmetry("swap", outcomes=[1, 0, 2])
CYCLE = models.Symmetry("cycle", outcomes=[1, 2, 0])


def base(rng=1):
    model = models.GRU(L, K, hidden=6, layers=1, rng=rng)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)
    return model


def apply(pi, sigma, x):
    return sigma[x[:, pi]]


@pytest.mark.parametrize(
    ("symmetries", "size"),
    [
        (["reflection"], 2),
        (["translation"], L),
        (["translation", "reflection"], 2 * L),  # the dihedral group
        ([SWAP], 2),
        ([SWAP, CYCLE], 6),  # all permutations of three outcomes
        (["reflection", SWAP, CYCLE], 12),
        ([models.Symmetry("both", sites=[1, 0, 3, 2], outcomes=[2, 1, 0])], 2),
    ],
)
def test_group_is_closed_and_the_model_invariant(symmetries, size):
    sites, outcomes = group([as_symmetry(s) for s in symmetries], L, K)
    elements = list(zip(sites, outcomes))
    assert len(elements) == size
    images = {apply(*g, STRINGS).tobytes() for g in elements}
    assert len(images) == size
    for g, h in itertools.product(elements, repeat=2):
        assert apply(*g, apply(*h, STRINGS)).tobytes() in images
    model, plain = models.Symmetrised(base(), symmetries), base()
    log_q = model.log_prob(STRINGS)
    mean = np.mean([np.exp(plain.log_prob(apply(*g, STRINGS))) for g in elements], axis=0)
    np.testing.assert_allclose(np.exp(log_q), mean, rtol=1e-5)
    for g in elements:
        np.testing.assert_allclose(model.log_prob(apply(*g, STRINGS)), log_q, atol=1e-6)
    # Saboteur: the base has none of these symmetries.
    moved = plain.log_prob(apply(*elements[1], STRINGS)) - plain.log_prob(STRINGS)
    assert abs(moved).max() > 0.1


@pytest.mark.statistical
def test_draws_follow_the_average_and_not_the_base():
    model = models.Symmetrised(base(), ["translation", SWAP])

    def p_value(n, seed, of=model):
        probability = np.exp(of.log_prob(STRINGS))
        drawn = model.sample(n, seed).numpy().astype(int)
        counts = np.bincount(drawn @ PLACE, minlength=K**L)
        return chi_square_p(counts, probability / probability.sum())

    assert accepts(p_value, 6000)
    assert not accepts(lambda n, s: p_value(n, s, base()), 6000)


@pytest.mark.statistical
def test_training_likelihood_is_a_lower_bound_with_the_stated_mean():
    model = models.Symmetrised(base(), ["reflection", SWAP])
    assert isinstance(model, Augmented)
    assert not isinstance(base(), Augmented)
    strings = STRINGS[:20]
    x = torch.from_numpy(strings)
    elements = zip(model.sites.numpy(), model.outcomes.numpy())
    with torch.no_grad():
        images = torch.stack([base()(torch.from_numpy(apply(*g, strings))) for g in elements])
    mean = images.mean(0)
    assert (mean <= model(x) + 1e-6).all()

    def p_value(n, seed, expected=mean):
        with torch.no_grad():
            rounds = range(seed, seed + n)
            drawn = torch.stack([model.training_log_prob(x, k).mean() for k in rounds])
        error = drawn.std() / np.sqrt(n)
        return normal_p(float((drawn.mean() - expected.mean()) / error))

    assert accepts(p_value, 50)
    # Saboteur: the same element for every string and step.
    assert not accepts(lambda n, s: p_value(n, s, images[1]), 50)


@pytest.mark.slow
def test_training_is_on_random_images_and_repeats_itself():
    shots = np.zeros((400, L), dtype=np.uint8)
    shots[:, 0] = 1  # the reflected string never occurs
    settings = FitSettings(n_epochs=12, batch_size=20, learning_rate=3e-2)
    fits = []
    for _ in range(2):
        model = models.Symmetrised(models.GRU(L, K, hidden=6, rng=1), ["reflection"])
        fit(model, NegativeLogLikelihood(shots, rng=1), settings, rng=2)
        fits.append(model)
    image = shots[:1, ::-1].copy()
    # The base has learned both strings, though it was shown one.
    both = np.exp([fits[0].base.log_prob(shots[:1]), fits[0].base.log_prob(image)])
    assert (both > 0.3).all()
    assert fits[0].log_prob(image) == pytest.approx(np.log(0.5), abs=0.1)
    np.testing.assert_array_equal(fits[0].log_prob(STRINGS), fits[1].log_prob(STRINGS))


def test_config_names_the_symmetries():
    model = models.Symmetrised(base(), ["reflection", SWAP])
    assert model.config == base().config | {
        "symmetries": ["reflection", {"name": "swap", "outcomes": [1, 0, 2]}]
    }
    assert type(models.build(base().config | {"symmetries": []})) is models.RecurrentNet
    again = models.from_dataset(models.to_dataset(model))
    np.testing.assert_array_equal(again.log_prob(STRINGS), model.log_prob(STRINGS))


@pytest.mark.parametrize(
    ("symmetries", "message"),
    [
        ([], "name at least one, got none"),
        ("reflection", "must be a list of them, got 'reflection' alone"),
        (["rotation"], "symmetry must be one of 'reflection', 'translation', got 'rotation'"),
        ([{"name": "flip"}], "come with a permutation of sites or outcomes, got 'flip' alone"),
        ([{"name": "reflection", "sites": [3, 2, 1, 0]}], "takes no permutation"),
        ([{"name": "flip", "outcomes": [1, 0]}], "must permute 3 outcomes, got 2"),
        ([{"name": "flip", "outcomes": [1, 1, 0]}], r"a permutation of 0\.\.n-1, got \[1, 1, 0\]"),
        ([{"name": "flip", "outcomes": [0.5, 1, 2]}], "a permutation"),
        ([{"outcomes": [1, 0, 2]}], "a mapping with 'name'"),
        ([{"name": "flip", "outcome": [1, 0, 2]}], "a mapping with 'name'"),
    ],
)
def test_bad_symmetries(symmetries, message):
    with pytest.raises(InputError, match=message):
        models.Symmetrised(base(), symmetries)


def test_symmetries_are_named_together():
    once = models.Symmetrised(base(), ["reflection"])
    with pytest.raises(InputError, match="symmetrised once; name all symmetries together"):
        models.Symmetrised(once, [SWAP])


def test_large_groups_are_refused_with_their_cost():
    long = models.GRU(70, 2, hidden=2)
    assert models.Symmetrised(long, ["reflection"]).n_elements == 2
    with pytest.raises(InputError, match="at most 64 elements, as a likelihood costs one"):
        models.Symmetrised(long, ["translation"])
    shift = models.Symmetry("shift by 10", sites=np.roll(np.arange(70), -10))
    assert models.Symmetrised(long, [shift]).n_elements == 7
