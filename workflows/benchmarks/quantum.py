"""Benchmarks of state reconstruction: ground states, Born sampling, networks, fidelities.

python workflows/benchmarks/quantum.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from harness import Figure, Row, interleaved, main

from physgen import GRU, LSTM, MPS, TFIM, Born, NegativeLogLikelihood, ground_state
from physgen.training import FitSettings, fit
from physgen.validation import classical_fidelity, relative_entropy

ROOT = Path(__file__).parents[2]
SOURCES = [
    "core/arrays.py",
    "core/checks.py",
    "core/random.py",
    *(f"kernels/cpu/{name}.py" for name in ("vecmath", "born", "recurrent")),
    "quantum",
    "models",
    "training",
    "validation",
]
torch.set_num_threads(1)


@cache
def state(L: int, h: float = 1.0, J: float = 1.0, chi: int = 32) -> MPS:
    return ground_state(TFIM(L=L, J=J, h=h), chi_max=chi)


# --- exact states and their measurement -----------------------------------------------------


def e0_error() -> Row:
    """Largest |contracted energy - closed form| over six chains."""
    errors = {}
    for L in (10, 50):
        for h in (0.5, 1.0, 2.0):
            tfim = TFIM(L=L, h=h)
            errors[f"L={L} h={h:g}"] = abs(state(L, h).energy(tfim) - tfim.ground_state_energy())
    start = time.process_time()
    ground_state(TFIM(L=50), chi_max=24)
    detail = {name: f"{error:.1e}" for name, error in errors.items()}
    return Row(
        max(errors.values()),
        "J",
        detail=detail | {"CPU s of one L=50 ground state": f"{time.process_time() - start:.1f}"},
    )


def product_flops(mps: MPS) -> float:
    """Flops of the site products of one pure trajectory: complex vector, both qubit values."""
    return sum(2 * 2 * 2 * left * right for left, right in pairwise(mps.bonds))


def born_rate() -> Row:
    return born_ratio(peer=False)


def born_ratio(peer: bool = True) -> Row:
    """Pauli-4 samples per CPU second; quimb rotates each shot to a random Pauli basis."""
    mps = state(50, chi=24)
    born, n = Born(mps, "pauli-4"), 20_480
    calls = [lambda: born.sample(n, 1)]
    if peer:
        calls.append(quimb_sampler(mps, shots=6))
    seconds = interleaved(*calls)
    rate = n / seconds[0]
    gflops = rate * product_flops(mps) / 1e9
    detail = {
        "bond": mps.max_bond,
        "share of the time that the products alone need at matrix speed": (
            f"{gflops / matrix_gflops(np.float32):.2f}"
        ),
    }
    if not peer:
        return Row(rate, "samples / CPU s", detail=detail)
    theirs = 6 / seconds[1]
    return Row(
        rate / theirs,
        "ratio",
        "quimb",
        theirs,
        rate / theirs,
        detail | {"ours": f"{rate:,.0f} samples / CPU s"},
    )


def matrix_gflops(dtype: type) -> float:
    """Speed of a matrix product of the sampler's own shape: the limit of its hot loop."""
    a, b = np.ones((48, 24), dtype), np.ones((24, 2048), dtype)
    out = np.empty((48, 2048), dtype)

    def products() -> None:
        for _ in range(200):
            np.matmul(a, b, out=out)

    return 200 * 2 * a.size * b.shape[1] / interleaved(products)[0] / 1e9


def quimb_sampler(mps: MPS, shots: int):
    """One shot at a time: rotate every site to X, Y or Z at random, then sample."""
    import quimb.tensor as qtn

    s = np.sqrt(0.5)
    to_basis = [np.eye(2), s * np.array([[1, 1], [1, -1]]), s * np.array([[1, -1j], [1, 1j]])]
    arrays = [np.asarray(t) for t in mps.tensors]
    arrays[0], arrays[-1] = arrays[0][0], arrays[-1][:, :, 0]
    psi = qtn.MatrixProductState(arrays, shape="lpr")
    psi.right_canonize()
    rng = np.random.default_rng(1)

    def run() -> None:
        for _ in range(shots):
            rotated = psi.copy()
            for i, basis in enumerate(rng.integers(0, 3, mps.L)):
                rotated.gate_(to_basis[basis], i, contract=True)
            next(iter(rotated.sample(1, seed=int(rng.integers(2**31)))))

    return run


