"""Figures of one fit on several processes, and of kernels on other processors.

``python hpc_ranks.py FIT ...`` is what the processes of a fit run; the table is that of hpc.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Figure, Row, machine

ROOT = Path(__file__).parents[2]
STOP_AT = 7  # steps before the fits that are interrupted
BATCH = 4096
MASKED = "+avx2,+fma,+bmi,+bmi2,+popcnt,+sse4.2,+f16c,-avx512f"


# --- the fits, in each of the processes -----------------------------------------------------


def problem(name: str, batch: int, n_epochs: int, shards: int) -> tuple[Any, Any, Any]:
    """Return a model, its objective and settings: "nll" an LSTM on outcomes, "rkl" a flow."""
    import numpy as np

    import physgen as pg
    from physgen import models
    from physgen.training import FitSettings, NegativeLogLikelihood, ReverseKL

    settings = FitSettings(n_epochs=n_epochs, batch_size=batch, shards=shards)
    if name == "nll":
        n = 4 * batch * 20 // 19  # four whole batches beside the twentieth that is held out
        outcomes = np.random.default_rng(1).integers(0, 4, size=(n, 16)).astype(np.uint8)
        model = models.build({"family": "lstm", "L": 16, "K": 4}, rng=5)
        return model, NegativeLogLikelihood(outcomes, rng=3), settings
    target = pg.targets.Phi4.from_unhalved((6, 6), m2=-4.0, lam=6.0)
    flow = models.EquivariantCNF.for_target(target, rng=1)
    return flow, ReverseKL(target, draws_per_epoch=4 * batch, n_validation=256), settings


def work(name: str, batch: str, n_epochs: str, kind: str, path: str) -> None:
    """Do a fit with the other processes, and print its digest and seconds.

    `kind` is whole, stopped (its state goes to `path`) or resumed (from there).
    """
    import pickle

    from physgen.core.errors import InterruptedRunError
    from physgen.training import connect, fit
    from physgen.training.state import digest

    with connect() as ranks:
        model, objective, settings = problem(name, int(batch), int(n_epochs), 2)
        asked = iter(range(10**9))
        how: dict[str, Any] = {"ranks": ranks}
        if kind == "stopped":
            how["should_stop"] = lambda: next(asked) == STOP_AT
            how["on_checkpoint"] = lambda state, _: Path(path).write_bytes(pickle.dumps(state))
        if kind == "resumed":
            how["resume_from"] = pickle.loads(Path(path).read_bytes())
        ranks.all(0)  # all are there
        begun = time.perf_counter()
        with contextlib.suppress(InterruptedRunError):
            fit(model, objective, settings, rng=2, **how)
        print(digest(model), time.perf_counter() - begun)


def run(world: int, *arguments: Any) -> list[tuple[str, float]]:
    """Run a fit on `world` processes; return the digest and the seconds of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    common |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    processes = [
        subprocess.Popen(
            command, env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(world)
    ]  # fmt: skip
    found = []
    for process in processes:
        out, err = process.communicate()
        if process.returncode:
            raise SystemExit(f"a process of the fit ended with {process.returncode}:\n{err}")
        digest, seconds = out.split()
        found.append((digest, float(seconds)))
    return found


# --- the figures ----------------------------------------------------------------------------


def ranks_identical() -> Row:
    """Fits whose weights equal those of one process, of all that two processes touch."""
    same, detail = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("nll", "rkl"):
            whole = run(1, name, 64, 3, "whole", "-")[0][0]
            found = [digest for digest, _ in run(2, name, 64, 3, "whole", "-")]
            for first, then in ((2, 1), (1, 2)):
                path = f"{folder}/{name}{first}"
                run(first, name, 64, 3, "stopped", path)
                found += [digest for digest, _ in run(then, name, 64, 3, "resumed", path)]
            same += [digest == whole for digest in found]
            detail[name] = f"{sum(d == whole for d in found)} of {len(found)} equal to {whole}"
    return Row(sum(same) / len(same), "share", detail=detail)


def ranks_speedup() -> Row:
    """Wall time of a fit on one process over that on two; the median of three, in turn."""
    ratios, detail = {}, {}
    for name, n_epochs in (("nll", 6), ("rkl", 12)):  # more than starting up
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(3):
            for world, taken in seconds.items():
                taken.append(max(t for _, t in run(world, name, BATCH, n_epochs, "whole", "-")))
        one, two = (sorted(taken)[1] for taken in seconds.values())
        ratios[name] = one / two
        detail[name] = f"{one:.1f} s on one process, {two:.1f} s on two"
    detail["cores"], detail["load before"] = os.cpu_count(), f"{os.getloadavg()[0]:.1f}"
    return Row(min(ratios.values()), "ratio", "one process", None, min(ratios.values()), detail)


def with_avx2(figure: str) -> Row:
    """A figure of mcmc.py on this machine; one with AVX-512 leaves that out."""
    code = f"import json, dataclasses, mcmc\nfor f in mcmc.FIGURES:\n    if f.key == {figure!r}:\n"
    code += "        print(json.dumps(dataclasses.asdict(f.compute())))"
    with tempfile.TemporaryDirectory() as cache:
        masked = has_avx512()
        mask = {"NUMBA_CPU_FEATURES": MASKED, "NUMBA_CACHE_DIR": cache} if masked else {}
        if masked:  # a peer that compiles here gets what such a machine has as well
            mask["XLA_FLAGS"] = "--xla_cpu_max_isa=AVX2"
        paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths} | mask,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{figure} failed:\n{done.stderr}")
    row = Row(**json.loads(done.stdout.splitlines()[-1]))
    row.detail["machine"] = f"{machine()}{', AVX-512 masked' * masked}"
    return row


def has_avx512() -> bool:
    """Whether this processor has vectors of 512 bits."""
    from llvmlite import binding

    return bool(binding.get_host_cpu_features().get("avx512f"))


def aarch64_vector_share() -> Row:
    """Hot loops that mostly work on vectors when they are compiled for aarch64."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.aarch64 import CPU, SCALAR, TRIPLE, is_vectorised, measured

    found = measured()
    found.pop(SCALAR)
    detail = {
        name: f"{vector} vector, {scalar} scalar instructions"
        for name, (vector, scalar) in found.items()
    }
    detail["compiled for"] = f"{CPU}, {TRIPLE}; nothing of it is run"
    return Row(sum(map(is_vectorised, found.values())) / len(found), "share", detail=detail)


def _row(figure: str) -> Callable[[], Row]:
    return lambda: with_avx2(figure)


FIGURES = [
    Figure(
        "ranks_identical", "Fits on one and two processes with equal weights, interrupted too", 1,
        ranks_identical, slow=True,
    ),
    Figure(
        "ranks_speedup", "The same on two processes over one, wall time, batch 4096", 1.6,
        ranks_speedup, slow=True,
    ),
    Figure(
        "avx2_ising_ratio", "Ising Metropolis, L=16-64, aggregate, without AVX-512", 60,
        _row("ising_ratio"), slow=True,
    ),
    Figure(
        "avx2_hmc_ratio", "HMC trajectories against blackjax, float32, without AVX-512", 15,
        _row("hmc_blackjax_ratio"), slow=True,
    ),
    Figure(
        "aarch64_vector_share", "Hot loops whose aarch64 code is vectorised", 1.0,
        aarch64_vector_share,
    ),
]  # fmt: skip

if __name__ == "__main__":
    work(*sys.argv[1:])
