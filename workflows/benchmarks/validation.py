"""Comparing samples: speed of the tests, what they find, and how often they raise false alarms.

python workflows/benchmarks/validation.py --fast | --train | --only KEY ... [--json FILE]

POT, the peer of the sliced distance, is an extra: `pip install POT`.  Without it the peer is the
same distance written with numpy alone, and the row says so.
"""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
from harness import Figure, Row, interleaved, main
from scipy import stats

from physgen import (
    HMC,
    FreeField,
    Phi4,
    Phi4Cluster,
    ReverseKL,
    fit,
    for_target,
    importance,
    run,
)
from physgen.training import recipe
from physgen.validation import (
    c2st,
    memorisation,
    mmd2,
    ratio_divergences,
    relative_entropy,
    sliced_w2,
    stein_identities,
    two_sample,
)

ROOT = Path(__file__).resolve().parents[2]
N, D, WIDTHS = 10_000, 1024, 5
NEAR = Phi4.from_hopping(L=16, kappa=0.27, lam=0.022)
ALARM_LEVEL = 0.01


@lru_cache(maxsize=1)
def pair():
    """Two sets of 10^4 normals in 1024 dimensions."""
    g = np.random.default_rng(0)
    return tuple(g.standard_normal((N, D), dtype=np.float32) for _ in range(2))


def mmd_gemms():
    """Unbiased MMD^2 in five widths, in matrix products of the same size; interleaved."""
    x, y = pair()

    def naive():  # 2,000 + 2,000 points, one exponential a width, all blocks
        a, b = x[:2000], y[:2000]
        for u, v in ((a, a), (b, b), (a, b)):
            squares = (u * u).sum(1)[:, None] + (v * v).sum(1) - 2 * u @ v.T
            for width in range(WIDTHS):
                np.exp(squares * np.float32(-0.5 / (4096 / 2**width))).sum()

    room = np.empty((N, N), np.float32)  # a new one would cost the product a third more
    ours, product = interleaved(
        lambda: mmd2(x, y, 4096.0), lambda: np.matmul(x, y.T, out=room), repeats=5
    )
    small_room = room[:2000, :2000].copy()
    slow, small = interleaved(
        naive, lambda: np.matmul(x[:2000], y[:2000].T, out=small_room), repeats=5
    )
    few = [a[:1000] for a in (x, y)]
    off = np.abs(mmd2(*few, 4096.0) - mmd2(*(a.astype(np.float64) for a in few), 4096.0)).max()
    detail = {
        "seconds": round(ours, 2),
        "seconds of the product": round(product, 2),
        "off from float64, n = 1000": f"{off:.1e}",
        "least possible": "2 (two halves and a block)",
    }
    return Row(
        ours / product,
        "products",
        "numpy, naive",
        slow / small,
        slow / small * product / ours,
        detail,
    )


def sliced_ratio():
    """Sliced W_2, 1,000 projections, over POT (or numpy, a projection at a time)."""
    x, y = pair()
    P = 1000
    if importlib.util.find_spec("ot"):
        import ot

        peer, name = (
            (lambda: ot.sliced_wasserstein_distance(x, y, n_projections=P, seed=1)),
            f"POT {ot.__version__}",
        )
    else:

        def peer():
            g = np.random.default_rng(1)
            total = 0.0
            for _ in range(P):
                t = g.standard_normal(D).astype(np.float32)
                t /= np.linalg.norm(t)
                total += float(((np.sort(x @ t) - np.sort(y @ t)) ** 2).mean())
            return math.sqrt(total / P)

        name = "numpy, a projection at a time"
    ours, theirs = interleaved(lambda: sliced_w2(x, y, n_projections=P, rng=1), peer, repeats=5)
    theta = np.random.default_rng(1).standard_normal((P, D), dtype=np.float32)
    (floor,) = interleaved(lambda: (theta @ x.T, theta @ y.T), repeats=5)
    detail = {
        "ours, s": round(ours, 3),
        "both matrix products alone, s": round(floor, 3),
        "values": f"{sliced_w2(x, y, n_projections=P, rng=1):.4f} and {float(peer()):.4f}",
    }
    return Row(theirs / ours, "ratio", name, theirs, theirs / ours, detail)


