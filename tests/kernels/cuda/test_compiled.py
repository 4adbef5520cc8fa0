"""The CUDA kernels with the types that numba gives them, compiled for the CPU.

The simulator computes with NumPy scalars, whose types promote in another way than numba's.  With
one thread for the sites, the threads of a block are independent: their sources, with the names of
a thread as arguments and barriers left out, run one thread after the other.
"""

import importlib.util
import re
import sys
from types import ModuleType, SimpleNamespace

import numba
import numpy as np
import pytest
from helpers import keyed_clusters as keyed

from physgen.core.random import Stream
from physgen.kernels.cpu.normals import padded_sites
from physgen.kernels.cpu.philox import split_key
from physgen.kernels.cuda.schedule import schedule
from physgen.lattice import Hypercubic
from physgen.samplers.cuda_clusters import bonds_of_fields, bonds_of_spins
from physgen.samplers.fields.phi4 import SiteMoves
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.overrelaxation import Overrelaxation
from physgen.targets import Ising, Phi4

pytestmark = pytest.mark.slow

PACKAGE = "physgen.kernels.cuda."
MODULES = (
    "philox", "counting", "ising_logic", "ising_events", "ising_sweeps", "ising_numbers",
    "normals", "phi4_sites", "ising_scalar", "phi4_hmc", "phi4_local", "phi4_resident",
    "phi4_spread", "cluster_forest", "cluster_bonds", "cluster_sweeps",
)  # fmt: skip
CHANGES = [
    (re.escape(PACKAGE), "serial_"),
    (r"product: Any = .*", "product = cuda.jit(device=True)(_product)"),
    (r"cuda\.syncthreads\(\)", "pass"),
    (r"cuda\.threadIdx\.x", "X"),
    (r"cuda\.blockDim\.x", "W"),
    (r"cuda\.blockIdx\.x", "B"),
    (r"cuda\.(threadIdx|blockIdx)\.y", "np.int32(0)"),
    (r"cuda\.gridDim\.x", "np.int32(1)"),
    (r"cuda\.blockDim\.y", "np.int32(1)"),
    (r"cuda\.(local|shared)\.array\((\w+), _U64\)", r"np.empty(\2, np.uint64)"),
    (r"cuda\.(local|shared)\.array\((\w+), _D\)", r"np.empty(\2, np.float64)"),
    (r"cuda\.(local|shared)\.array\((\w+), np\.(u?int32)\)", r"np.empty(\2, np.\3)"),
    (r"cuda\.atomic\.", "atomic_"),
    (r"cuda\.(local|shared)\.array\((\w+), real\)", r"np.empty(\2, real)"),
    (r"(@cuda\.jit\n\s*def \w+\()", r"\1X, B, W, "),
]


def jit(function=None, device=False):
    compiled = numba.njit(error_model="numpy")
    return compiled if function is None else compiled(function)


@jit
def atomic_min(array, index, value):
    old = array[index]
    array[index] = min(old, value)
    return old


@jit
def atomic_add(array, index, value):
    array[index] += value


@pytest.fixture(scope="module")
def kernels():
    stub = ModuleType("serial__numba")
    stub.__dict__.update(cuda=SimpleNamespace(jit=jit), SIMULATED=True)
    sys.modules[stub.__name__] = stub
    found = {}
    for name in MODULES:
        module = sys.modules[f"serial_{name}"] = ModuleType(f"serial_{name}")
        path = importlib.util.find_spec(PACKAGE + name).origin
        with open(path) as file:
            source = file.read()
        for pattern, replacement in CHANGES:
            source = re.sub(pattern, replacement, source)
        module.__dict__.update(atomic_min=atomic_min, atomic_add=atomic_add)
        exec(compile(source, f"serial {name}", "exec"), module.__dict__)
        found[name] = module
    yield SimpleNamespace(**found)
    for name in ("_numba", *MODULES):
        del sys.modules[f"serial_{name}"]


def launch(kernel, n_blocks, width, *arguments):
    for block in range(n_blocks):
        for lane in range(width):
            kernel(np.int32(lane), np.int32(block), np.int32(width), *arguments)


def key(rng):
    return [np.uint32(k) for k in split_key(rng.philox_key()[0])]


