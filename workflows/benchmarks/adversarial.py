"""Generators without a density: raw observables of the best one, both modes, a classifier test.

python workflows/benchmarks/adversarial.py --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import torch
from harness import Figure, Row, main

from physgen import Phi4, Phi4Cluster, models, run
from physgen.targets import Configurations
from physgen.training import Adversarial, fit, recipe
from physgen.validation import c2st

torch.set_num_threads(1)

PHI4 = Phi4.from_unhalved(L=8, m2=-4.0, lam=6.008)
BUDGET = "100s"
SEEDS = (1, 2)
DRAWS = 40_000


@lru_cache(maxsize=2)
def cluster(n_draws, seed):
    """Configurations (64 n_draws, 8, 8) of 64 chains of a cluster algorithm, draw by draw."""
    ds = run(Phi4Cluster(), PHI4, n_chains=64, n_draws=n_draws, thin=10, seed=seed,
             keep="configurations", quiet=True)  # fmt: skip
    x = ds["configurations"].values.astype(np.float32)
    return x.swapaxes(0, 1).reshape(-1, 8, 8)


def observables(x):
    """<phi^2>, <|m|>, the product of neighbours, <phi^4> and chi_abs."""
    x = x.astype(np.float64)
    m = x.mean((1, 2))
    bonds = 0.5 * ((x * np.roll(x, 1, 1)).mean() + (x * np.roll(x, 1, 2)).mean())
    spread = 64 * ((m**2).mean() - np.abs(m).mean() ** 2)
    return np.array([(x**2).mean(), np.abs(m).mean(), bonds, (x**4).mean(), spread])


def features(x):
    """phi^2, |m|, neighbour products and phi^4 of every configuration."""
    x = x.astype(np.float64)
    bonds = 0.5 * (x * np.roll(x, 1, 1) + x * np.roll(x, 1, 2)).mean((1, 2))
    return np.stack(
        [(x**2).mean((1, 2)), np.abs(x.mean((1, 2))), bonds, (x**4).mean((1, 2))], axis=1
    )


def gan_phi4_error():
    """Raw <phi^2> and <|m|> of a generator, worst of two seeds."""
    data = Configurations(
        cluster(1000, 1), boundary="periodic", symmetries=("translations", "point_group", "z2")
    )
    reference = cluster(3200, 2)
    true = observables(reference)
    settings = replace(recipe("gan"), n_epochs=None, budget=BUDGET)
    errors, detail = [], {}
    for seed in SEEDS:
        model = models.for_target(data, "gan", rng=seed)
        result = fit(model, Adversarial(data), settings, rng=seed)
        x = model.sample(DRAWS, 100 + seed).numpy()
        found = observables(x) / true - 1
        errors.append(float(np.abs(found[:2]).max()))
        share = float((x.mean((1, 2)) > 0).mean())
        told = c2st(features(x[:10_000]), features(reference[::20][:10_000]), rng=seed)
        raw = c2st(x[:10_000].reshape(-1, 64), reference[::20][:10_000].reshape(-1, 64),
                   classifier="mlp", rng=seed)  # fmt: skip
        names = ("phi^2", "|m|", "bond", "phi^4", "chi_abs")
        text = ", ".join(f"{n} {100 * e:+.1f} %" for n, e in zip(names, found, strict=True))
        detail[f"seed {seed}"] = (
            f"{text}; m > 0 in {share:.3f} (both modes: {0.4 < share < 0.6}); C2ST "
            f"{told.accuracy:.3f}({told.error:.3f}) on features, {raw.accuracy:.3f}("
            f"{raw.error:.3f}) on configurations; {result.cpu_seconds:.0f} CPU s, "
            f"{result.history.attrs['n_steps']} steps"
        )
    detail["own prototype"] = "0.010, C2ST 0.66; without moments 0.09"
    return Row(max(errors), "relative", detail=detail)


FIGURES = [
    Figure("gan_phi4_error", "Best generator, phi^4 8x8 m2 = -4 lam = 6.008: raw <phi^2>, abs m, worst of 2 seeds", 0.02, gan_phi4_error, slow=True, at_most=True),
]  # fmt: skip

if __name__ == "__main__":
    main(
        "adversarial",
        FIGURES,
        ["physgen", "torch", "numpy", "scikit-learn"],
        ["models/adversarial", "training/adversarial.py", "training/critic_state.py"],
    )