@lru_cache(maxsize=4)
def unthermalised(n, seed):
    """N configurations after 129 trajectories from a hot start."""
    move = HMC(trajectory_length=1.0, step_size=0.1, jitter=0.0)
    ds = run(move, NEAR, n_chains=n, n_draws=1, thin=129, warmup=0, seed=seed, start="hot",
             keep="configurations", quiet=True)  # fmt: skip
    return ds["configurations"].values


@lru_cache(maxsize=2)
def converged(seed):
    """4,032 configurations of 64 chains of a cluster algorithm."""
    ds = run(Phi4Cluster(), NEAR, n_chains=64, n_draws=63, thin=20, seed=seed,
             keep="configurations", quiet=True)  # fmt: skip
    return ds["configurations"].values


def power_z():
    """Z of |m| on the unthermalised set, n = 1,000, against 4,032 converged configurations."""
    reference = converged(12)
    z, p = [], {}
    tests = ("observables", "ks", "mmd", "sliced-w2", "energy-distance", "c2st", "c2st-raw")
    for seed in range(4):
        found = two_sample(unthermalised(4000, 11)[1000 * seed :][:1000], reference, target=NEAR,
                           tests=tests, rng=seed)  # fmt: skip
        z.append(abs(float(found["z"].sel(observable="abs_magnetization"))))
        for name in tests:
            p.setdefault(name, []).append(float(found["p_value"].sel(test=name)))
    few = two_sample(unthermalised(4000, 11)[:1000], converged(12)[:, :16], target=NEAR,
                     tests=("observables",), rng=1)  # fmt: skip
    detail = {"z of each set": ", ".join(f"{each:.1f}" for each in z)}
    detail |= {f"p of {name}": ", ".join(f"{v:.2g}" for v in values) for name, values in p.items()}
    z_few = abs(float(few["z"].sel(observable="abs_magnetization")))
    detail["z against 1,024 only"] = round(z_few, 1)
    return Row(min(z), "sigma", detail=detail)


def null_false_alarms():
    """False alarms of all tests on 300 pairs of equal samples: the least binomial p-value."""
    target = FreeField(L=4, m2=0.5)
    tests = ("observables", "ks", "mmd", "mmd-features", "sliced-w2", "energy-distance", "c2st",
             "stein", "kernel-stein")  # fmt: skip
    p = np.array([
        two_sample(target.sample(300, i), target.sample(300, 10_000 + i), target=target, rng=i,
                   n_permutations=99, tests=tests)["p_value"].values
        for i in range(300)
    ])  # fmt: skip
    alarms = (p <= ALARM_LEVEL).sum(axis=0)
    worst = [
        stats.binomtest(int(a), 300, ALARM_LEVEL, alternative="greater").pvalue for a in alarms
    ]
    detail = {name: f"{a} of 300 below 1 %" for name, a in zip(tests, alarms)}
    return Row(float(min(worst)), "p-value", detail=detail)


def stein_power():
    """Z of Stein identities on the unthermalised set, without any reference: n = 1,000."""
    names = ("k = (0, 0)", "zero mode, w = 0.71", "sum")
    found = [stein_identities(unthermalised(4000, 11)[1000 * i :][:1000], NEAR) for i in range(4)]
    z = {name: [float(ds["z"].sel(identity=name)) for ds in found] for name in names}
    whole = stein_identities(unthermalised(4000, 11), NEAR)
    good = stein_identities(converged(12), NEAR)
    detail = {f"z of {name}": ", ".join(f"{v:.1f}" for v in values) for name, values in z.items()}
    detail |= {
        "joint p": ", ".join(f"{float(ds['p_value']):.1g}" for ds in found),
        "n = 4,000": ", ".join(
            f"{name} {float(whole['z'].sel(identity=name)):.1f}" for name in names
        ),
        "4,032 converged": f"joint p = {float(good['p_value']):.2f}",
    }
    best = [max(a, b) for a, b in zip(z["k = (0, 0)"], z["zero mode, w = 0.71"])]
    return Row(min(best), "sigma", "sum phi F + V alone", float(np.mean(z["sum"])), detail=detail)


