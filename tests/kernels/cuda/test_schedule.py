import numpy as np
import pytest

from physgen.kernels.cuda.schedule import schedule
from physgen.lattice import Graph, Hypercubic


def random_graph(n, n_edges, seed):
    rng = np.random.default_rng(seed)
    pairs = {tuple(sorted(p)) for p in rng.integers(0, n, (n_edges, 2)).tolist() if p[0] != p[1]}
    return Graph(n, sorted(pairs))


LATTICES = {
    "torus": Hypercubic((6, 6)),
    "odd torus": Hypercubic((5, 7)),
    "double bonds": Hypercubic((2, 4)),
    "open": Hypercubic((5, 4), "open"),
    "cube": Hypercubic((3, 4, 4)),
    "ring": Hypercubic((9,)),
    "graph": random_graph(30, 60, 1),
    "no bonds": Graph(3, []),
}


def moments(lattice):
    """Time of (site, sweep) for three sweeps."""
    n = lattice.n_sites
    table = np.where(lattice.neighbours < 0, n, lattice.neighbours)
    plan = schedule(table)
    period = len(plan.starts) - 1
    times = np.empty((n, 3), dtype=int)
    for colour in range(period):
        for j in range(plan.starts[colour], plan.starts[colour + 1]):
            late = plan.late[j] + np.arange(3)
            times[plan.order[j]] = colour + period * late
    return plan, times


def in_sequential_order(lattice, times):
    for i, row in enumerate(lattice.neighbours):
        for j in row[row > i]:
            # i, then j, then i of the next sweep: never at once.
            if not (np.all(times[i] < times[j]) and np.all(times[j, :-1] < times[i, 1:])):
                return False
    return True


@pytest.mark.parametrize("name", LATTICES)
def test_neighbours_keep_the_order_of_a_sequential_sweep(name):
    plan, times = moments(LATTICES[name])
    assert sorted(plan.order) == list(range(LATTICES[name].n_sites))
    assert plan.n_periods <= 2
    assert in_sequential_order(LATTICES[name], times)


def test_a_period_too_short_is_noticed():
    lattice = LATTICES["torus"]
    _, times = moments(lattice)
    assert not in_sequential_order(lattice, times - np.arange(3))  # saboteur: P - 1


def test_a_torus_updates_l_sites_at_once():
    plan, _ = moments(LATTICES["torus"])
    assert set(np.diff(plan.starts.astype(int))) == {6}
