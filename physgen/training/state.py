"""The complete state of training as one Dataset: exactly what a resume needs.

Batches and schedules are functions of the step (streams are stateless), so the state is the
weights, their average, the best average so far, Adam's two moments, what the objective carries
from step to step (persistent chains, a critic), and a few counters.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
import torch._dynamo  # torch.optim loads it at first use; a signal can end an import, not a fit
import xarray as xr

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Objective
from physgen.models.io import dataset_to_tensors, tensors_to_dataset
from physgen.training.problem import device_of
from physgen.training.result import held_out_name
from physgen.training.settings import FitSettings

__all__ = ["FitState", "copied", "digest"]


def copied(carry: Carry) -> dict[str, torch.Tensor]:
    """Return a carry with memory of its own and without gradients."""
    return {name: tensor.detach().clone() for name, tensor in carry.items()}


def digest(model: torch.nn.Module) -> str:
    """Return a hash of the bits of all weights."""
    found = hashlib.blake2b(digest_size=8)
    for tensor in model.state_dict().values():
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


class FitState:
    """Mutable state of one fit.

    Attributes
    ----------
    model, average : modules
        Trained weights, and their exponential moving average.
    optimizer : torch.optim.Adam
    best : dict of str to tensor
        Averaged weights, the result if nothing better follows.
    carry, best_carry : dict of str to tensor
        What the objective gets next, and got after the step of `best`: chains match the weights
        that they ran under, so a divergence falls back on both.  On the model's device.
    step, n_steps, best_step : int
        Optimiser steps done and planned, and the step of `best`.
    plan : list of [step, n_steps]
        When a time budget changed the number of planned steps, the first number included.
    cpu_seconds, last_seconds : float
        CPU time of the fit, and of one validation; 0 if it was not timed.
    lowest : array
        Loss of each held-out item at the validation with the lowest mean.
    stale : int
        Validations since then.
    loss_sum, loss_count, metric_sums : float, int, dict of str to float
        Training loss since the last validation, and the metrics beside it, summed over items.
    history : dict of lists
        By column: losses by the name that the objective gives them, its merits and its metrics.
    """

    def __init__(
        self, model: torch.nn.Module, settings: FitSettings, n_steps: int, objective: Objective
    ) -> None:
        self.model = model
        self.average: Any = copy.deepcopy(model).requires_grad_(False)
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=settings.learning_rate, betas=(0.9, settings.beta2), fused=True
        )
        self.best = copy.deepcopy(self.average.state_dict())
        self.step, self.n_steps = 0, n_steps
        self.best_step, self.stale, self.lowest = 0, 0, np.empty(0)
        self.plan: list[list[int]] = []
        self.cpu_seconds = self.last_seconds = 0.0
        self.loss_sum, self.loss_count = 0.0, 0
        self.metric_sums: dict[str, float] = {}
        self.carry: dict[str, torch.Tensor] = {}
        self.best_carry: dict[str, torch.Tensor] = {}
        held_out = held_out_name(objective)
        self._losses = (f"train_{objective.loss_name}", held_out, f"{held_out}_error")
        self._columns = ("step", "epoch", *self._losses, "learning_rate", *objective.merits)
        self.history: dict[str, list[float]] = {name: [] for name in self._columns}
        self._unit = f"{objective.unit}/site"

    def begin(self, carry: Carry) -> None:
        """Take the first carry of an objective."""
        self.carry, self.best_carry = copied(carry), copied(carry)

    def planned(self, n_steps: int) -> None:
        """Change the number of steps from here on, and keep that it was."""
        if n_steps == self.n_steps:
            return
        self.plan = self.plan or [[0, self.n_steps]]
        self.plan.append([self.step, n_steps])
        self.n_steps = n_steps

    def keep(self) -> None:
        """Make the current averaged weights the best."""
        self.best, self.best_step = copy.deepcopy(self.average.state_dict()), self.step
        self.best_carry = copied(self.carry)

    def fall_back(self) -> None:
        """Return to the best weights and their carry after a divergence."""
        self.model.load_state_dict(self.best)
        self.average.load_state_dict(self.best)
        self.carry = copied(self.best_carry)
        self.optimizer.state.clear()  # its moments may be as broken as the loss

    @property
    def is_finite(self) -> bool:
        """Whether all weights and carried numbers are finite."""
        weights = [p for module in (self.model, self.average) for p in module.parameters()]
        return all(torch.isfinite(tensor).all() for tensor in (*weights, *self.carry.values()))

    def update_average(self, decay: float) -> None:
        """Move the averaged weights towards the current ones.

        The decay first grows as (1 + t) / (10 + t); otherwise the average would keep the start.
        """
        weight = 1 - min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for a, p in zip(self.average.parameters(), self.model.parameters(), strict=True):
                a.lerp_(p, weight)

    def count(self, value: float, metrics: Mapping[str, float], n: int) -> None:
        """Add the loss and the metrics of a step over n items."""
        self.loss_sum += value * n
        self.loss_count += n
        for name, metric in metrics.items():
            self.metric_sums[name] = self.metric_sums.get(name, 0.0) + float(metric) * n

    def record(self, row: Iterable[float]) -> None:
        """Add a row to the history, with the mean of each metric since the last one."""
        if twice := sorted({*self._columns} & {*self.metric_sums}):
            raise InputError(
                f"metrics of an objective need names of their own, got {twice[0]!r}, a column of "
                "every history; give it another name"
            )
        means = {name: total / self.loss_count for name, total in self.metric_sums.items()}
        now, rows = dict(zip(self._columns, row, strict=True)) | means, len(self.history["step"])
        for name in now:
            self.history.setdefault(name, [math.nan] * rows)
        for name, column in self.history.items():
            column.append(float(now.get(name, math.nan)))
        self.loss_sum, self.loss_count, self.metric_sums = 0.0, 0, {}

    def history_dataset(self) -> xr.Dataset:
        """Return the history with dimension ``evaluation``; losses per site."""
        variables = {
            name: (
                "evaluation",
                np.asarray(values, dtype=np.int64 if name in ("step", "epoch") else np.float64),
                {"units": self._unit} if name in self._losses else {},
            )
            for name, values in self.history.items()
        }
        attrs = {"best_step": self.best_step, "n_steps": self.n_steps}
        return xr.Dataset(variables, attrs=attrs | {"plan": json.dumps(self.plan)})

    def to_dataset(self) -> xr.Dataset:
        """Return everything as arrays; :meth:`restore` is the inverse."""
        moments = self.optimizer.state_dict()["state"]
        names = [name for name, _ in self.model.named_parameters()]
        tensors = {
            **_prefixed("model", self.model.state_dict().items()),
            **_prefixed("average", self.average.state_dict().items()),
            **_prefixed("best", self.best.items()),
            **_prefixed("carry", self.carry.items()),
            **_prefixed("best_carry", self.best_carry.items()),
        }
        for key in ("exp_avg", "exp_avg_sq", "step"):
            per_name = ((names[i], moments[i][key]) for i in sorted(moments))
            tensors |= _prefixed(f"adam.{key}", per_name)
        counters = {name: getattr(self, name) for name in _COUNTERS}
        # A dim of its own: in a file this group may lie inside the group of the history.
        rows = self.history_dataset().rename(evaluation="checkpoint_evaluation")
        history = {f"history.{k}": v for k, v in rows.data_vars.items()}
        history["lowest"] = xr.DataArray(self.lowest, dims="held_out")
        # JSON writes floats with repr, which reads back to the same bits.
        return (
            tensors_to_dataset(tensors).assign(history).assign_attrs(counters=json.dumps(counters))
        )

    def restore(self, stored: xr.Dataset) -> None:
        """Load what :meth:`to_dataset` returned, or raise :class:`InputError`."""
        tensors, device = dataset_to_tensors(stored), device_of(self.model)
        try:
            self.model.load_state_dict(_selected(tensors, "model"))
            self.average.load_state_dict(_selected(tensors, "average"))
            self.best = _selected(tensors, "best")
            counters = json.loads(stored.attrs["counters"])
            counters = _NEW | counters
            counters = {name: counters[name] for name in _COUNTERS}
            self.lowest = stored["lowest"].values.copy()
            metrics = [str(name).removeprefix("history.") for name in stored.data_vars]
            metrics = [m for m in metrics if f"history.{m}" in stored and m not in self._columns]
            self.history = {
                name: stored[f"history.{name}"].values.tolist()
                for name in (*self._columns, *metrics)
            }
        except (RuntimeError, KeyError) as error:
            raise InputError(
                "the checkpoint does not belong to this model and objective; "
                f"train with those it was written for ({error})"
            ) from error
        for name, value in counters.items():
            setattr(self, name, value)
        carried = (_selected(tensors, prefix) for prefix in ("carry", "best_carry"))
        self.carry, self.best_carry = ({k: t.to(device) for k, t in c.items()} for c in carried)
        state: dict[int, dict[str, Any]] = {}
        for i, (name, _) in enumerate(self.model.named_parameters()):
            if f"adam.step.{name}" in tensors:
                keys = ("exp_avg", "exp_avg_sq", "step")
                state[i] = {key: tensors[f"adam.{key}.{name}"] for key in keys}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


_NEW = {"plan": [], "cpu_seconds": 0.0, "last_seconds": 0.0}  # not in older checkpoints
_COUNTERS = (
    "step", "n_steps", "best_step", "stale", "loss_sum", "loss_count", "metric_sums", *_NEW,
)  # fmt: skip


def _prefixed(prefix: str, items: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in items}


def _selected(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    start = f"{prefix}."
    return {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}