def logprob_rate(povm: str, chi: int, n: int) -> Row:
    mps = state(50, chi=chi)
    born = Born(mps, povm)
    x = born.sample(n, 1)
    seconds = interleaved(lambda: born.log_prob(x))[0]
    return Row(n / seconds, "log_prob / CPU s", detail={"bond": mps.max_bond})


# --- networks against plain torch -----------------------------------------------------------

L, K, H = 50, 4, 100


def plain_net() -> tuple[torch.nn.GRU, torch.nn.Linear, torch.Tensor]:
    """torch.nn.GRU and a head with the weights' shapes and inputs of ours."""
    ours = GRU(L, K, H, layers=1, rng=1)
    gru = torch.nn.GRU(K + ours.features.shape[1], H)
    return gru, torch.nn.Linear(H, K), ours.features


def gru_train_ratio() -> Row:
    """Training steps; both with Adam (fused), clipping and the same batches of shots."""
    n, batch = 2000, FitSettings().batch_size
    shots = Born(state(L), "pauli-4").sample(n, 1)
    gru, head, features = plain_net()
    parameters = [*gru.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    one_hot = torch.eye(K)

    def plain() -> None:
        order = torch.randperm(n)
        data = torch.from_numpy(shots)
        for start in range(0, n, batch):
            x = data[order[start : start + batch]].long().t()
            previous = torch.cat([torch.zeros(1, x.shape[1], K), one_hot[x[:-1]]])
            sites = features.unsqueeze(1).expand(-1, x.shape[1], -1)
            hidden, _ = gru(torch.cat([previous, sites], -1))
            loss = torch.nn.functional.cross_entropy(head(hidden).reshape(-1, K), x.reshape(-1))
            optimizer.zero_grad()
            (loss * L).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    model = GRU(L, K, H, layers=1, rng=1)
    objective = NegativeLogLikelihood(shots, validation_fraction=0)
    settings = FitSettings(n_epochs=1, learning_rate=1e-3, batch_size=batch)
    ours, theirs = interleaved(lambda: fit(model, objective, settings, rng=1), plain)
    detail = {"batch": batch, "ours": f"{n / ours:,.0f} shots / CPU s"}
    ratio = theirs / ours
    return Row(ratio, "ratio", "torch.nn.GRU loop", n / theirs, ratio, detail)


def gru_sample_ratio(precision: str = "float32") -> Row:
    """Sampling; the plain loop steps torch.nn.GRU with its state kept, at its best batch."""
    gru, head, features = plain_net()
    one_hot = torch.eye(K)

    @torch.no_grad()
    def plain(batch: int) -> None:
        state_, previous = None, torch.zeros(batch, K)
        for i in range(L):
            x = torch.cat([previous, features[i].expand(batch, -1)], -1).unsqueeze(0)
            hidden, state_ = gru(x, state_)
            drawn = torch.multinomial(torch.softmax(head(hidden[0]), -1), 1)[:, 0]
            previous = one_hot[drawn]

    model, n = GRU(L, K, H, layers=1, precision=precision, rng=1), 4096
    batches = (256, 1024, 4096)
    calls = [lambda: model.sample(n, 1), *(lambda b=b: plain(b) for b in batches)]
    ours, *theirs = interleaved(*calls)
    best = max(b / t for b, t in zip(batches, theirs, strict=True))
    ratio = n / ours / best
    detail = {"ours": f"{n / ours:,.0f} samples / CPU s"}
    return Row(ratio, "ratio", "torch.nn.GRU step loop", best, ratio, detail)


# --- reconstruction -------------------------------------------------------------------------

EVALUATION_SAMPLES = 100_000


def reconstruction(
    n_sites: int, n_shots: int, cpu_limit: float, J: float = 1.0, povm: str = "pauli-4"
) -> Row:
    """Mean F_c of the default recipe on three fresh data sets, from 1e5 samples of the truth."""
    born = Born(state(n_sites, J, J), povm)
    test = born.sample(EVALUATION_SAMPLES, 10_000)
    log_p = born.log_prob(test)
    fidelities, kls, cpu = [], [], []
    for seed in (1, 2, 3):
        shots = born.sample(n_shots, seed)
        start = time.process_time()
        model = LSTM(n_sites, born.support.K, rng=seed)
        fit(model, NegativeLogLikelihood(shots), rng=seed)
        cpu.append(time.process_time() - start)
        log_q = model.log_prob(test)
        fidelities.append(classical_fidelity(log_p, log_q))
        kls.append(relative_entropy(log_p, log_q).value)
    values = [f.value for f in fidelities]
    if max(cpu) > cpu_limit:
        raise SystemExit(f"over the CPU limit of {cpu_limit:g} s: {max(cpu):.1f} s")
    detail = {
        "each": ", ".join(f"{f.value:.4f}({round(f.error * 1e4)})" for f in fidelities),
        "KL(P||Q)": ", ".join(f"{kl:.4f}" for kl in kls),
        "CPU s": ", ".join(f"{s:.0f}" for s in cpu) + f" (limit {cpu_limit:g})",
    }
    return Row(float(np.mean(values)), "F_c", detail=detail)


# --- the whole program ----------------------------------------------------------------------


def demo_peak_gb() -> Row:
    """Peak resident memory of the demo, in a process of its own."""
    config = ROOT / "workflows/state_reconstruction/config.toml"
    with tempfile.TemporaryDirectory() as out:
        start = time.monotonic()
        physgen("run", str(config), "--out", out)
        wall = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    detail = {"wall s": round(wall), "CPU s, all children so far": round(cpu)}
    return Row(usage.ru_maxrss / 1024**2, "GiB", detail=detail)


def help_cpu_s() -> Row:
    seconds = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        physgen("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
        seconds.append(user + system)
    return Row(float(np.median(seconds)), "CPU s")


def physgen(*arguments: str) -> None:
    command = [sys.executable, "-m", "physgen", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


FIGURES = [
    Figure(
        "e0_error",
        "Energy of our MPS against the closed form, worst",
        1e-8,
        e0_error,
        at_most=True,
    ),
    Figure("born_pauli4_rate", "Born sampler, L=50, Pauli-4", 120_000, born_rate),
    Figure("born_pauli4_ratio", "The same over quimb's random-basis sampling", 2000, born_ratio),
    Figure(
        "born_tetra_logprob_rate",
        "log_prob, L=50, tetrahedral",
        70_000,
        lambda: logprob_rate("tetrahedral", 24, 20_000),
    ),
    Figure(
        "born_pauli4_logprob_rate",
        "log_prob, L=50, Pauli-4 (one real environment)",
        6_000,
        lambda: logprob_rate("pauli-4", 13, 4_000),
    ),
    Figure("gru_train_ratio", "GRU training steps, hidden 100, L=50", 0.97, gru_train_ratio),
    Figure("gru_sample_ratio", "GRU sampling, hidden 100, L=50", 2.0, gru_sample_ratio),
    Figure(
        "gru_sample_bf16_ratio",
        "The same with bfloat16 products",
        3.0,
        lambda: gru_sample_ratio("bfloat16"),
    ),
    Figure("help_cpu_s", "`physgen --help`", 0.3, help_cpu_s, at_most=True),
    Figure("demo_peak_gb", "Peak memory of the demo", 2.0, demo_peak_gb, at_most=True),
    Figure(
        "fc_L10_1e4",
        "F_c, L=10, 10,000 shots, Pauli-4, mean of 3 data sets",
        0.996,
        lambda: reconstruction(10, 10_000, 60),
        slow=True,
    ),
    Figure(
        "fc_L50_1e4",
        "F_c, L=50, 10,000 shots, Pauli-4, no imposed symmetry",
        0.995,
        lambda: reconstruction(50, 10_000, 60),
        slow=True,
    ),
    Figure(
        "fc_L50_1e5",
        "F_c, L=50, 100,000 shots",
        0.9975,
        lambda: reconstruction(50, 100_000, 240),
        slow=True,
    ),
    Figure(
        "fc_L50_1e4_antiferro",
        "F_c, L=50, 10,000 shots, J = h = -1",
        0.983,
        lambda: reconstruction(50, 10_000, 120, J=-1.0),
        slow=True,
    ),
    Figure(
        "fc_L50_1e4_tetra",
        "F_c, L=50, 10,000 shots, tetrahedral POVM",
        0.985,
        lambda: reconstruction(50, 10_000, 120, povm="tetrahedral"),
        slow=True,
    ),
]

if __name__ == "__main__":
    main(
        "quantum",
        FIGURES,
        ["physgen", "numpy", "numba", "torch", "physics-tenpy", "quimb"],
        SOURCES,
    )
