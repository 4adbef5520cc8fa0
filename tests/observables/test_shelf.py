"""Observables by name: sites are told from components, and what does not fit is refused."""

import numpy as np
import pytest

from physgen.core.declared import site_shape
from physgen.core.errors import InputError
from physgen.core.protocols import outcomes
from physgen.lattice import Graph, Hypercubic
from physgen.observables import correlator, mean_square, propagator, shelf_observables
from physgen.targets import Configurations, Ising, Phi4, as_target

NAMES = ["magnetization", "mean_square", "structure_factor_kmin", "correlator", "propagator"]


def own(shape, lattice=None, symmetries=("z2",), support=None):
    def action(x):
        return 0.5 * (x**2).reshape(len(x), -1).sum(1)

    lattice = None if lattice is None else Hypercubic(*lattice)
    return as_target(action, shape, lattice=lattice, symmetries=symmetries, support=support)


def test_a_field_without_components():
    x = np.random.default_rng(1).standard_normal((3, 4, 6))
    found = shelf_observables(own((4, 6), ((4, 6),)), NAMES)
    np.testing.assert_allclose(found["correlator"](x), correlator(x, 2))
    assert found["correlator"].coords["distance"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found["propagator"].coords["momentum"], np.arange(4) * np.pi / 3)
    assert found["magnetization"](x).shape == (3,)
    assert not found["magnetization"].coords
    assert list(shelf_observables(Ising(4, beta=0.2), ["energy"])) == ["energy"]


def test_components_are_not_averaged():
    """Of an O(2) field: m is a vector, and products are summed over the components."""
    x = np.random.default_rng(1).standard_normal((3, 4, 6, 2))
    target = own((4, 6, 2), ((4, 6),))
    assert site_shape(target) == (4, 6)
    found = shelf_observables(target, NAMES)
    a, b = x[..., 0], x[..., 1]
    np.testing.assert_allclose(found["magnetization"](x), x.mean((1, 2)))
    assert found["magnetization"].coords["component"].tolist() == [0, 1]
    np.testing.assert_allclose(found["mean_square"](x), mean_square(a, 2) + mean_square(b, 2))
    np.testing.assert_allclose(found["correlator"](x), correlator(a, 2) + correlator(b, 2))
    np.testing.assert_allclose(found["propagator"](x), propagator(a, 2) + propagator(b, 2))
    # a rotation of the components turns m alone
    c, s = np.cos(0.7), np.sin(0.7)
    turned = x @ np.array([[c, s], [-s, c]])
    for name in NAMES[1:]:
        np.testing.assert_allclose(found[name](turned), found[name](x), err_msg=name)
    assert np.abs(found["magnetization"](turned) - found["magnetization"](x)).max() > 0.01


def test_a_matrix_at_every_site():
    x = np.random.default_rng(1).standard_normal((3, 4, 2, 2))
    found = shelf_observables(own((4, 2, 2), ((4,),)), NAMES)
    assert found["magnetization"](x).shape == (3, 2, 2)
    each = [correlator(x[..., i, j], 1) for i in range(2) for j in range(2)]
    np.testing.assert_allclose(found["correlator"](x), sum(each))


def test_without_a_lattice_components_and_sites_cannot_be_told_apart():
    for name in NAMES:
        with pytest.raises(InputError, match=r"shape \(8, 8, 2\) needs a lattice.*Hypercubic"):
            shelf_observables(own((8, 8, 2)), [name])
    square = np.ones((2, 4, 4))
    assert shelf_observables(own((4, 4)), ["magnetization"])["magnetization"](square)[0] == 1
    with pytest.raises(InputError, match=r"correlator needs spins or fields on a lattice"):
        shelf_observables(own((4, 4)), ["correlator"])


def test_lattices_without_plane_waves():
    ring = Graph(4, [(0, 1), (1, 2), (2, 3), (3, 0)])
    for name in ("correlator", "structure_factor_kmin"):
        with pytest.raises(InputError, match="a graph has no k"):
            shelf_observables(Ising(lattice=ring), [name])
    open_field = Phi4(Hypercubic((4, 4), ("open", "periodic")), 0.1, 1.0, 1.0)
    with pytest.raises(InputError, match="correlator needs a periodic lattice, got boundary"):
        shelf_observables(open_field, ["correlator"])
    labels = own((4, 4), ((4, 4),), (), outcomes(3))
    with pytest.raises(InputError, match="needs spins or fields"):
        shelf_observables(labels, ["magnetization", "correlator"])


def test_a_connected_part_needs_the_mean():
    tilted = own((4, 4), ((4, 4),), ())
    for name in ("correlator", "propagator"):
        with pytest.raises(InputError, match=rf"record both: .*'magnetization', '{name}'"):
            shelf_observables(tilted, [name])
    assert len(shelf_observables(tilted, NAMES)) == 5


def test_names_that_nobody_knows():
    with pytest.raises(InputError, match=r"one of action, correlator, .*got 'energie'"):
        shelf_observables(Phi4(4, 0.1, 1.0, 1.0), ["energie"])


def test_configurations_have_them_too():
    x = np.random.default_rng(1).standard_normal((30, 4, 4))
    data = Configurations(x, boundary="periodic", symmetries=["z2"])
    np.testing.assert_allclose(
        shelf_observables(data, ["correlator"])["correlator"](x), correlator(x, 2)
    )