def ratio_kl_error():
    """Classifier-ratio KL of N(0, 1) and N(0.25, 1), d = 16, where 1/2 is exact; n = 10^5."""
    g = np.random.default_rng(5)
    x, y = g.standard_normal((100_000, 16)), 0.25 + g.standard_normal((100_000, 16))
    found = ratio_divergences(x, y, rng=1)
    trees = ratio_divergences(x[:20_000], y[:20_000], classifier="gbt", rng=1)
    kl = [found.kl_samples_reference, found.kl_reference_samples]
    error = max(abs(each.value - 0.5) for each in kl)
    detail = {
        "D(p||q), D(q||p)": ", ".join(f"{e.value:.4f}({e.error:.4f})" for e in kl),
        "F_c": f"{found.fidelity.value:.4f} (exact {math.exp(-0.125):.4f})",
        "E_q[p/q]": f"{found.normalisation.value:.4f}",
        "boosted trees, n = 2 10^4": f"{trees.kl_samples_reference.value:.3f}",
    }
    return Row(error, "nat", detail=detail)


def quality_axis_nats():
    """KL of 0.01 p + 0.99 noise, whose C2ST is near 1; and a memoriser, the reverse."""
    target = FreeField(L=8, m2=0.5)
    g = np.random.default_rng(6)
    n = 4000
    x = target.sample(n, 1)
    scale = 3.0

    def log_q(a):
        V = a[0].size
        noise = (
            -0.5 * (a**2).sum((1, 2)) / scale**2
            - V * math.log(scale)
            - V / 2 * math.log(2 * math.pi)
        )
        return np.logaddexp(math.log(0.01) + target.log_prob(a), math.log(0.99) + noise)

    loss = relative_entropy(target.log_prob(x), log_q(x))
    poor = np.where(
        g.random((n, 1, 1)) < 0.01, target.sample(n, 2), scale * g.standard_normal((n, 8, 8))
    )
    told = c2st(features(poor), features(target.sample(n, 3)), rng=1)
    training, held_out = target.sample(1000, 4), target.sample(1000, 5)
    copies = training[g.permutation(1000)]  # each one once, or a classifier sees the repetition
    seen = c2st(features(copies), features(held_out), rng=1)
    caught = memorisation(copies, training, held_out)
    detail = {
        "limit": "log 100 = 4.6052 nat",
        "C2ST of the mixture": f"{told.accuracy:.3f}({told.error:.3f})",
        "nats a site": f"{loss.value / 64:.3f}",
        "C2ST of the memoriser": f"{seen.accuracy:.3f}({seen.error:.3f})",
        "its held-out NLL": "infinite",
        "copies": f"{caught.copies:.0%}",
        "closer to training": f"{caught.closer:.2f}",
    }
    shown = loss.value <= math.log(100) + 1e-9 and told.accuracy >= 0.98
    return Row(loss.value if shown else math.inf, "nat", detail=detail)


def features(x):
    """phi^2, |m| and neighbour products of configurations."""
    bonds = (x * np.roll(x, 1, 1) + x * np.roll(x, 1, 2)).mean((1, 2))
    return np.stack([(x**2).mean((1, 2)), np.abs(x.mean((1, 2))), bonds], axis=1)


