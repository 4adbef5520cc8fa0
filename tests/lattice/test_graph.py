"""Graphs have the members of hypercubic lattices, and agree with them where both exist."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.lattice import Graph, Hypercubic
from physgen.lattice.colouring import spread_signs

TRIANGLE = Graph(3, [(0, 1), (1, 2), (2, 0)])


@pytest.mark.parametrize("shape", [(3, 4), (2, 2), (2, 3)])
def test_a_hypercubic_lattice_as_a_graph(shape):
    lattice = Hypercubic(shape)
    graph = Graph(lattice.n_sites, lattice.bonds)
    np.testing.assert_array_equal(graph.bonds, lattice.bonds)
    for site in range(graph.n_sites):
        mine = sorted(zip(graph.bond_index[site], graph.neighbours[site]))
        theirs = sorted(zip(lattice.bond_index[site], lattice.neighbours[site]))
        assert mine == theirs
    x = np.random.default_rng(1).standard_normal((2, *shape))
    w = np.random.default_rng(2).standard_normal(lattice.n_bonds)
    for weights in (None, w):
        flat = x.reshape(2, -1)
        bond_sum = graph.bond_sum(flat, weights)
        np.testing.assert_allclose(bond_sum, lattice.bond_sum(x, weights))
        around = graph.neighbour_sum(torch.from_numpy(flat), weights).numpy()
        np.testing.assert_allclose(around, lattice.neighbour_sum(x, weights).reshape(2, -1))
    assert graph.is_bipartite == lattice.is_bipartite


def test_parity_of_a_bipartite_graph():
    star = Graph(6, [(1, 0), (1, 2), (1, 3), (4, 5)])  # in two parts
    parity = star.checkerboard()
    i, j = star.bonds.T
    assert np.all(parity[i] != parity[j])
    assert parity[0] == 0
    assert star.neighbours.shape == (6, 3)
    np.testing.assert_array_equal(star.colouring(), parity)
    x = np.arange(6.0)
    np.testing.assert_array_equal(star.merge(*star.split(x)), x)


def test_an_odd_cycle_has_no_checkerboard():
    assert not TRIANGLE.is_bipartite
    with pytest.raises(InputError, match=r"cycles of even length only.*edge \(1, 2\)"):
        TRIANGLE.checkerboard()
    assert sorted(TRIANGLE.colouring()) == [0, 1, 2]


def test_greedy_colouring_of_random_graphs_is_proper():
    draw = np.random.default_rng(3)
    for _ in range(5):
        ends = draw.integers(0, 30, size=(90, 2))
        graph = Graph(30, ends[ends[:, 0] != ends[:, 1]])
        colour = graph.colouring()
        i, j = graph.bonds.T
        assert np.all(colour[i] != colour[j])
        assert colour.max() <= graph.neighbours.shape[1]


def test_signs_satisfy_every_bond_of_a_gauge_transformed_ferromagnet():
    lattice = Hypercubic((4, 5))
    s = np.random.default_rng(4).choice([-1, 1], lattice.n_sites)
    i, j = lattice.bonds.T
    J = (s[i] * s[j]).astype(float)
    found = spread_signs(lattice.neighbours, np.append(J, 0)[lattice.bond_index])
    assert np.all(J * found[i] * found[j] > 0)
    seeds = np.zeros(lattice.n_sites)
    seeds[7] = s[7]
    found = spread_signs(lattice.neighbours, np.append(J, 0)[lattice.bond_index], seeds)
    np.testing.assert_array_equal(found, s)


def test_a_graph_without_edges():
    graph = Graph(3, [])
    assert graph.n_bonds == 0
    assert graph.neighbours.shape == (3, 0)
    assert graph.bond_sum(np.ones((2, 3))).tolist() == [0, 0]
    assert graph.checkerboard().tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("n_sites", "edges", "message"),
    [
        (0, [], "n_sites must be a positive integer, got 0"),
        (3, [(0, 3)], r"sites in 0..2, got \[0, 3\] as edge 0"),
        (3, [(0, 1), (2, 2)], r"two different sites, got \[2, 2\] as edge 1"),
        (3, [(0, 1, 2)], "pairs of site numbers"),
        (3, [(0.5, 1)], "pairs of site numbers"),
    ],
)
def test_bad_input(n_sites, edges, message):
    with pytest.raises(InputError, match=message):
        Graph(n_sites, edges)


def test_a_graph_is_a_value():
    assert hash(Graph(3, [(0, 1)])) == hash(Graph(3, np.array([[0, 1]])))
    assert repr(TRIANGLE) == "Graph(3, 3 edges)"
