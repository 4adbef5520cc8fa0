"""Benchmarks of latent-variable models: effective shares of pairs, and what draws alone miss.

python workflows/benchmarks/latent.py --fast | --train | --only KEY ... [--json FILE]

An effective share (ESS) is one of weighted pairs (x, z), the smaller of the reverse one, of 16,384
draws, and the forward one, of 16,384 configurations of cluster chains with one z each.  Budgets are
CPU seconds of training on one thread.
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import time
from functools import cache

import numpy as np
import torch
from harness import Figure, Row, main

from physgen import Ising, Phi4, Phi4Cluster, SwendsenWang, estimates, fit, importance, run
from physgen.exact.kaufman import energy_per_site
from physgen.models import for_target, learned
from physgen.samplers import unpack_configurations
from physgen.training import ELBO, ReverseKL

SOURCES = [
    "analysis/weights.py", "core/random.py", "models/base.py", "models/joint.py",
    "models/latent", "samplers/importance_sampling.py", "samplers/joint_weighing.py",
    "samplers/weighted_draws.py", "targets/even.py", "targets/ising_decimation.py",
    "targets/phi4.py", "targets/phi4_decimation.py", "training/evidence.py",
    "training/fitting.py", "training/loop.py", "training/pairs.py", "training/reverse_kl.py",
]  # fmt: skip
LOG_Z = 9.29136385  # of phi^4 8x8, m2 = -4, lam = 8, by quadrature
PHI4 = Phi4.from_unhalved(L=8, m2=-4.0, lam=8.0)
BETAS = (0.3, 0.44, 0.6)
torch.set_num_threads(1)


def flat(ds):
    x = unpack_configurations(ds).transpose("draw", "chain", ...).values
    return x.reshape(-1, *x.shape[2:])


def phi4_ess():
    """The recipe: even sites, mirrored pairs, correlated posterior, trained on the action alone."""
    chains = run(Phi4Cluster(), PHI4, n_chains=512, n_draws=32, thin=10, seed=2, quiet=True,
                 keep="configurations")  # fmt: skip
    reference, held_out = estimates(chains), flat(chains)
    model = for_target(PHI4, "vae", rng=1)
    start = time.process_time()
    result = fit(model, ReverseKL(PHI4, draws_per_epoch=25_600), rng=1, budget="90s")
    seconds = time.process_time() - start
    ds = importance(model, PHI4, 16_384, 1, samples=held_out)
    pulls = {"log Z": (float(ds.log_z) - LOG_Z) / float(ds.log_z_error)}
    for name in ("phi2", "abs_magnetization"):
        ours, chain = (t.sel(quantity=name) for t in (ds, reference))
        error = np.hypot(float(ours["error"]), float(chain["error"]))
        pulls[name] = (float(ours["value"]) - float(chain["value"])) / error
    alone, _ = model.sample(16_384, 3)
    raw = float((np.asarray(alone) ** 2).mean())
    single = for_target(PHI4, "vae", pairs=0, rng=1)
    fit(single, ReverseKL(PHI4, draws_per_epoch=25_600), rng=1, budget="20s")
    poor = importance(single, PHI4, 16_384, 1, samples=held_out, ess_floor=0.1, keep="draws")
    detail = {
        "reverse, forward": f"{float(ds.ess_reverse):.4f}, {float(ds.ess_forward):.4f}",
        "log Z": f"{float(ds.log_z):.5f}({float(ds.log_z_error):.5f}), exact {LOG_Z:.5f}",
        "pulls": ", ".join(f"{k} {v:+.1f}" for k, v in pulls.items()),
        "largest share": f"{float(ds.largest_share):.1e}",
        "k-hat": f"{float(ds.k_hat):.2f}",
        "phi2 of draws alone": f"{raw:.5f}, chains "
        f"{float(reference['value'].sel(quantity='phi2')):.5f}",
        "steps": int(result.history["step"][-1]),
        "parameters": sum(p.numel() for p in learned(model).parameters()),
        "CPU s": round(seconds),
        "one Gaussian a site, 20 s, reverse, forward": f"{float(poor.ess_reverse):.3f}, "
        f"{float(poor.ess_forward):.4f}",
    }
    share = float(ds.ess_share) if max(map(abs, pulls.values())) < 3 else 0.0
    return Row(share, "ESS", "one Gaussian a site", float(poor.ess_share), detail=detail)


@cache
def spins(beta):
    """20,480 configurations of cluster chains, and their <|m|>."""
    ds = run(SwendsenWang(), Ising(8, beta=beta), n_chains=256, n_draws=80, thin=5, seed=31,
             quiet=True, keep="configurations")  # fmt: skip
    return flat(ds), float(estimates(ds)["value"].sel(quantity="abs_magnetization"))


def raw_error(beta, budget, **options):
    """Relative errors of E and <|m|> of draws without weights."""
    target, (x, modulus) = Ising(8, beta=beta), spins(beta)
    model = for_target(target, "spin-vae", rng=1, **options)
    fit(model, ELBO(target, x), rng=1, budget=budget)
    drawn = np.asarray(model.sample(65_536, 3)[0])
    energy = float(np.mean(target.energy(drawn))) / 64
    m = float(np.abs(drawn.mean((1, 2))).mean())
    return energy / float(energy_per_site(beta, (8, 8))) - 1, m / modulus - 1


def ising_error():
    """Draws of x alone, trained by the evidence bound on configurations."""
    cases = {
        "convolution": ({}, BETAS),
        "dense": ({"net": "dense", "channels": 4}, BETAS),
        "convolution, prior N(0, 1)": ({"prior": "plain"}, (0.44,)),
    }
    found = {
        (name, beta): raw_error(beta, "25s", **options)
        for name, (options, betas) in cases.items()
        for beta in betas
    }
    worst = {
        name: max(abs(v) for (n, _), pair in found.items() if n == name for v in pair)
        for name in cases
    }
    detail = {
        f"{name}, beta = {beta}": f"E {e:+.2%}, |m| {m:+.2%}"
        for (name, beta), (e, m) in found.items()
    }
    detail |= {"CPU s": "25 for each beta"}
    return Row(worst["convolution"], "relative", "dense", worst["dense"], detail=detail)


FIGURES = [
    Figure("vae_phi4_ess", "VAE, phi^4 8x8, 90 CPU-s: ESS of pairs both ways; 0 unless log Z, <phi^2> and abs m lie within 3 errors", 0.95, phi4_ess, slow=True),
    Figure("vae_ising_error", "VAE, Ising 8x8, beta = 0.3, 0.44, 0.6: E and abs m of draws alone, worst", 0.05, ising_error, slow=True, at_most=True),
]  # fmt: skip

if __name__ == "__main__":
    main("latent", FIGURES, ["physgen", "torch", "numpy"], SOURCES)