STRIP = Hypercubic((4, 3), ("periodic", "open"))
SIGNS = np.random.default_rng(1).choice([-1.0, 1.0], len(STRIP.bonds))


@pytest.mark.parametrize(
    ("sampler", "target"),
    [
        (HeatBath(), Ising(L=(9, 8), beta=0.44)),
        (HeatBath(), Ising(lattice=STRIP, beta=0.5, J=SIGNS, h=0.3)),
        (Metropolis(), Ising(L=3, beta=0.5, h=2.0)),
        (Metropolis(), Ising(L=16, beta=0.44)),
    ],
)
def test_spins(kernels, sampler, target):
    chains, n = sampler.bind(target), 20
    state = chains.init(Stream(1), 600)
    expected, info = chains.step(Stream(2), state, n)
    model, (n_blocks, n_sites) = chains.model, state.x.shape[:2]
    rows = (model.rows // 8).astype(np.uint32)
    plan, codes = schedule(rows), kernels.ising_logic.class_codes(model.tables.masks)
    n_planes = max(3, (n * n_sites).bit_length())
    x = np.ascontiguousarray(state.x).reshape(n_blocks, -1).copy()
    events = np.empty((n_blocks, plan.n_periods * n_sites * codes.shape[1] * 8), np.uint64)
    planes = np.empty((n_blocks, n_planes * 8), np.uint64)
    kinds, (_, kept, poisson) = model.kinds.astype(np.uint32), model.tables
    launch(
        kernels.ising_sweeps.sweeps(*model.variant, chains.rule), n_blocks, 8,
        x, rows, model.signs, kinds, codes, kept, poisson, *plan, plan.n_periods, events, planes,
        *key(Stream(2)), n,
    )  # fmt: skip
    np.testing.assert_array_equal(x.reshape(state.x.shape), expected.x)
    if chains.rule:
        rates = np.empty(600)
        launch(
            kernels.ising_numbers.rates, n_blocks, 1, planes, n_planes, float(n * n_sites), rates
        )
        np.testing.assert_array_equal(rates, info.accepted)


@pytest.mark.parametrize("sampler", [HeatBath(layout="int8"), Metropolis(layout="int8")])
def test_int8_spins(kernels, sampler):
    rng = np.random.default_rng(5)
    J, fields = rng.normal(size=len(STRIP.bonds)), rng.normal(size=12)
    chains, n = sampler.bind(Ising(lattice=STRIP, beta=0.5, J=J, h=fields)), 20
    state = chains.init(Stream(1), 100)
    expected, info = chains.step(Stream(2), state, n)
    neighbours, K, H = chains.target.kernel[1]
    plan = schedule(np.where(neighbours >= 0, neighbours, 12))
    rows = np.maximum(neighbours, 0).astype(np.uint32)
    x, rates, out = state.x.reshape(2, -1).copy(), np.empty(100), np.empty((2, 100))
    launch(
        kernels.ising_scalar.sweeps(chains.rule), 2, 64,
        x, rows, np.where(neighbours >= 0, K, 0.0), H, *plan, plan.n_periods, *key(Stream(2)), n,
        rates,
    )  # fmt: skip
    np.testing.assert_array_equal(x.reshape(state.x.shape), expected.x)
    if chains.rule:
        np.testing.assert_array_equal(rates, info.accepted)
    ends = np.asarray(STRIP.bonds).T.astype(np.uint32)
    launch(kernels.ising_scalar.numbers, 2, 64, x, *ends, J, fields, out)
    for values, name in zip(out, ("energy", "magnetization"), strict=True):
        np.testing.assert_allclose(values, chains.measure(expected)[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float64", 5e-14)])
def test_fields(kernels, dtype, atol):
    target, real = Phi4.from_halved(L=(4, 6), m2=-1.0, lam=0.5), np.dtype(dtype).type
    chains = HMC(n_leapfrog=5, step_size=0.15, jitter=0.0, dtype=dtype).bind(target)
    state = chains.init(Stream(1), 40)
    n_blocks, n_sites, width = state.x.shape
    neighbours, couplings = target.kernel[1]
    table, degrees = neighbours.astype(np.uint32), np.full(n_sites, 4, np.uint32)
    lattice = (table, degrees, *(real(c) for c in (*couplings[:3], 0.0)))
    constant = float(couplings[3]) * n_sites
    work = np.empty((3, n_blocks, padded_sites(n_sites, dtype) * width), dtype)

    expected, info = chains.step(Stream(2), state, 4)
    steps, resident = np.full(4, 0.15, dtype), kernels.phi4_resident
    variants = {  # fields in memory, and in shared memory for 8 chains at a time
        width: (kernels.phi4_hmc.trajectories(dtype), [work]),
        8: (resident.trajectories(dtype, n_sites, 8), []),
    }
    for w, (kernel, scratch) in variants.items():
        x, action = state.x.reshape(n_blocks, -1).copy(), state.aux["action"].copy()
        stats = np.zeros((n_blocks, 4, width))
        launch(
            kernel, n_blocks * (width // w), w,
            x, action, *lattice, constant, *scratch, *key(Stream(2)), steps, 5, stats,
        )  # fmt: skip
        np.testing.assert_allclose(x.reshape(state.x.shape), expected.x, rtol=0, atol=atol)
        np.testing.assert_allclose(action, expected.aux["action"], rtol=0, atol=atol)
        np.testing.assert_array_equal(stats[:, 0].ravel()[:40] / 4, info.accepted)

    # A curvature of 4 keeps roundings as small as they are: neighbours enter with weight 1 / 4.
    local = Overrelaxation(n_reflections=3, width=1.0, dtype=dtype).bind(target)
    plan, x = schedule(table), state.x.reshape(n_blocks, -1).copy()
    order, shares = np.arange(n_sites), [np.empty(40), np.empty(40)]
    launch(
        kernels.phi4_local.sweeps(dtype), n_blocks, width,
        x, table, degrees, *plan, plan.n_periods, *lattice[2:], real(1.0), real(1 / 4), 3,
        *key(Stream(2)), 2, *shares,
    )  # fmt: skip
    expected, *rates = local.fields.swept(Stream(2), state, order, SiteMoves(1.0, 4.0, 3), 2)
    np.testing.assert_allclose(x.reshape(state.x.shape), expected.x, rtol=0, atol=atol)
    np.testing.assert_array_equal(shares, rates)

    h, expected = real(0.2), chains.fields.langevin(Stream(3), state, 0.02, 3)
    steps = (*key(Stream(3)), h, h * real(0.5), 3)
    x = state.x.reshape(n_blocks, -1).copy()
    launch(kernels.phi4_hmc.langevin(dtype), n_blocks, width, x, *lattice, work, *steps)
    np.testing.assert_allclose(x.reshape(state.x.shape), expected.x, rtol=0, atol=atol)
    x = state.x.reshape(n_blocks, -1).copy()
    langevin = resident.langevin(dtype, n_sites, 8)
    launch(langevin, n_blocks * (width // 8), 8, x, width, *lattice, *steps)
    np.testing.assert_allclose(x.reshape(state.x.shape), expected.x, rtol=0, atol=atol)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 1e-5), ("float64", 5e-14)])
def test_a_large_lattice(kernels, dtype, atol):
    """A trajectory, launch by launch, with one thread."""
    target, real = Phi4.from_halved(L=(4, 6), m2=-1.0, lam=0.5), np.dtype(dtype).type
    chains = HMC(n_leapfrog=2, step_size=0.15, jitter=0.0, dtype=dtype).bind(target)
    state = chains.init(Stream(1), 1)
    expected, info = chains.step(Stream(2), state, 1)
    neighbours, couplings = target.kernel[1]
    table, degrees = neighbours.astype(np.uint32), np.full(24, 4, np.uint32)
    numbers = (table, degrees, *(real(c) for c in (*couplings[:3], 0.0)))
    x, action = state.x[:, :, 0].copy(), state.aux["action"][:, :1].copy()
    one, two, pi = (np.empty((1, n), dtype) for n in (24, 24, padded_sites(24, dtype)))
    (first, last), stats = np.empty((2, 2, 1, 1)), np.zeros((1, 4, 1))
    taken = np.empty(1, np.int32)
    of, eps, step = kernels.phi4_spread, real(0.15), np.uint32(0)
    constant = float(couplings[3]) * 24
    for kernel, arguments in (
        (of.momenta(dtype), (pi, *key(Stream(2)), step)),
        (of.sums, (pi, 24, first)),
        (of.leap, (x, pi, one, *numbers, eps * real(0.5), eps)),
        (of.leap, (one, pi, two, *numbers, eps, eps)),
        (of.energies, (two, pi, *numbers, eps * real(0.5), last)),
        (of.settle, (first, last, constant, *key(Stream(2)), step, action, stats, taken)),
        (of.take, (two, taken, x)),
    ):  # fmt: skip
        launch(kernel, 1, 1, *arguments)
    np.testing.assert_allclose(x[0], expected.x[0, :, 0], rtol=0, atol=atol)
    np.testing.assert_allclose(action[0, 0], expected.aux["action"][0, 0], rtol=0, atol=atol)
    assert stats[0, 0, 0] == taken[0] == info.accepted[0] == 1
    launch(of.sums, 1, 1, x, 24, last)
    np.testing.assert_allclose(last[:, 0, 0], [x.sum(), (x**2).sum()], rtol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_clusters(kernels, shared):
    target, rng = Ising(L=(13, 11), beta=0.44, h=0.01), Stream(2)
    x = target.hot(1, 5).reshape(5, -1)
    expected = keyed.swept(x, keyed.bonds_of(*target.kernel[1]), rng.philox_key()[0], 3)
    of, occupied = kernels.cluster_sweeps, kernels.cluster_bonds
    scratch, out = np.empty((5, of.scratch_words(143)), np.uint32), np.empty((2, 5))
    launch(
        of.sweeps(occupied.between_spins, 143, 1, shared), 5, 1,
        x, np.int8(1), *bonds_of_spins(*target.kernel[1]), scratch, *key(rng), 3, out,
    )  # fmt: skip
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(out, expected[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clusters_of_signs(kernels, dtype):
    target, rng = Phi4.from_halved(L=(4, 6), m2=-1.0, lam=0.5), Stream(2)
    neighbours, (hop, *_) = target.kernel[1]
    x = Stream(1).numpy().normal(size=(2, 24, 16)).astype(dtype)
    bonds = keyed.bonds_of(neighbours, np.full(neighbours.shape, float(hop)), 0.0)
    expected = keyed.swept(
        x.swapaxes(1, 2).reshape(32, 24), bonds, rng.philox_key()[0],
        occupied=keyed.between_fields,
    )  # fmt: skip
    fields, out = x.reshape(2, -1).copy(), np.empty((2, 32))
    scratch = np.empty((8, 4 * kernels.cluster_sweeps.scratch_words(24)), np.uint32)
    launch(
        kernels.cluster_sweeps.sweeps(kernels.cluster_bonds.between_fields, 24, 4, False), 8, 4,
        fields, np.dtype(dtype).type(1), *bonds_of_fields(neighbours, float(hop)), scratch,
        *key(rng), 1, out,
    )  # fmt: skip
    found = fields.reshape(x.shape).swapaxes(1, 2).reshape(32, 24)
    np.testing.assert_array_equal(found, expected[0])
    np.testing.assert_array_equal(out, expected[1])


def test_counts(kernels):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2**63, (2, 8 * 10), dtype=np.uint64)
    ends = rng.integers(0, 11, (2, 35)).astype(np.uint32)  # 10 stands for a word of zeros
    signs = rng.choice(np.array([0, 2**64 - 1], np.uint64), 35)
    starts, offsets = np.array([0, 21, 28, 35], np.uint32), np.array([0, 22, 30], np.uint32)
    values, planes = rng.normal(size=38), np.empty((2, 5 * 8), np.uint64)
    out = np.empty((2, 700))
    launch(
        kernels.ising_numbers.energies, 2, 8, x, *ends, signs, starts, values, offsets, planes, out
    )
    rows = np.concatenate([x.reshape(2, 10, 8), np.zeros((2, 1, 8), np.uint64)], axis=1)
    words = rows[:, ends[0]] ^ rows[:, ends[1]] ^ signs[:, None]
    bits = (words[..., None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)).reshape(2, 35, 512)
    counts = [bits[:, a:b].sum(axis=1).ravel()[:700] for a, b in ((0, 21), (21, 28), (28, 35))]
    bonds, spins, field = (values[o + c] for o, c in zip(offsets, counts, strict=True))
    np.testing.assert_array_equal(out, [bonds + field, spins])
