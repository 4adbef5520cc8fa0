"""A build check: every kernel compiles for a real device, without one."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.marks import slow
from numba import cuda, float32, float64, int8, int32, int64, uint8, uint32, uint64
from numba.cuda.cudadrv import nvvm

from physgen.kernels.cuda import (
    cluster_sweeps,
    ising_lattice,
    ising_numbers,
    ising_scalar,
    phi4_hmc,
    phi4_local,
    phi4_resident,
    phi4_spread,
)
from physgen.kernels.cuda.cluster_bonds import between_fields, between_spins
from physgen.kernels.cuda.ising_sweeps import sweeps

CC = (9, 0)  # H100, H200
PTXAS = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"


def available():
    try:
        return nvvm.is_available() and nvvm.NVVM() is not None
    except Exception:  # whatever a half-installed toolkit raises
        return False


pytestmark = pytest.mark.skipif(
    not available(), reason="compiling to PTX needs libnvvm: a CUDA toolkit, or numba-cuda[cu13]"
)

WORDS, COUNTERS = uint64[:, ::1], uint32[::1]
ISING = (
    WORDS, uint32[:, ::1], WORDS, COUNTERS, WORDS, WORDS, uint64[::1], COUNTERS, COUNTERS,
    COUNTERS, int64, WORDS, WORDS, uint32, uint32, int64,
)  # fmt: skip

NUMBERS = (
    WORDS, COUNTERS, COUNTERS, uint64[::1], COUNTERS, float64[::1], COUNTERS, WORDS,
    float64[:, ::1],
)  # fmt: skip
COLOUR = (
    WORDS, COUNTERS, uint32[:, ::1], uint8[:, ::1], WORDS, uint32, uint32, uint32, uint32, uint32,
    WORDS, int64[:, ::1],
)  # fmt: skip
INT8 = (
    int8[:, ::1], uint32[:, ::1], float64[:, ::1], float64[::1], COUNTERS, COUNTERS, COUNTERS,
    int64, uint32, uint32, int64, float64[::1],
)  # fmt: skip


def clusters(of, strength):
    tables = (COUNTERS, COUNTERS, COUNTERS, strength[::1], int8[::1])
    return (of[:, ::1], of, *tables, uint32[:, ::1], uint32, uint32, int64, float64[:, ::1])


def fields(real):
    return (real[:, ::1], uint32[:, ::1], COUNTERS, real, real, real, real)


def hmc(real):
    x, *rest = fields(real)
    key, work, stats = (uint32, uint32), real[:, :, ::1], float64[:, :, ::1]
    return (x, float64[:, ::1], *rest, float64, work, *key, real[::1], int64, stats)


def resident_hmc(real):
    arguments = hmc(real)
    return (*arguments[:9], *arguments[10:])


def resident_ula(real):
    x, *rest = fields(real)
    return (x, int64, *rest, uint32, uint32, real, real, int64)


def ula(real):
    return (*fields(real), real[:, :, ::1], uint32, uint32, real, real, int64)


def local(real):
    x, table, degrees, *couplings = fields(real)
    key, shares = (uint32, uint32), (float64[::1], float64[::1])
    plan = (COUNTERS, COUNTERS, COUNTERS, int64)
    return (x, table, degrees, *plan, *couplings, real, real, int64, *key, int64, *shares)


KERNELS = {
    "heat bath": (lambda: sweeps(-4, 1, 0), ISING),
    "Metropolis, signs, fields": (lambda: sweeps(4, 0, 1), ISING),
    "HMC": (lambda: phi4_hmc.trajectories("float32"), hmc(float32)),
    "ULA": (lambda: phi4_hmc.langevin("float32"), ula(float32)),
    "HMC in shared memory": (
        lambda: phi4_resident.trajectories("float32", 256, 16),
        resident_hmc(float32),
    ),
    "ULA in shared memory": (
        lambda: phi4_resident.langevin("float32", 256, 16),
        resident_ula(float32),
    ),
    "ULA, float64": (lambda: phi4_hmc.langevin("float64"), ula(float64)),
    "local sweeps": (lambda: phi4_local.sweeps("float32"), local(float32)),
    "local sweeps, float64": (lambda: phi4_local.sweeps("float64"), local(float64)),
    "actions": (lambda: phi4_hmc.actions, (*fields(float32), float64, float64[:, ::1])),
    "sums": (lambda: phi4_hmc.sums, (float32[:, ::1], int64, float64[:, :, ::1])),
    "energies": (lambda: ising_numbers.energies, NUMBERS),
    "rare events of a lattice": (
        lambda: ising_lattice.rare_events,
        (COUNTERS, WORDS, uint64[::1], uint32, uint32, uint32, WORDS),
    ),
    "a colour of a lattice": (lambda: ising_lattice.colour(-4, 1, 1), COLOUR),
    "counts of a lattice": (
        lambda: ising_lattice.counts,
        (WORDS, COUNTERS, uint32[:, ::1], uint8[:, ::1], int64[:, :, ::1]),
    ),
    "int8 heat bath": (lambda: ising_scalar.sweeps(0), INT8),
    "int8 numbers": (
        lambda: ising_scalar.numbers,
        (int8[:, ::1], COUNTERS, COUNTERS, float64[::1], float64[::1], float64[:, ::1]),
    ),
    "clusters": (
        lambda: cluster_sweeps.sweeps(between_spins, 1024, 1, True),
        clusters(int8, uint64),
    ),
    "clusters, labels in memory": (
        lambda: cluster_sweeps.sweeps(between_spins, 16384, 1, False),
        clusters(int8, uint64),
    ),
    "clusters of signs": (
        lambda: cluster_sweeps.sweeps(between_fields, 256, 16, True),
        clusters(float32, float32),
    ),
    "clusters of signs, float64": (
        lambda: cluster_sweeps.sweeps(between_fields, 1024, 8, True),
        clusters(float64, float32),
    ),
    "momenta of a large lattice": (
        lambda: phi4_spread.momenta("float32"),
        (float32[:, ::1], uint32, uint32, uint32),
    ),
    "kicks of a large lattice": (
        lambda: phi4_spread.leap,
        (*[float32[:, ::1]] * 3, *fields(float32)[1:], float32, float32),
    ),
    "kicks of a large lattice, float64": (
        lambda: phi4_spread.leap,
        (*[float64[:, ::1]] * 3, *fields(float64)[1:], float64, float64),
    ),
    "sums of a large lattice": (
        lambda: phi4_spread.sums,
        (float32[:, ::1], int64, float64[:, :, ::1]),
    ),
    "energies of a large lattice": (
        lambda: phi4_spread.energies,
        (*[float32[:, ::1]] * 2, *fields(float32)[1:], float32, float64[:, :, ::1]),
    ),
    "a decision on a large lattice": (
        lambda: phi4_spread.settle,
        (
            float64[:, :, ::1],
            float64[:, :, ::1],
            float64,
            uint32,
            uint32,
            uint32,
            float64[:, ::1],
            float64[:, :, ::1],
            int32[::1],
        ),
    ),
    "a large lattice is taken": (
        lambda: phi4_spread.take,
        (float32[:, ::1], int32[::1], float32[:, ::1]),
    ),
    "rates": (lambda: ising_numbers.rates, (WORDS, int64, float64, float64[::1])),
}


SLOW = ("HMC", "HMC in shared memory", "ULA, float64", "local sweeps, float64")


@pytest.mark.parametrize("name", [slow(k) if k in SLOW else k for k in KERNELS])
def test_kernel_compiles(name, monkeypatch, tmp_path):
    kernel, signature = KERNELS[name]
    # Functions that a kernel calls are compiled for the current device: pretend that it is there.
    device = SimpleNamespace(compute_capability=CC)
    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)
    ptx, _ = cuda.compile_ptx(kernel().py_func, signature, cc=CC)
    assert not re.search(r"\bcall", ptx)  # everything is inlined
    if name in ("ULA", "ULA in shared memory", "kicks of a large lattice"):
        assert ".f64" not in ptx  # no constant has turned float32 into float64
    if name.startswith("clusters"):  # labels are where they should be
        assert ("atom.shared" in ptx) == ("memory" not in name)
    if signature is ISING:
        # Four calls of Philox for a spin and two for the rare events: 20 products each.
        assert len(re.findall(r"inline asm\n\s*mul.wide.u32", ptx)) == 6 * 20
    if Path(PTXAS).exists():
        source = tmp_path / "kernel.ptx"
        source.write_text(ptx)
        command = [PTXAS, "-arch=sm_90", "-v", str(source), "-o", str(tmp_path / "kernel")]
        done = subprocess.run(command, capture_output=True, text=True)
        if "Unsupported .version" in done.stderr:
            pytest.skip("it compiles; ptxas is older than the compiler, so nothing on registers")
        assert done.returncode == 0, done.stderr
        assert "0 bytes spill stores, 0 bytes spill loads" in done.stderr
        assert int(re.search(r"Used (\d+) registers", done.stderr)[1]) <= 128
