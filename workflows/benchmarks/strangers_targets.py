"""What strangers bring: two wells that a model may lose, and actions of their own.

python workflows/benchmarks/strangers_targets.py --fast | --train | --only KEY ... [--json FILE]

The wells are unit Gaussians at +a and -a in two dimensions, log Z = ln 4 pi; a flow without
symmetries is trained for two seconds, and what `importance` then says, without configurations of
the target, has to be true, or has to be called in question.  The own actions are plain functions
that `as_target` takes; the flow is the one that `for_target` chooses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from harness import Figure, Row, main

import physgen as pg
from physgen.core.errors import InputError
from physgen.lattice import Hypercubic

SEEDS = range(20)
WELLS = math.log(4 * math.pi)
RING_LOG_Z = 1.710148  # of the transfer matrix
SPACING = 0.25
torch.set_num_threads(1)


# --- two wells ------------------------------------------------------------------------------


def wells(a: float) -> Any:
    def action(x: np.ndarray) -> np.ndarray:
        return -np.logaddexp(-((x - a) ** 2).sum(1) / 2, -((x + a) ** 2).sum(1) / 2)

    return pg.as_target(action, 2, lambda x: a * np.tanh(a * x.sum(1))[:, None] - x)


def verdict(a: float, seed: int) -> tuple[str, float]:
    """Return what `importance` makes of a short fit, and its CPU seconds."""
    target = wells(a)
    q = pg.for_target(target, "zuko-flow", rng=seed)
    pg.fit(q, pg.ReverseKL(target, rng=seed), budget="2s", rng=seed)
    start = time.process_time()
    try:
        found = pg.importance(q, target, n=20_000, seed=seed)
    except InputError:
        return "refused", time.process_time() - start
    seconds = time.process_time() - start
    if found.attrs["warnings"]:
        return "alarmed", seconds
    off = abs(float(found["log_z"]) - WELLS) / float(found["log_z_error"])
    return ("right" if off < 3 else "wrong"), seconds


def two_wells() -> Row:
    """Share of fits whose log Z is within 3 errors, alarmed or refused."""
    found = {a: [verdict(a, seed) for seed in SEEDS] for a in (3.0, 6.0)}
    words = [word for each in found.values() for word, _ in each]
    detail = {
        f"wells at {a:g}": ", ".join(
            f"{word} {sum(w == word for w, _ in each)}"
            for word in ("right", "alarmed", "refused", "wrong")
        )
        for a, each in found.items()
    }
    seconds = [s for each in found.values() for _, s in each]
    detail["CPU s of importance"] = f"{np.median(seconds):.1f}"
    return Row(1 - words.count("wrong") / len(words), "of 40", detail=detail)


# --- own actions ----------------------------------------------------------------------------


def bonds(x: torch.Tensor, *axes: int) -> torch.Tensor:
    return sum(((torch.roll(x, -1, axis) - x) ** 2).flatten(1).sum(1) for axis in axes)  # type: ignore[return-value]


def oscillator(x: torch.Tensor) -> torch.Tensor:
    return bonds(x, 1) / (2 * SPACING) + SPACING * (x**2 / 2 + x**4 / 2).sum(1)


def o2(x: torch.Tensor) -> torch.Tensor:
    square = (x**2).sum(-1)
    return bonds(x, 1, 2) / 2 + (0.25 * square + 0.1 * square**2).sum((1, 2))


def sine_gordon(x: torch.Tensor) -> torch.Tensor:
    return bonds(x, 1, 2) / 2 + (0.125 * x**2 + 1 - torch.cos(x)).sum((1, 2))


def phi4_3d(x: torch.Tensor) -> torch.Tensor:
    return bonds(x, 1, 2, 3) / 2 + (0.25 * x**2 + 0.1 * x**4).sum((1, 2, 3))


def own(action: Callable[[Any], Any], lattice: tuple[int, ...], budget: str,
        components: int | None = None, log_z: float | None = None) -> Row:  # fmt: skip
    """ESS of a flow for an own action; log Z against SMC, or an exact value."""
    shape = (*lattice, *([] if components is None else [components]))
    symmetries = ["translations", "point_group", "z2"]
    target = pg.as_target(
        action, shape, library="torch", lattice=Hypercubic(lattice),
        symmetries=symmetries + ["components"] * (components is not None),
    )  # fmt: skip
    q = pg.for_target(target, rng=1)
    start = time.process_time()
    fitted = pg.fit(q, pg.ReverseKL(target, rng=1), budget=budget, rng=1)
    seconds = time.process_time() - start
    other, error = (log_z, 0.0) if log_z is not None else _annealed(target)
    detail = {"family": type(q).__name__, "steps": fitted.best_step, "CPU s": f"{seconds:.0f}"}
    try:
        found = pg.importance(q, target, n=20_000, seed=1, ess_floor=20, forward_check=False)
    except InputError as refused:
        return Row(0.0, "ESS", detail=detail | {"refused": str(refused)[:80]})
    off = float(found["log_z"]) - other
    pull = off / math.hypot(float(found["log_z_error"]), error)
    detail |= {
        "log Z": f"{float(found['log_z']):.4f}({float(found['log_z_error']):.4f})",
        "exact" if log_z is not None else "SMC": f"{other:.4f}({error:.4f})",
        "pull": f"{pull:+.1f}",
    }
    share = float(found["ess_share"])
    return Row(share if abs(pull) < 3 else 0.0, "ESS", detail=detail)


def _annealed(target: Any) -> tuple[float, float]:
    ds = pg.smc(target, n_particles=64, seed=1)
    return float(ds["log_z"]), float(ds["log_z_error"])


FIGURES = [
    Figure("two_wells_caught", "two wells at 3 and 6, 20 short fits each: right, alarmed or "
           "refused", 1.0, two_wells, slow=True),
    Figure("own_action_ess", "anharmonic oscillator, 32 slices, from as_target, 15 s", 0.98,
           lambda: own(oscillator, (32,), "15s", log_z=RING_LOG_Z), slow=True),
    Figure("o2_ess", "O(2) field, 8 x 8 x 2, 60 s (reported)", 0.0,
           lambda: own(o2, (8, 8), "60s", components=2), slow=True),
    Figure("sine_gordon_ess", "sine-Gordon field, 8 x 8, 60 s (reported)", 0.0,
           lambda: own(sine_gordon, (8, 8), "60s"), slow=True),
    Figure("phi4_3d_ess", "phi^4 in three dimensions, 6 x 6 x 6, 60 s (reported)", 0.0,
           lambda: own(phi4_3d, (6, 6, 6), "60s"), slow=True),
]  # fmt: skip
SOURCES = ["samplers", "targets", "models", "training", "core", "observables"]

if __name__ == "__main__":
    main("strangers_targets", FIGURES, ["numpy", "torch"], SOURCES)
