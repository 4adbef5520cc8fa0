"""What strangers meet at the doors: files of other programs, noise that was calibrated.

python workflows/benchmarks/strangers.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import contextlib
import io
import itertools
import tempfile
from pathlib import Path

import numpy as np
from harness import Figure, Row, main
from strangers_files import CASES, Case, Shots
from strangers_operators import pauli_coverage
from strangers_witness import cases

from physgen.cli import main as physgen
from physgen.core.random import Stream
from physgen.quantum import Born, MeasurementData, random_mps, read_out
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import bootstrap_estimates, direct_estimates

SHOTS, SEED = 700, 20
DATA_SETS, RESAMPLES = 24, 50


def formats_read() -> Row:
    """Files that are read right, or refused in one line that names the remedy."""
    read, refused, failed = 0, 0, []
    for k, case in enumerate(CASES):
        wrong = _tried(case, Shots.drawn(SHOTS, SEED + k))
        if wrong:
            failed.append(f"{case.name}: {wrong}")
        elif isinstance(case.expect, str):
            refused += 1
        else:
            read += 1
    detail = {"read right": read, "refused in one line": refused}
    detail |= {"failed": "; ".join(failed)} if failed else {}
    return Row(read + refused, f"of {len(CASES)} files", detail=detail)


def _tried(case: Case, shots: Shots) -> str:
    """Return what is wrong with the import of a case, or an empty text."""
    with tempfile.TemporaryDirectory() as folder:
        made, out = case.make(Path(folder), shots), Path(folder) / "out.h5"
        argv = made if isinstance(made, list) else [str(made)]
        told, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(errors):
            try:
                code = physgen(["import-data", *argv, "--out", str(out), *case.argv])
            except Exception as error:
                return f"traceback, {type(error).__name__}"
        line = errors.getvalue().strip()
        if isinstance(case.expect, str):
            if code == 0:
                return "read without a word"
            one = len(line.splitlines()) == 1
            return "" if one and case.expect in line else f"no remedy: {line[:200]}"
        if code != 0:
            return f"refused: {line[:200]}"
        found, wanted = MeasurementData.load(out).outcomes, case.expect(shots)
        same = found.shape == wanted.shape and sorted(found.tolist()) == sorted(wanted.tolist())
        return "" if same else "other shots"


def readout_fidelity_pull() -> Row:
    """Known readout error of each qubit, settings chosen unequally, random pure states."""
    direct, likely = [], []
    for seed in range(DATA_SETS):
        rng = Stream(seed, ("readout",)).numpy()
        L = 2 + seed % 2
        state = random_mps(L, 2, seed)
        e01, e10 = rng.uniform(0.0, 0.06, L), rng.uniform(0.02, 0.1, L)
        matrices = np.array([[[1 - a, b], [a, 1 - b]] for a, b in zip(e01, e10)])
        every = list(itertools.product(range(3), repeat=L))
        shots_of = [2000 if len(set(s)) == 1 else int(rng.integers(150, 400)) for s in every]
        clean = Born(state, "pauli-6").sample(4 * 3**L * max(shots_of), seed)
        x = np.concatenate([
            clean[(clean % 3 == np.array(s)).all(axis=1)][:n] for s, n in zip(every, shots_of)
        ])  # fmt: skip
        bits = x // 3
        bits = bits ^ (rng.random(x.shape) < np.where(bits == 0, e01, e10))
        x = (x % 3 + 3 * bits).astype(np.uint8)
        data = MeasurementData(x, read_out("pauli-6", matrices), settings=label_settings(x % 3))
        ds = direct_estimates(data, state)
        direct.append(float((ds.fidelity_squared - 1) / ds.fidelity_squared_error))
        ds = bootstrap_estimates(data, state, n_resamples=RESAMPLES, rng=seed)
        value = float(ds.fidelity_squared - ds.fidelity_squared_bias)
        likely.append((value - 1) / float(ds.fidelity_squared_error))
    rms = {name: float(np.sqrt(np.mean(np.square(pulls)))) for name, pulls in
           (("direct", direct), ("likelihood, bias removed", likely))}  # fmt: skip
    detail = {name: f"{value:.2f}" for name, value in rms.items()} | {"data sets": DATA_SETS}
    return Row(max(rms.values()), "rms pull", detail=detail)


def witness_coverage() -> Row:
    """Lower bounds of 95 % on quantum fidelities, against their own exact quantity."""
    found = cases()
    detail = {
        case.name: f"{case.covered:.2f}, F = {case.F:.4f}, median F - bound {case.distance:.3f}"
        for case in found
    }
    covered = np.mean([case.covered for case in found])
    return Row(min(case.covered for case in found), "of the data sets, worst state",
               detail=detail | {"mean over states": f"{covered:.3f}"})  # fmt: skip


FIGURES = [
    Figure("formats_read", "Small files of other programs, read right or refused in one line that "
           "names the remedy", len(CASES), formats_read),
    Figure("readout_fidelity_pull", "Fidelity of pure states, known readout error of each qubit, "
           "unequal settings: rms pull, direct and likelihood", 1.3, readout_fidelity_pull,
           slow=True, at_most=True),
    Figure("pauli_coverage", "68 % intervals of ten random Pauli strings and a Heisenberg energy, "
           "from data and from a model: distance of the share covered from 0.68", 0.08,
           pauli_coverage, slow=True, at_most=True),
    Figure("witness_coverage", "Lower bounds of 95 % on quantum fidelities (energy and gap, GHZ), "
           "noisy states, few and many shots: share below the truth", 0.93, witness_coverage,
           slow=True),
]  # fmt: skip

if __name__ == "__main__":
    main(
        "strangers",
        FIGURES,
        ["physgen", "numpy", "h5py"],
        ["quantum", "cli", "validation", "models/matrix_product", "training", "analysis"],
    )
