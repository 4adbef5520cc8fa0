r"""The gradient of one batch in shards: the same bits on any number of processes.

A batch of n items is cut into S shards.  Shard k holds every S-th item from the k-th on, and draws
its random numbers from ``rng.child("shard", k)``; S belongs to the config, so a shard is the same
wherever it is worked on.  Loss and gradient are

.. math:: \ell = \sum_{k=0}^{S-1} \frac{n_k}{n} \ell_k, \qquad
          g = \sum_{k=0}^{S-1} \frac{n_k}{n} g_k ,

added in float64 in the order of the shards.  An objective that compares the items of a batch with
each other (the baseline of REINFORCE, a variance) compares those of a shard.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Objective

if TYPE_CHECKING:
    from physgen.core.random import Stream
    from physgen.training.ranks import Ranks

__all__ = ["Step", "check_shards", "sharded_step"]

LEAST = 2  # items of a shard: an estimate that compares items needs another one


class Step(NamedTuple):
    """Loss of one batch, and the metrics beside it."""

    value: float
    metrics: dict[str, float]


def check_shards(shards: int, world: int, batch_size: int, objective: Objective) -> None:
    """Raise InputError where a process would have no shard, or a shard too few items."""
    if world > shards:
        raise InputError(
            f"shards must be at least the number of processes, {world}, got {shards}; set "
            f"[train] shards = {world} or more (it belongs to the result), or start fewer"
        )
    if shards == 1:
        return
    n, item = objective.n_train, objective.item
    sizes = {min(batch_size, n), n % batch_size or batch_size}
    if min(sizes) < LEAST * shards:
        raise InputError(
            f"every shard must have at least {LEAST} {item} of a batch, got {shards} shards of "
            f"batches of {' and '.join(map(str, sorted(sizes)))} ({n} {item}, batch_size = "
            f"{batch_size}); set fewer shards or another batch_size"
        )


def sharded_step(
    model: Any, objective: Any, index: np.ndarray, rng: Stream, shards: int, ranks: Ranks
) -> Step:
    """Set the gradient of a model to the one of the whole batch, and return the loss.

    Parameters
    ----------
    model, objective
        As of :func:`~physgen.training.fit`.
    index : ndarray of int64
        Positions of the items of the batch.
    rng : Stream
        Of this step.
    shards : int
        Number of shards, S.
    ranks : Ranks
        The processes that share the work.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    rows: dict[int, torch.Tensor] = {}
    names: list[str] = []
    for k in ranks.shards(shards):
        mine = index[k::shards]
        for p in weights:
            p.grad = None
        loss = objective.loss(model, mine, rng.child("shard", k), {})
        value = float(loss.value.detach())
        if math.isfinite(value):  # else all processes see that it is not, and end
            loss.value.backward()
        names = sorted(loss.metrics)
        numbers = [value, *(float(loss.metrics[name]) for name in names)]
        rows[k] = _row(weights, numbers) * (len(mine) / len(index))
    total = ranks.total(rows, shards)
    _take(weights, total)
    value, *metrics = total[len(total) - 1 - len(names) :].tolist()
    return Step(value, dict(zip(names, metrics, strict=True)))


def _row(weights: list[Any], numbers: list[float]) -> torch.Tensor:
    """Return gradients, whether there are any, and numbers as one vector of float64."""
    device = weights[0].device
    none = [torch.zeros_like(p) if p.grad is None else p.grad for p in weights]
    parts = [grad.detach().flatten().double() for grad in none]
    there = torch.tensor([float(p.grad is not None) for p in weights], dtype=torch.float64)
    told = torch.tensor(numbers, dtype=torch.float64)
    return torch.cat([*parts, there.to(device), told.to(device)])


def _take(weights: list[Any], total: torch.Tensor) -> None:
    """Hand a summed vector back to the weights; a weight that no shard uses has no gradient."""
    size = sum(p.numel() for p in weights)
    used = total[size : size + len(weights)].tolist()
    at = 0
    for p, share in zip(weights, used, strict=True):
        part = total[at : at + p.numel()].view_as(p)
        p.grad = part.to(p.dtype) if share else None
        at += p.numel()
