"""Figures of models on a GPU, beside one thread of the CPU of the same machine.

python workflows/benchmarks/gpu_models.py [--only KEY ...] [--json FILE]

Wall time, the device idle before and after; medians of five.  The limit of arithmetic is that of a
large product of float32 matrices on this device.  An effective share (ESS) is the smaller of the
reverse one of 65,536 draws and the forward one of Markov chain configurations; one seed.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from harness import Figure, Row, main
from neural_samplers import KC, LADDER, configurations, unhalved

from physgen import Ising, Phi4, ReverseKL, fit, for_target, importance
from physgen.exact import kaufman
from physgen.training import recipe

BATCH = 2048  # an update of a few hundred draws takes as long: launches, not arithmetic
torch.set_num_threads(1)


def phi4(L: int) -> Phi4:
    return unhalved(L, LADDER[L])


def seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    """Return the median wall time of a call, the device idle before and after."""
    call()
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@cache
def arithmetic() -> float:
    """Return operations a second of a large product of float32 matrices."""
    n = 8192
    a, b = (torch.randn(n, n, device="cuda") for _ in range(2))
    return 2 * n**3 / seconds(lambda: a @ b)


def rate(target: Any, operations: Callable[[Any], float] | None = None) -> Row:
    """Return draws a second with log q, over those of one thread of the CPU."""
    q = for_target(target, rng=1).even
    n_cpu = max(q.block, 64)
    peer = n_cpu / seconds(lambda: q.sample_and_log_prob(n_cpu, 1), 3)
    q = q.to("cuda")
    n = 4 * q.block
    ours = n / seconds(lambda: q.sample_and_log_prob(n, 1))
    detail = {"device": torch.cuda.get_device_name(), "draws/s": f"{ours:,.0f}"}
    if operations is not None:
        share = ours * operations(q) / arithmetic()
        detail["share of the time that the products alone need"] = f"{share:.2f}"
    return Row(ours / peer, "ratio", "one CPU thread, draws/s", peer, ours / peer, detail)


def operations_of_a_flow(q: Any) -> float:
    """Return those of the products in one draw: seven velocities a step."""
    n, (features, frequencies) = q.orbits.n, q.velocity.mix.shape
    velocity = 2 * n * n * (features + 1) + 2 * n * features * frequencies
    return 7 * q.fine_steps * velocity


def updates(target: Any, cuda_graphs: bool) -> tuple[float, Any]:
    """Return training draws a second, and the weights that they end with."""
    model, n = for_target(target, rng=1).to("cuda"), 40
    begin = {k: v.clone() for k, v in model.state_dict().items()}
    how = replace(recipe("equivariant-cnf"), batch_size=BATCH, n_epochs=1, budget=None,
                  cuda_graphs=cuda_graphs)  # fmt: skip

    def train(updates: int) -> None:
        model.load_state_dict(begin)
        objective = ReverseKL(target, n_validation=0, draws_per_epoch=updates * BATCH)
        fit(model, objective, how, rng=1)

    few, more = (seconds(lambda u=u: train(u), 3) for u in (10, n + 10))  # after the recording
    return n * BATCH / (more - few), model.state_dict()


def update(L: int) -> Row:
    """Return training draws a second of whole updates, replayed, beside those launched one by one."""
    (ours, replayed), (peer, plain) = (updates(phi4(L), graphs) for graphs in (True, False))
    apart = max(float((replayed[k] - plain[k]).abs().max()) for k in plain)
    detail = {
        "device": torch.cuda.get_device_name(),
        "an update": f"{1e3 * BATCH / ours:.1f} ms of {BATCH} draws, {1e3 * BATCH / peer:.1f} "
                     "without graphs",
        "largest difference of a weight": f"{apart:.1g}",
        "memory": f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB",
    }  # fmt: skip
    return Row(ours, "draws/s", "without graphs", peer, ours / peer, detail)


def share(target: Any, x: Any, train: Callable[[], Any], log_z: Any = None) -> Row:
    """Return the share of a trained model; x are configurations of Markov chains."""
    begun = time.perf_counter()
    model = train()
    spent = time.perf_counter() - begun
    found = importance(model, target, 65_536, 1, samples=x, log_z=log_z)
    detail = {
        "device": torch.cuda.get_device_name(),
        "reverse": f"{float(found.ess_reverse):.4f}",
        "forward": f"{float(found.ess_forward):.4f}",
        "log Z": f"{float(found.log_z):.4f}({float(found.log_z_error):.4f})",
        "seconds of training": f"{spent:.0f}",
    }
    return Row(float(found.ess_share), "ESS", detail=detail)


def phi4_32() -> Row:
    def train() -> Any:
        model = None
        for L, budget in ((12, "15s"), (20, "25s"), (32, "110s")):
            target = phi4(L)
            model = for_target(target, begin_from=model, rng=1).to("cuda")
            how = replace(recipe("equivariant-cnf"), batch_size=BATCH)
            objective = ReverseKL(target, draws_per_epoch=50 * BATCH, rng=1)
            fit(model, objective, how, rng=1, budget=budget)
        return model

    return share(phi4(32), configurations("unhalved", 32, LADDER[32]), train)


def ising_32() -> Row:
    target = Ising(L=32, beta=KC)

    def train() -> Any:
        model = for_target(target, rng=1).to("cuda")
        how = replace(recipe("coloured-net"), batch_size=BATCH)
        objective = ReverseKL(target, anneal=0.3, draws_per_epoch=50 * BATCH, rng=1)
        fit(model, objective, how, rng=1, budget="60s")
        return model

    exact = float(kaufman.log_z(KC, (32, 32)))
    return share(target, configurations("ising", 32, KC), train, log_z=(exact, 0.0))


FIGURES = [
    *(Figure(f"gpu_flow_rate_L{L}", f"draws with log q of a flow, phi^4 {L} x {L}, over the CPU's",
             50, lambda L=L: rate(phi4(L), operations_of_a_flow)) for L in (8, 32)),
    Figure("gpu_coloured_rate_L16", "draws of a coloured net, Ising 16 x 16, over the CPU's", 50,
           lambda: rate(Ising(L=16, beta=KC))),
    Figure("gpu_flow_update", "training draws of a flow in CUDA graphs, phi^4 32 x 32", 63_000,
           lambda: update(32)),
    Figure("gpu_flow_update_L8", "the same, 8 x 8", 63_000, lambda: update(8)),
    Figure("gpu_ess_L32", "phi^4 32 x 32, lam = 4.572: ESS after 150 s, by transfer", 0.66, phi4_32),
    Figure("gpu_ising32_ess_kc", "Ising 32 x 32, beta_c: ESS after 60 s", 0.4, ising_32),
]  # fmt: skip

if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit(f"gpu_models.py: torch {torch.__version__} finds no CUDA device here")
    sources = ["analysis/weights.py", "models", "samplers/importance_sampling.py",
               "samplers/weighing.py", "targets", "training"]  # fmt: skip
    main("gpu_models", FIGURES, ["physgen", "numpy", "torch"], sources)
