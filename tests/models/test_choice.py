"""The model of a target: what is declared is used, and what does not fit is refused."""

import numpy as np
import pytest
import torch

from physgen import (
    Hypercubic,
    Ising,
    Phi4,
    as_target,
    for_target,
    models,
)
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models import Decimated, FlipMixture, default_family

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
ISING = Ising(L=4, beta=0.4)
OPEN = Phi4(Hypercubic((4, 4), "open"), 0.2, 1.0, 0.1)
NUMBERS = as_target(lambda x: (x**2).sum(-1), (3,))


def test_the_default_uses_what_a_target_declares():
    found = {target: default_family(target) for target in (PHI4, ISING, OPEN, NUMBERS)}
    assert list(found.values()) == [
        "equivariant-cnf", "coloured-net", "coupling-flow", "zuko-flow",
    ]  # fmt: skip
    for target in found:
        model = for_target(target, rng=1)
        assert isinstance(model, Density)
        assert tuple(model.event_shape) == tuple(target.event_shape)


@pytest.mark.parametrize("target", [PHI4, ISING], ids=["fields", "spins"])
def test_every_family_is_made_for_a_target_and_scores_what_it_draws(target):
    rows = models.families.FAMILIES
    names = models.families.names(target.support.kind)
    few = {"kernel-density"}  # which refuses sixteen numbers
    for family in (n for n in names if rows[n].kind == "density" and n not in few):
        model = for_target(target, family, rng=1)
        # What is estimated from whole configurations is a density of all sites.
        assert isinstance(model, Decimated) == (rows[family].objective != "likelihood"), family
        assert model.config["family"] == family
        x, log_q = model.sample_and_log_prob(5, 1)
        np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-3)


def vector(symmetries):
    def action(x):
        square = (x**2).sum(-1)
        bonds = sum(((torch.roll(x, -1, mu) - x) ** 2).sum((1, 2, 3)) for mu in (1, 2))
        return bonds + (square + square**2).sum((1, 2))

    lattice = Hypercubic((4, 4))
    return as_target(action, (4, 4, 2), library="torch", lattice=lattice, symmetries=symmetries)


def test_fields_with_components():
    """A flow whose components may be permuted, or one that knows nothing of them; no third."""
    whole = vector(["translations", "point_group", "z2", "components"])
    q = for_target(whole, rng=1)
    assert q.config["family"] == "equivariant-cnf"
    assert q.event_shape == (4, 4, 2)
    with torch.no_grad():
        for p in q.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    x = q.sample(6, 1).numpy()
    log_q = q.log_prob(x)
    for moved in (x[..., ::-1], np.roll(x, 1, 1), np.swapaxes(x, 1, 2), -x):
        np.testing.assert_allclose(q.log_prob(moved.copy()), log_q, atol=1e-4)
    one = x * np.array([1.0, -1.0], dtype=x.dtype)  # saboteur: this is not imposed
    assert np.abs(q.log_prob(one) - log_q).max() > 1e-2
    larger = q.transferred((6, 6))
    assert larger.event_shape == (6, 6, 2)
    again = models.build(q.config, rng=2)
    assert again.event_shape == q.event_shape
    plain = vector(["translations", "z2"])
    assert default_family(plain) == "zuko-flow"
    assert for_target(plain, rng=1).event_shape == (4, 4, 2)
    with pytest.raises(InputError, match="needs the symmetry 'components'"):
        for_target(plain, "equivariant-cnf")
    with pytest.raises(
        InputError, match=r"CouplingFlow models one number a site, got .*\(4, 4, 2"
    ):
        for_target(whole, "coupling-flow")


def test_a_mixture_is_even_whatever_is_mixed():
    model = for_target(PHI4, "zuko-flow", mixture=True, flow="realnvp", rng=1)
    assert isinstance(model.even, FlipMixture)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    x = model.sample(6, 1)
    np.testing.assert_allclose(model.log_prob(-x.numpy()), model.log_prob(x.numpy()), atol=1e-4)
    even = model.rest(x)
    apart = model.even.base.log_prob(even) - model.even.base.log_prob(-even)
    assert float(apart.detach().abs().max()) > 1e-3
    with pytest.raises(InputError, match="symmetry 'z2'"):
        for_target(NUMBERS, mixture=True)


def test_a_trained_flow_begins_another():
    small = for_target(PHI4, rng=1, features=3)
    with torch.no_grad():
        small.even.velocity.kappa += 0.1
    same = for_target(Phi4.from_unhalved(L=4, m2=-4.0, lam=7.0), begin_from=small)
    assert torch.equal(same.even.velocity.kappa, small.even.velocity.kappa)
    assert same.even is not small.even
    large = for_target(Phi4.from_unhalved(L=8, m2=-4.0, lam=7.0), begin_from=small)
    assert large.event_shape == (8, 8)
    assert float(large.even.velocity.kappa.detach().abs().max()) > 0.05


def test_what_does_not_transfer_is_refused_with_the_reason():
    larger = Phi4.from_unhalved(L=8, m2=-4.0, lam=8.0)
    coupling = for_target(PHI4, "coupling-flow", rng=1)
    with pytest.raises(InputError, match="'coupling-flow' fit its own lattice alone, got shape"):
        for_target(larger, begin_from=coupling)
    whole = for_target(PHI4, decimate=False, rng=1)
    with pytest.raises(InputError, match=r"model of all sites .* decimate=False would fit"):
        for_target(larger, begin_from=whole)
    with pytest.raises(InputError, match="family follows from the model to begin from"):
        for_target(PHI4, "coupling-flow", begin_from=coupling)
    with pytest.raises(InputError, match="layers follows from the model to begin from"):
        for_target(PHI4, begin_from=coupling, layers=3)
    with pytest.raises(InputError, match=r"begin_from must be a trained model .*, got str"):
        for_target(PHI4, begin_from="run.h5")
    with pytest.raises(InputError, match="model of spins, as the target is"):
        for_target(ISING, begin_from=coupling)
    with pytest.raises(InputError, match=r"family of a target of reals must be one of"):
        for_target(PHI4, "pixel-net")
    with pytest.raises(InputError, match=r"model 'coupling-flow': .*colour"):
        for_target(PHI4, "coupling-flow", colour=3)
