"""Whether 68 % intervals of a stranger's operators hold the truth, from shots and from a model."""

from __future__ import annotations

import time

import numpy as np
from harness import Row

from physgen.analysis.refits import refit_errors
from physgen.core.random import Stream
from physgen.models import MatrixProduct, mean_spin
from physgen.quantum import MPS, TFIM, Born, PauliSum, estimate_observables, ground_state, povm
from physgen.training import NegativeLogLikelihood, Schedule, fit, recipe

__all__ = ["pauli_coverage"]

L, SHOTS = 6, 2000
LEVEL, ONE = 0.68, 0.9945  # 68 % lie within so many standard errors
DATA_SETS, MODEL_SETS, REFITS = 100, 25, 8
FRAME = povm("pauli-6")


def pauli_coverage() -> Row:
    """Ten random strings on 1 to 3 sites and a Heisenberg energy, critical chain of six."""
    own = operators(Stream(7401))
    state, begun = ground_state(TFIM(L)), time.process_time()
    exact = values(state, own)
    born = Born(state, FRAME)
    of_data, of_model, pulls = [], [], []
    for k in range(DATA_SETS):
        stream = Stream(7402).child(f"set {k}")
        shots = born.sample(SHOTS, stream.child("shots"))
        ds = estimate_observables(shots, FRAME, operators=own)
        pull = np.array([float((ds[n] - e) / ds[f"{n}_error"]) for n, e in zip(own, exact)])
        pulls.append(pull)
        of_data.append(np.abs(pull) < ONE)
        if k < MODEL_SETS:
            of_model.append(_holds(shots, stream, own, exact))
    data, model = np.mean(of_data, axis=0), np.mean(of_model, axis=0)
    off = {"data": abs(data.mean() - LEVEL), "model": abs(model.mean() - LEVEL)}
    detail = {
        "data: covered": f"{data.mean():.3f}",
        "of strings": ", ".join(f"{c:.2f}" for c in data[:-1]),
        "of Heisenberg": f"{data[-1]:.2f}",
        "rms pull": f"{np.sqrt(np.mean(np.square(pulls))):.3f}",
        "model: covered": f"{model.mean():.3f}",
        "of strings, model": ", ".join(f"{c:.2f}" for c in model[:-1]),
        "of Heisenberg, model": f"{model[-1]:.2f}",
        "data sets": f"{DATA_SETS} of the data, the first {MODEL_SETS} with a model",
        "model": f"mps, bond 4, complex; {REFITS} refits",
        "operators": "; ".join(str(own[name]) for name in list(own)[:-1]),
        "CPU s": f"{time.process_time() - begun:.0f}",
    }
    return Row(float(max(off.values())), "|covered - 0.68|, the larger", detail=detail)


def operators(stream: Stream) -> dict[str, PauliSum]:
    """Return ten random strings, and the Heisenberg energy last."""
    rng, found = stream.numpy(), {}
    for k in range(10):
        sites = sorted(int(i) for i in rng.choice(L, 1 + k % 3, replace=False))
        string = tuple((site, "XYZ"[rng.integers(3)]) for site in sites)
        found[f"string_{k}"] = PauliSum({string: 1.0}, L)
    return found | {"heisenberg": PauliSum.parse("sum XX + YY + ZZ", L)}


def values(psi: MPS, own: dict[str, PauliSum]) -> np.ndarray:
    """Return the expectation value of each operator."""
    return np.array([psi.expectation(operator) for operator in own.values()])


def _holds(
    shots: np.ndarray, stream: Stream, own: dict[str, PauliSum], exact: np.ndarray
) -> np.ndarray:
    """Return whether the 68 % interval from refits holds the exact value of each operator."""
    objective = NegativeLogLikelihood(shots, rng=stream.child("split"))

    def fitted(objective: NegativeLogLikelihood, again: Stream, schedule: Schedule | None = None):
        model = MatrixProduct(L, FRAME, bond=4, spin=mean_spin(shots, FRAME), rng=again)
        how = recipe("mps")
        result = fit(model, objective, how, rng=again.child("fit"), schedule=schedule)
        steps = Schedule(int(result.history.attrs["n_steps"]), result.best_step)
        return values(model.purification(), own), steps

    first, schedule = fitted(objective, stream.child("model"))
    refits = []
    for b in range(REFITS):
        again = stream.child("refit").at(b)
        resampled = objective.resampled(again.child("resample"))
        refits.append(fitted(resampled, again, schedule)[0])
    low, high = refit_errors(first, np.array(refits)).interval[:, 0].T
    return (low < exact) & (exact < high)
