"""A declared symmetry is checked once; a wrong one is refused with the size of the difference."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.samplers import HMC, run
from physgen.targets import Ising, Phi4, as_target, check_symmetries, checked_target

SQUARE = Hypercubic((4, 4))
ALL = ("translations", "point_group", "z2")


def phi4(x, source=0.0, tilt=0.0, shear=0.0, weights=1.0):
    gradients = sum((1 + tilt * mu) * ((np.roll(x, -1, mu) - x) ** 2).sum((1, 2)) for mu in (1, 2))
    diagonal = shear * (x * np.roll(x, (1, 1), (1, 2))).sum((1, 2))
    site = weights * (x**4 + x**2) - source * x
    return gradients + diagonal + site.sum((1, 2))


def target(symmetries=ALL, **how):
    return as_target(lambda x: phi4(x, **how), lattice=SQUARE, symmetries=symmetries)


BROKEN = {
    "z2": {"source": 0.5},
    "translations": {"weights": 1 + 0.1 * np.eye(4)[0]},
    "point_group": {"tilt": 0.1},
}


def test_symmetries_that_hold():
    check_symmetries(target())
    check_symmetries(Phi4.from_unhalved(L=4, m2=-4.0, lam=6.0))
    check_symmetries(Ising(L=4, beta=0.3))
    check_symmetries(Ising.spin_glass(L=4, beta=1.0, rng=1))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_symmetry_is_named_with_its_size(name):
    with pytest.raises(InputError, match=rf"symmetry '{name}' must leave .*changed by [+-]\d"):
        check_symmetries(target(**BROKEN[name]))
    left = {"translations": ["z2"]}.get(name, [s for s in ALL if s != name])
    check_symmetries(target(left, **BROKEN[name]))


def test_a_shear_breaks_reflections_alone():
    with pytest.raises(InputError, match="a reflection of axis 0"):
        check_symmetries(target(shear=0.3))
    check_symmetries(target(["translations", "z2"], shear=0.3))


@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_small_sources_are_seen(size):
    with pytest.raises(InputError, match="'z2'"):
        check_symmetries(target(source=size))


def test_rounding_in_single_precision_is_no_broken_symmetry():
    def action(x):
        return ((torch.roll(x, 1, 1) - x).float() ** 2 + x.float() ** 2).sum((1, 2)) + 1000

    check_symmetries(as_target(action, lattice=SQUARE, library="torch",
                               symmetries=["translations", "z2"]))  # fmt: skip


def test_spins_and_the_first_axes_of_components():
    field = as_target(lambda x: -0.5 * x.sum(1), 6, support="spins", symmetries=["z2"])
    with pytest.raises(InputError, match="'z2'"):
        checked_target(field)
    o2 = as_target(lambda x: (x**2).sum((1, 2, 3)), (4, 4, 2), lattice=SQUARE, symmetries=ALL)
    assert checked_target(o2) is o2


def test_the_doors_check():
    wrong = as_target(
        lambda x: phi4(x, source=0.5), force=lambda x: x, lattice=SQUARE, symmetries=["z2"]
    )
    with pytest.raises(InputError, match="symmetry 'z2'"):
        run(HMC(), wrong, n_chains=64, n_draws=1, seed=1)


def vector(x, bias=(0.0, 0.0, 0.0)):
    square = (x**2).sum(-1)
    bonds = sum(((np.roll(x, -1, mu) - x) ** 2).sum((1, 2, 3)) for mu in (1, 2))
    return bonds + (square + square**2).sum((1, 2)) + (x**2 @ np.array(bias)).sum((1, 2))


def test_permuted_components():
    def made(*bias):
        return as_target(
            lambda x: vector(x, bias), (4, 4, 3), lattice=SQUARE, symmetries=[*ALL, "components"]
        )

    check_symmetries(made(0.0, 0.0, 0.0))
    for bias, how in (((1.0, 0.0, 0.0), "a cyclic shift"), ((0.0, 0.5, 0.0), "a cyclic shift")):
        with pytest.raises(InputError, match=rf"symmetry 'components' must leave .* by {how}"):
            check_symmetries(made(*bias))

    def chiral(x):  # cyclic, but an exchange turns it around
        a, b, c = np.moveaxis(x, -1, 0)
        return vector(x) + 0.3 * (a * b**2 + b * c**2 + c * a**2).sum((1, 2))

    wrong = as_target(chiral, (4, 4, 3), lattice=SQUARE, symmetries=["components"])
    with pytest.raises(InputError, match="by an exchange of two components"):
        check_symmetries(wrong)


@pytest.mark.parametrize(
    "how", [{"event_shape": (4, 4), "lattice": SQUARE}, {"event_shape": (4, 2)},
            {"event_shape": (4, 4, 2, 2), "lattice": SQUARE}],
)  # fmt: skip
def test_components_need_an_axis_of_their_own(how):
    with pytest.raises(InputError, match="'components' needs one axis behind those of the lat"):
        as_target(vector, symmetries=["components"], **how)
