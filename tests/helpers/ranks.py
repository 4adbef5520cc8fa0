"""Several processes at one fit, started as srun would, each in an interpreter of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

import physgen as pg
from physgen import models
from physgen.training import FitSettings, NegativeLogLikelihood, ReverseKL

ROOT = Path(__file__).parents[2]
SECONDS = 400  # after which the processes hang: starting one takes a minute on a busy machine


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    status: int
    out: str
    err: str


def begun(command, world, each=None):
    """Start `world` processes; `each(rank)` gives arguments of one of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": paths}
    common |= {"WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, *command, *(each(rank) if each else ())],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def ended(processes, seconds=SECONDS):
    """Wait for all, and kill what is left after `seconds`: a hang fails the test."""
    try:
        told = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [Ended(p.returncode, *texts) for p, texts in zip(processes, told, strict=True)]


def problems(shards=2):
    """Name a density of outcomes and a flow of fields: model, objective and settings."""
    outcomes = np.random.default_rng(1).integers(0, 4, size=(320, 6)).astype(np.uint8)
    lstm = models.build({"family": "lstm", "L": 6, "K": 4, "hidden": 8}, rng=5)
    target = pg.targets.Phi4.from_unhalved((4, 4), m2=-4.0, lam=6.0)
    flow = models.EquivariantCNF.for_target(target, features=3, frequencies=3, times=2, rng=1)
    return {
        "nll": (
            lstm,
            NegativeLogLikelihood(outcomes, rng=3),
            FitSettings(n_epochs=2, batch_size=38, shards=shards),
        ),
        "rkl": (
            flow,
            ReverseKL(target, draws_per_epoch=128, n_validation=32),
            FitSettings(n_epochs=2, batch_size=32, shards=shards),
        ),
    }
