"""How the processes of one fit meet.

``torchrun --nproc-per-node 2 script.py`` starts two processes that know their number
(``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``); so does ``srun`` where the job sets ``MASTER_ADDR`` and
``MASTER_PORT``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from physgen.core.errors import InputError, PhysgenError
from physgen.training.ranks import ALONE, Ranks

__all__ = ["connect", "placed"]

CONNECTING = timedelta(minutes=5)
ANSWERING = timedelta(minutes=30)  # longer than any validation or checkpoint of process 0


def placed(environment: Mapping[str, str] = os.environ) -> tuple[int, int, int]:
    """Return number, count, and number on this node, of the processes that were started together.

    (0, 1, 0) of a process on its own.  Tasks of ``srun`` belong together where MASTER_ADDR is set:
    without it they may be shares of a scan.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    elif "MASTER_ADDR" in environment and "SLURM_STEP_ID" in environment:
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
    else:
        return 0, 1, 0
    try:
        rank, world, local = (int(environment.get(name, "0")) for name in names)
    except ValueError as error:
        raise InputError(f"{', '.join(names)} must be integers, got {error}") from None
    if not 0 <= rank < max(world, 1):
        raise InputError(
            f"{names[0]} must be below {names[1]}, got {rank} of {world}; start the processes "
            "with torchrun or srun"
        )
    return rank, max(world, 1), local


def connect() -> Ranks:
    """Meet the other processes that were started with this one.

    gloo carries the messages of processors and nccl those of GPUs.

    Raises
    ------
    InputError
        If several processes were started that cannot find each other.
    PhysgenError
        If they do not meet in time.
    """
    rank, world, local = placed()
    if world == 1:
        return ALONE
    for theirs, slurm in (("RANK", "PROCID"), ("WORLD_SIZE", "STEP_NUM_TASKS")):
        os.environ.setdefault(theirs, os.environ.get(f"SLURM_{slurm}", ""))
    if missing := [n for n in ("MASTER_ADDR", "MASTER_PORT") if n not in os.environ]:
        raise InputError(
            f"{world} processes need {' and '.join(missing)} to find each other, and it is not "
            "set; start them with torchrun, or set both in the job"
        )
    try:
        notes, _, _ = next(iter(rendezvous("env://", timeout=CONNECTING)))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=notes,
            rank=rank,
            world_size=world,
            timeout=ANSWERING,
        )
    except (RuntimeError, ValueError) as error:
        raise PhysgenError(
            f"process {rank} of {world} did not meet the others within {CONNECTING}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return Ranks(rank, world, local, notes)
