"""Compiled loops of phi^4 against the action and force of the target; what leapfrog promises."""

import numpy as np
import pytest

from physgen.kernels.cpu import field_hmc
from physgen.kernels.cpu.field_layout import block_width, groups, pack, unpack
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers.fields.phi4 import Phi4Fields
from physgen.targets import Phi4

ALL = (0, 1)
LATTICES = [
    (2, 2),
    (4, 6),
    (16, 16),
    (5,),
    (3, 4, 5),
    (2, 3, 2, 4),
    Hypercubic((4, 5), "open"),
    Hypercubic((6, 4), ("open", "periodic")),
    Hypercubic((3, 3, 3), ("periodic", "open", "periodic")),
]


def model(L):
    return Phi4(L, hop=0.8, quad=1.3, quart=0.4, const=0.25)


def packed(target, n_chains=20, dtype=np.float64, seed=1):
    x = np.random.default_rng(seed).normal(size=(n_chains, target.n_sites))
    width = block_width(n_chains, target.n_sites, np.dtype(dtype).itemsize)
    return x, pack(x, width, dtype), Phi4Fields(target).arrays


def energies(target, x, p):
    n = len(x)
    return target.action(x.reshape(n, *target.event_shape)) + 0.5 * np.sum(p**2, axis=1)


def test_groups_hold_the_neighbours_and_a_site_that_is_zero():
    nearest = Hypercubic((3, 4, 5), "open").neighbours  # up to six neighbours: two groups
    diagonal = np.full((60, 2), -1)
    diagonal[7] = 8, 9
    table, weights = groups([nearest, diagonal], [0.5, -2.0])
    np.testing.assert_array_equal(weights, [0.5, 0.5, -2.0])
    assert table.shape == (60, 12)
    for row, wanted in zip(table[:, :8], nearest, strict=True):
        assert sorted(y for y in row if y < 60) == sorted(y for y in wanted if y >= 0)
    np.testing.assert_array_equal(table[7, 8:], [8, 9, 60, 60])
    np.testing.assert_array_equal(table[8, 8:], 60)


def test_a_shell_without_coupling_is_left_out():
    nearest = Hypercubic((4, 4)).neighbours
    assert groups([nearest, nearest], [1.0, 0.0])[0].shape == (16, 4)
    table, weights = groups([nearest], [0.0])
    assert (table == 16).all()
    np.testing.assert_array_equal(weights, [0.0])


