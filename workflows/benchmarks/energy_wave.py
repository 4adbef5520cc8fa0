"""Row of `energy.py`: a Boltzmann machine as a positive wave function, on QuCumber's own file.

psi(s) = sqrt(p(s)) with p of a machine of outcomes 0 and 1, trained on 10,000 shots of ten qubits in
the Z basis by persistent contrastive divergence; its log Z is summed over the hidden units.
"""

from __future__ import annotations

import time

import numpy as np
from harness import Figure, Row
from reconstruction import FILES

from physgen import Born
from physgen.core.random import Stream
from physgen.models import RBM
from physgen.models.energy.normalised import Normalised
from physgen.quantum import MPS
from physgen.quantum.importing import import_measurements
from physgen.training import PersistentContrastiveDivergence, fit
from physgen.validation import exact_divergences

SEEDS = (0, 1)
N_HIDDEN = 20
BUDGET = "40s"


def overlap() -> Row:
    """Return the worse squared overlap of two seeds."""
    data = import_measurements(FILES / "tfim1d_data.txt", povm="computational", bit_one="up")
    psi = np.loadtxt(FILES / "tfim1d_psi.txt")[:, 0]
    truth = Born(MPS.from_dense(psi / np.linalg.norm(psi)), data.povm)
    found: list[float] = []
    detail: dict[str, object] = {}
    for seed in SEEDS:
        start, stream = time.process_time(), Stream(9501).child(seed)
        model = RBM((10,), visible="outcomes", K=2, n_hidden=N_HIDDEN, rng=stream)
        model = model.with_data_bias(data.outcomes)
        objective = PersistentContrastiveDivergence(data.outcomes)
        fit(model, objective, rng=stream.child("fit"), budget=BUDGET)
        seconds = time.process_time() - start
        exact = exact_divergences(Normalised(model, model.log_z_exact()), truth)
        found.append(float(exact.fidelity) ** 2)
        detail[f"seed {seed}"] = (
            f"overlap^2 {found[-1]:.5f}, KL {float(exact.kl_forward):.5f}, {seconds:.0f} CPU s"
        )
    detail["hidden units"] = N_HIDDEN
    return Row(
        min(found), "overlap^2", "QuCumber 1.3.3, published, 87 s", 0.98982, min(found) / 0.98982,
        detail,
    )  # fmt: skip


FIGURES = [
    Figure(
        "qucumber_rbm_overlap", "squared overlap of a machine, QuCumber's file of 10 qubits", 0.99,
        overlap, slow=True, needs=FILES / "tfim1d_data.txt",
    ),
]  # fmt: skip