def lecture_examples():
    """Share of the worked examples of lectures that hold."""
    spec = importlib.util.spec_from_file_location(
        "lecture_examples", ROOT / "tests/validation/test_lecture_examples.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    failed = []
    for example in module.EXAMPLES:
        try:
            example()
        except AssertionError:
            failed.append(example.__name__)
    total = len(module.EXAMPLES)
    return Row(
        1 - len(failed) / total,
        "share",
        detail={"examples": total, "failed": ", ".join(failed) or "none"},
    )


def ar_phi4_ess():
    """Smaller ESS of autoregressive mixtures, trained without data; MAF of the same sites beside."""
    target = Phi4.from_unhalved(L=8, m2=-4.0, lam=8.0)
    draws = run(Phi4Cluster(), target, n_chains=64, n_draws=64, thin=10, seed=77, quiet=True,
                keep="configurations")  # fmt: skip
    x = draws["configurations"].values.reshape(-1, 8, 8)
    shares, detail = {}, {}
    for family, options in (("mixture-net", {}), ("zuko-flow", {"flow": "maf"})):
        found = []
        for seed in (1, 2):
            model = for_target(target, family, rng=seed, **options)
            fit(model, ReverseKL(target, rng=seed), recipe(family), rng=seed, budget="60s")
            found.append(importance(model, target, 16_384, seed, samples=x, ess_floor=1.0))
        name = "MAF" if options else "mixtures"
        shares[name] = [float(d.ess_share) for d in found]
        detail |= {
            f"{name}, reverse": ", ".join(f"{float(d.ess_reverse):.4f}" for d in found),
            f"{name}, forward": ", ".join(f"{float(d.ess_forward):.4f}" for d in found),
            f"{name}, log Z": ", ".join(
                f"{float(d.log_z):.4f}({float(d.log_z_error):.4f})" for d in found
            ),
        }
    detail["log Z, longest flow"] = "9.29136"
    ours, maf = min(shares["mixtures"]), max(shares["MAF"])  # our worse seed, its better one
    return Row(ours, "ESS", "MAF (zuko)", maf, ours / maf, detail)


def comparison_minutes():
    """Wall minutes of the three comparisons at toy size, two at a time, as on two cores."""
    folder = ROOT / "workflows/family_comparison"

    def compared(config, out):
        command = [sys.executable, "-m", "physgen", "run", str(folder / config), "--out", out]
        begun = time.monotonic()
        subprocess.run([*command, "--quiet", "--set", "train.budget=3s"], check=True,
                       capture_output=True)  # fmt: skip
        return time.monotonic() - begun

    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(2) as pool:
        begun = time.monotonic()
        configs = ("config.toml", "ising.toml", "tfim.toml")
        spent = list(pool.map(lambda c: compared(c, f"{place}/{c}"), configs))
        minutes = (time.monotonic() - begun) / 60
    each = dict(zip(("phi^4", "Ising", "TFIM"), (f"{s / 60:.1f}" for s in spent)))
    return Row(minutes, "min", detail={**each, "training": "3 s of each model"})


FIGURES = [
    Figure("comparison_minutes", "Comparison of 25 families at toy size, three systems, 2 cores, wall", 10, comparison_minutes, at_most=True, slow=True),
    Figure("mmd_gemms", "Unbiased MMD^2, 10^4 + 10^4 x 1024, 5 widths, in products of that size", 2.5, mmd_gemms, at_most=True),
    Figure("sliced_ratio", "Sliced W_2, 1,000 projections, 10^4 + 10^4 x 1024, over the peer", 10, sliced_ratio),
    Figure("power_z", "z of abs m, unthermalised phi^4 16x16, n = 1000, worst of 4 sets", 6, power_z),
    Figure("null_false_alarms", "300 pairs of equal samples: p-value that no test has too many alarms at 1 %, worst test", 1e-3, null_false_alarms, slow=True),
    Figure("stein_power", "The same sets, low-momentum Stein z without a reference, worst of 4", 3, stein_power, stretch=6),
    Figure("ratio_kl_error", "KL from a held-out classifier ratio, d = 16, n = 10^5, exact 0.5", 0.1, ratio_kl_error, at_most=True),
    Figure("quality_axis_nats", "KL of 0.01 p + 0.99 noise, with C2ST near 1; memoriser: the reverse", 4.6052, quality_axis_nats, at_most=True),
    Figure("ar_phi4_ess", "Autoregressive mixtures, phi^4 8x8, m2 = -4, lam = 8, 60 CPU s: smaller ESS, worst of 2 seeds", 0.98, ar_phi4_ess, slow=True),
    Figure("lecture_examples", "Worked examples of lectures that hold", 1.0, lecture_examples),
]  # fmt: skip

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    main(
        "validation",
        FIGURES,
        ["physgen", "numpy", "numba", "scipy", "scikit-learn"],
        ["validation", "analysis", "kernels/cpu/mmd.py", "kernels/cpu/transport.py"],
    )
