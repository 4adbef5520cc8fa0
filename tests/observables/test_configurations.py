"""Observables of configurations against sums over pairs of sites."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.observables import (
    Observable,
    magnetization,
    overlap,
    structure_factor,
    structure_factor_kmin,
    two_point,
)

SHAPES = [(4, 4), (3, 5), (6,), (2, 3, 4)]


def field(shape, n=3, seed=1):
    return np.random.default_rng(seed).standard_normal((n, *shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_two_point_function_by_rolling(shape):
    x = field(shape)
    axes = tuple(range(1, x.ndim))
    G = two_point(x, len(shape))
    for r in np.ndindex(shape):
        moved = np.roll(x, [-d for d in r], axes)
        np.testing.assert_allclose(G[(slice(None), *r)], (x * moved).mean(axis=axes), atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_structure_factor_is_the_transform_of_the_two_point_function(shape):
    x, dim = field(shape), len(shape)
    lattice = Hypercubic(shape)
    S, G = structure_factor(x, dim), two_point(x, dim)
    wave = np.exp(1j * np.einsum("...m,sm->...s", lattice.momenta(), lattice.coordinates))
    transform = np.einsum("ns,...s->n...", G.reshape(3, -1), wave)
    np.testing.assert_allclose(S, transform.real, atol=1e-12)
    np.testing.assert_allclose(transform.imag, 0, atol=1e-12)
    origin = (slice(None), *(0,) * dim)
    np.testing.assert_allclose(S[origin], lattice.n_sites * magnetization(x, dim) ** 2)


def test_smallest_momentum():
    x = field((4, 6, 6))
    S = structure_factor(x, 3)
    np.testing.assert_allclose(
        structure_factor_kmin(x, 3), (S[:, 0, 1, 0] + S[:, 0, 0, 1]) / 2
    )  # of the longest axes only: along the others k = 2 pi / L is larger
    # One plane wave of amplitude a along one of two axes: S = V (a / 2)^2, halved by the average.
    wave = 3.0 * np.cos(2 * np.pi * np.arange(8) / 8)[:, None] * np.ones(8)
    assert structure_factor_kmin(wave, 2) == pytest.approx(64 * 1.5**2 / 2)
    with pytest.raises(InputError, match="extent of at least 2"):
        structure_factor_kmin(np.ones((3, 1)), 1)


def test_overlap_and_magnetization_of_spins():
    up = np.ones((4, 4), dtype=np.int8)
    other = up.copy()
    other[0] = -1
    assert magnetization(up, 2) == 1
    assert magnetization(other, 2) == 0.5
    assert overlap(up, other, 2) == 0.5
    assert overlap(other, other, 2) == 1
    assert magnetization(np.stack([up, other]), 2).tolist() == [1, 0.5]


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
def test_torch_and_numpy_agree(dtype):
    x = (3 * field((4, 6))).astype(dtype)
    t = torch.from_numpy(x)
    for function in (magnetization, two_point, structure_factor, structure_factor_kmin):
        mine, theirs = function(t, 2), function(x, 2)
        assert mine.dtype == torch.float64
        assert theirs.dtype == np.float64
        np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-12)
    np.testing.assert_allclose(overlap(t, -t, 2).numpy(), overlap(x, -x, 2))


def test_differentiable_in_torch():
    x = torch.from_numpy(field((4, 4))).requires_grad_(True)
    structure_factor_kmin(x, 2).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_more_axes_than_there_are():
    with pytest.raises(InputError, match="at most the 2 of x, got 3"):
        magnetization(np.ones((2, 2)), 3)


def test_an_observable_is_called_like_its_function():
    spin = Observable("first_spin", lambda x: x[..., 0], "1", "s_0")
    assert spin(np.array([[-1, 1]])).tolist() == [-1]
