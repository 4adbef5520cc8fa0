"""Critics: their symmetries, what they see of a lattice, and the norms of their maps."""

import itertools

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.models import DenseCritic, LatticeCritic
from physgen.models.adversarial.critics import convolution_norm, default_critic
from physgen.models.adversarial.nets import Convolution

LATTICES = {"ring": (6,), "square": (4, 4), "cube": (2, 3, 4)}


def normals(shape, n=5, seed=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("shape", LATTICES.values(), ids=list(LATTICES))
def test_symmetries_of_the_critic_of_a_lattice(shape, even):
    critic = LatticeCritic(Hypercubic(shape), channels=3, hidden=5, even=even, rng=1)
    x = normals(shape)
    moved = x.roll((1,) * len(shape), tuple(range(1, len(shape) + 1)))
    torch.testing.assert_close(critic(moved), critic(x), rtol=1e-4, atol=1e-5)
    difference = (critic(-x) - critic(x)).abs().max()
    assert difference < 1e-5 if even else difference > 1e-3
    assert critic(x).shape == (5,)


def test_an_open_lattice_has_no_neighbours_beyond_its_ends():
    lattice = Hypercubic((3, 4), "open")
    critic = LatticeCritic(lattice, even=True, rng=1)
    x = normals((3, 4), 1).abs() + 1
    seen = dict(zip(critic.displacements, critic.products(x)[0].unbind(), strict=True))
    assert bool((seen[1, 0][-1] == 0).all())
    assert bool((seen[0, 1][:, -1] == 0).all())
    assert bool((seen[1, -1][:, 0] == 0).all())
    torch.testing.assert_close(seen[1, 0][:-1], x[0, :-1] * x[0, 1:])
    torch.testing.assert_close(seen[1, -1][0, 1:], x[0, 0, 1:] * x[0, 1, :-1])
    around = LatticeCritic(Hypercubic((3, 4)), even=True, rng=1).products(x)[0]
    assert bool((around != 0).all())


def test_dense_critics_and_what_stands_beside():
    x = normals((3,))
    even = DenseCritic((3,), even=True, rng=1)
    torch.testing.assert_close(even(-x), even(x))
    labelled = DenseCritic((3,), inputs=1, rng=1)
    a, b = (labelled(x, torch.full((5, 1), c)) for c in (0.0, 1.0))
    assert (a - b).abs().min() > 0
    features = DenseCritic((3,), outputs=4, rng=1)
    assert features(x).shape == (5, 4)
    assert isinstance(default_critic((3,), None, even=False, scale=1.0, rng=1), DenseCritic)
    lattice = Hypercubic((4, 4))
    found = default_critic((4, 4), lattice, even=True, scale=1.0, rng=1)
    assert isinstance(found, LatticeCritic)
    with pytest.raises(InputError, match="at most 3 dimensions"):
        LatticeCritic(Hypercubic((2, 2, 2, 2)), rng=1)


def test_slopes_at_a_constant_configuration_are_finite():
    """The spread over the lattice is 0 there, and its square root has no slope."""
    critic = LatticeCritic(Hypercubic((4, 4)), rng=1)
    x = torch.ones(2, 4, 4, requires_grad=True)
    critic(x).sum().backward()
    assert bool(torch.isfinite(x.grad).all())


def matrix_of(layer, shape, inputs):
    basis = torch.eye(inputs * int(np.prod(shape))).view(-1, inputs, *shape)
    return (layer(basis) - layer.bias.view(-1, *[1] * len(shape))).flatten(1)


@pytest.mark.parametrize("shape", [(5,), (2,), (3, 4), (2, 3, 2)])
def test_the_norm_of_a_convolution_is_its_largest_singular_value(shape):
    for word in ("periodic", "open"):
        layer = Convolution([word] * len(shape), 2, 3, 1, bias=True,
                            generator=torch.Generator().manual_seed(4))  # fmt: skip
        exact = torch.linalg.matrix_norm(matrix_of(layer, shape, 2), ord=2)
        found = convolution_norm(layer, shape)
        if word == "periodic":
            torch.testing.assert_close(found, exact, rtol=1e-4, atol=0)
        else:
            assert exact <= found * (1 + 1e-5)
            assert found < 2 * exact
        # The norm of the kernel as a matrix, which is often taken for it, is another number.
        naive = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert abs(float(naive.detach() / exact.detach()) - 1) > 0.02


def test_a_spectral_dense_critic_has_slopes_of_at_most_one():
    critic = DenseCritic((6,), spectral=True, rng=1)
    x = (3 * normals((6,), 200)).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    assert slope.norm(dim=1).max() <= 1 + 1e-5
    (free,) = torch.autograd.grad(DenseCritic((6,), rng=1)(x).sum(), x)
    assert free.norm(dim=1).max() > 1.05


def test_a_spectral_lattice_critic_does_not_depend_on_the_size_of_its_maps():
    critic = LatticeCritic(Hypercubic((4, 4)), channels=3, even=True, spectral=True, rng=1)
    x = normals((4, 4))
    before = critic(x)
    with torch.no_grad():
        critic.near.weight.mul_(3.0)
        critic.maps.weights[0].mul_(0.1)
    torch.testing.assert_close(critic(x), before, rtol=1e-4, atol=1e-5)


def test_displacements_are_those_of_the_table():
    found = LatticeCritic(Hypercubic((4, 4, 4)), rng=1).displacements
    assert len(found) == len(set(found)) == 1 + 3 + 6
    assert not any(tuple(-d for d in a) in found for a in found if any(a))
    norms = sorted(sum(d * d for d in a) for a in found)
    assert norms == [0, *[1] * 3, *[2] * 6]
    assert all(len(a) == 3 for a in itertools.chain(found))