@pytest.mark.parametrize("n_chains", [1, 16, 20, 100])
def test_pack_and_unpack(n_chains):
    x = np.random.default_rng(0).normal(size=(n_chains, 6))
    width = block_width(n_chains, 6, 8)
    assert width & (width - 1) == 0
    assert width >= 16
    blocks = pack(x, width, np.float64)
    assert blocks.shape == (-(-n_chains // width), 6, width)
    np.testing.assert_array_equal(unpack(blocks, n_chains), x)


def test_blocks_fit_the_cache():
    assert block_width(10_000, 256, 4) == 32
    assert block_width(10_000, 256, 8) == 16
    assert block_width(10_000, 16, 4) == 256
    assert block_width(10_000, 4096, 4) == 16
    assert block_width(10_000, 4096, 4, least=64) == 64
    assert block_width(40, 4096, 4, least=64) == 64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("L", LATTICES, ids=str)
def test_action_and_force_are_the_target_s(L, dtype):
    target = model(L)
    x, blocks, action = packed(target, dtype=dtype)
    S, F = np.empty((blocks.shape[0], blocks.shape[2])), np.empty_like(blocks)
    field_hmc.actions(ALL, blocks, *action, S)
    field_hmc.forces(ALL, blocks, *action, F)
    fields = x.reshape(len(x), *target.event_shape)
    tolerance = 1e-12 if dtype == np.float64 else 3e-5
    np.testing.assert_allclose(S.ravel()[: len(x)], target.action(fields), rtol=tolerance)
    force = target.force(fields).reshape(len(x), -1)
    np.testing.assert_allclose(unpack(F, len(x)), force, rtol=tolerance, atol=tolerance)


def leapfrog(target, x, p, eps, n, dtype=np.float64):
    width = block_width(len(x), target.n_sites, np.dtype(dtype).itemsize)
    a, b = pack(x, width, dtype), pack(p, width, dtype)
    field_hmc.leapfrog(ALL, a, b, *Phi4Fields(target).arrays, eps, n)
    return unpack(a, len(x)), unpack(b, len(x))


def fields_and_momenta(target, n_chains=20):
    rng = np.random.default_rng(5)
    return rng.normal(size=(2, n_chains, target.n_sites))


def plain_leapfrog(target, x, p, eps, n, last=0.5):
    """The textbook loop; `last` is the weight of the final kick, 1/2 if it is right."""

    def force(x):
        return target.force(x.reshape(len(x), *target.event_shape)).reshape(x.shape)

    p = p + eps / 2 * force(x)
    for i in range(n):
        x = x + eps * p
        p = p + eps * (last if i == n - 1 else 1.0) * force(x)
    return x, p


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("L", [(4, 4), (3, 4, 5), (5,)], ids=str)
def test_leapfrog_is_the_textbook_loop(L, n):
    target = model(L)
    x, p = fields_and_momenta(target)
    ours, plain = leapfrog(target, x, p, 0.1, n), plain_leapfrog(target, x, p, 0.1, n)
    np.testing.assert_allclose(ours, plain, rtol=1e-11, atol=1e-12)


def test_leapfrog_goes_back_where_it_came_from():
    target = model((4, 4))
    x, p = fields_and_momenta(target)
    there = leapfrog(target, x, p, 0.1, 20)
    back = leapfrog(target, there[0], -there[1], 0.1, 20)
    np.testing.assert_allclose(back[0], x, atol=1e-11)
    np.testing.assert_allclose(-back[1], p, atol=1e-11)
    # Saboteur: without the last half kick it would not.
    there = plain_leapfrog(target, x, p, 0.1, 20, last=0.0)
    back = plain_leapfrog(target, there[0], -there[1], 0.1, 20, last=0.0)
    assert np.abs(back[0] - x).max() > 0.01


def energy_error(move, target, eps):
    x, p = fields_and_momenta(target, 200)
    end = move(target, x, p, eps, round(0.4 / eps))
    return np.sqrt(np.mean((energies(target, *end) - energies(target, x, p)) ** 2))


def test_energy_error_is_of_second_order():
    target = model((4, 4))
    coarse, fine = (energy_error(leapfrog, target, eps) for eps in (0.04, 0.02))
    assert 3.8 < coarse / fine < 4.2
    # Saboteur: a dropped half kick leaves an error of first order.
    coarse, fine = (
        energy_error(lambda *a: plain_leapfrog(*a, last=0.0), target, eps) for eps in (0.04, 0.02)
    )
    assert coarse / fine < 2.4


def test_leapfrog_conserves_volume():
    target = Phi4(2, hop=0.5, quad=1.0, quart=0.3)
    x, p = np.random.default_rng(2).normal(size=(2, 1, 4))
    h, columns = 1e-5, []
    for i in range(8):
        shift = np.zeros((2, 1, 4))
        shift[i // 4, 0, i % 4] = h
        ends = [np.concatenate(leapfrog(target, x + s, p + t, 0.2, 3)).ravel()
                for s, t in ((shift[0], shift[1]), (-shift[0], -shift[1]))]  # fmt: skip
        columns.append((ends[0] - ends[1]) / (2 * h))
    assert abs(np.linalg.det(np.array(columns)) - 1) < 1e-7


def test_float32_follows_float64():
    target = model((16, 16))
    x, p = fields_and_momenta(target, 64)
    exact, single = (leapfrog(target, x, p, 0.1, 10, dtype) for dtype in (np.float64, np.float32))
    np.testing.assert_allclose(single[0], exact[0], atol=2e-5)
