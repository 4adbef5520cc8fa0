"""Cases whose numbers were once wrong without a word, made anew from a seed.

A case returns "right", "warned" or "refused", all of which are well, or what is wrong.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import physgen as pg
from physgen.cli import main as physgen
from physgen.core.errors import InputError, PhysgenError
from physgen.core.protocols import REALS
from physgen.lattice import Hypercubic
from physgen.quantum import Born, MeasurementData, bit_flipped, mps_from_quimb, random_mps
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import direct_estimates

REFUSED = "refused"


def refused(call: Callable[[], Any]) -> str:
    """Refused is well; a result must carry a warning."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = call()
    except PhysgenError:
        return REFUSED
    return "warned" if getattr(found, "attrs", {}).get("warnings") else "wrong without a word"


# --- files --------------------------------------------------------------------------------------


def imported(folder: Path, *argv: str) -> MeasurementData | None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = physgen(["import-data", *argv, "--out", str(folder / "o.h5")])
    return MeasurementData.load(folder / "o.h5") if code == 0 else None


def shots(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(200, 900)), int(rng.integers(1, 7)))
    return rng.integers(0, 3, shape), rng.integers(0, 2, shape)


def integer_bases(seed: int, kind: str) -> str:
    """Integers 0, 1, 2 whose order nobody says; letters, and an order that is said, are read."""
    bases, bits = shots(seed)
    letters = np.array(list("ZXY"))[bases]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if kind == "npy":
            np.save(folder / "bits.npy", bits)
            np.save(folder / "bases.npy", bases)
            argv = [str(folder / "bits.npy"), "--bases", str(folder / "bases.npy")]
        else:
            named = {"bits": bits, "bases": letters if "letters" in kind else bases}
            if kind.startswith("npz"):
                np.savez(folder / "a.npz", **named)
                argv = [str(folder / "a.npz"), "--format", "bits"]
            else:
                import h5py

                with h5py.File(folder / "a.h5", "w") as file:
                    for name, x in named.items():
                        file[f"run/{name}"] = x.astype("S1") if x.dtype.kind == "U" else x
                argv = [str(folder / "a.h5"), "--format", "bits"]
        data = imported(folder, *argv)
        if data is None:
            return REFUSED
        same = np.array_equal(data.outcomes, bases + 3 * bits)
        return "right" if same and "letters" in kind else f"read as {data.povm.name}"


def nonlocal_gates(seed: int) -> str:
    import quimb
    import quimb.tensor as qtn

    rng = np.random.default_rng(seed)
    L = int(rng.integers(5, 9))
    psi = qtn.MPS_rand_state(L, 3, seed=seed)
    for _ in range(3):
        pair = tuple(int(i) for i in rng.choice(L, 2, replace=False))
        psi.gate_nonlocal_(quimb.CNOT(), pair, max_bond=8)
    dense = np.asarray(psi.to_dense()).ravel()
    try:
        ours = mps_from_quimb(psi).to_dense()
    except InputError:
        return REFUSED
    overlap = abs(np.vdot(ours, dense)) / np.linalg.norm(ours) / np.linalg.norm(dense)
    return "right" if overlap > 1 - 1e-8 else f"overlap {overlap:.3f}"


def unequal_settings(seed: int) -> str:
    """Bell and other states, settings chosen unequally, known readout error in the elements."""
    rng, state = np.random.default_rng(seed), random_mps(2, 2, seed)
    clean = Born(state, "pauli-6").sample(120_000, seed)
    code = (clean % 3) @ [3, 1]
    x = np.concatenate([clean[code == s][: int(rng.choice([60, 400, 4000]))] for s in range(9)])
    error = float(rng.uniform(0.01, 0.08))
    flips = rng.random(x.shape) < error
    x = (x % 3 + 3 * ((x // 3) ^ flips)).astype(np.uint8)
    frame = bit_flipped("pauli-6", error, error)
    data = MeasurementData(x, frame, settings=label_settings(x % 3) if seed % 2 else None)
    try:
        ds = direct_estimates(data, state)
    except InputError:
        return REFUSED
    pull = float((ds.fidelity_squared - 1) / ds.fidelity_squared_error)
    if abs(pull) < 4:
        return "right"
    return "warned" if ds.attrs.get("warnings") else f"fidelity off by {pull:.1f} errors"


# --- functions of users -------------------------------------------------------------------------


def small_integers(seed: int, kind: str) -> str:
    """Sums over more than 127 spins of one sign."""
    L = 12 + 2 * seed
    sums = {
        "einsum": lambda x: np.einsum("nij,nij->n", x, np.roll(x, 1, 1)),
        "matmul": lambda x: (x.reshape(len(x), 1, -1) @ x.reshape(len(x), -1, 1))[:, 0, 0],
        "tensordot": lambda x: np.tensordot(x, np.ones(x.shape[1:], x.dtype), 2),
    }
    plain = {
        "einsum": lambda x: (x * np.roll(x, 1, 1)).sum((1, 2)),
        "matmul": lambda x: (x * x).sum((1, 2)),
        "tensordot": lambda x: x.sum((1, 2)),
    }
    both = {"a": sums[kind], "b": lambda x: plain[kind](x.astype(float))}
    ds = pg.run(pg.HeatBath(), pg.Ising(L=L, beta=0.5), n_chains=64, n_draws=3, seed=seed,
                warmup=20, observables=both, quiet=True)  # fmt: skip
    return "right" if np.array_equal(ds["a"], ds["b"]) else "overflow"


def gaussian(spectrum: np.ndarray, seed: int) -> Any:
    n = len(spectrum)
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return quadratic(q * spectrum @ q.T)


def quadratic(K: np.ndarray) -> Any:
    return pg.as_target(
        lambda x: 0.5 * np.einsum("ni,ij,nj->n", x, K, x), len(K), force=lambda x: -x @ K
    )


def unbounded(seed: int, kind: str, n: int) -> str:
    rng = np.random.default_rng(seed)
    if kind == "axis":
        target = quadratic(np.diag(np.arange(n) != rng.integers(n)).astype(float))
    elif kind == "oblique":
        target = gaussian(np.r_[0, np.ones(n - 1)], seed)
    elif kind == "oblique, soft and stiff":
        target = gaussian(np.r_[0, np.geomspace(0.1, 10, n - 1)], seed)
    elif kind == "all but the sum":
        target = quadratic(np.ones((n, n)))
    elif kind == "massless":
        target = pg.as_target(
            lambda x: 0.5 * sum(((np.roll(x, -1, m) - x) ** 2).sum((1, 2)) for m in (1, 2)), (n, n),
            force=lambda x: sum(np.roll(x, s, m) - x for s in (-1, 1) for m in (1, 2)),
        )  # fmt: skip
    else:
        target = quadratic(-np.eye(n))
    return refused(
        lambda: pg.run(pg.HMC(), target, n_chains=64, n_draws=20, seed=seed, quiet=True)
    )


def complex_values(seed: int, kind: str) -> str:
    unit = 1j if kind != "none" else 0
    target = pg.as_target(
        lambda x: 0.5 * (x**2).sum(1) + (unit * x[:, 0] if kind == "action" else 0), 2 + seed,
        force=lambda x: -x * (1 + unit if kind == "force" else 1),
    )  # fmt: skip
    own = {"c": lambda x: x.sum(1) * unit} if kind == "observable" else None
    return refused(
        lambda: pg.run(pg.HMC(), target, n_chains=64, n_draws=5, seed=seed, observables=own)
    )


def symmetry(seed: int, kind: str) -> str:
    L = 3 + seed
    field = np.zeros((L, L))
    field[(0, 0) if kind != "z2" else ...] = 0.5

    def action(x: np.ndarray) -> np.ndarray:
        bonds = sum((x * np.roll(x, 1, m)).sum((1, 2)) for m in (1, 2))
        source = field * (x if kind == "z2" else x**2)
        return (3 * x**2 + x**4 + source).sum((1, 2)) - bonds

    def call() -> Any:
        target = pg.as_target(
            action, (L, L), lattice=Hypercubic((L, L)), symmetries=[kind],
            force=lambda x: -6 * x - 4 * x**3 - field * (1 if kind == "z2" else 2 * x) + sum(
                np.roll(x, s, m) for s in (-1, 1) for m in (1, 2)),
        )  # fmt: skip
        return pg.run(pg.HMC(), target, n_chains=64, n_draws=5, seed=seed, quiet=True)

    return refused(call)


def few_chains(seed: int, n: int) -> str:
    ds = pg.run(pg.HeatBath(), pg.Ising(L=4 + 2 * (seed % 3), beta=0.3), n_chains=n, n_draws=1,
                seed=seed, warmup=50, quiet=True)  # fmt: skip
    table = pg.estimates(ds)
    zero = [str(v) for v in table.data_vars
            if str(v).endswith("_error") and (np.asarray(table[v]) == 0).any()]  # fmt: skip
    return f"an error of 0: {', '.join(zero)}" if zero else "right"


class OneWell:
    """A normalised Gaussian about one of two wells."""

    event_shape, support = (2,), REALS

    def __init__(self, at: float, width: float) -> None:
        self.at, self.width = at, width

    def log_prob(self, x: Any) -> Any:
        """Return log q."""
        z = (np.asarray(x, float) - self.at) / self.width
        return -0.5 * (z**2).sum(-1) - 2 * math.log(self.width * math.sqrt(2 * math.pi))

    def sample(self, n: int, rng: Any) -> np.ndarray:
        """Draw n points."""
        from physgen.core.random import as_stream

        return self.at + self.width * as_stream(rng).numpy().standard_normal((n, 2))

    def sample_and_log_prob(self, n: int, rng: Any) -> tuple[np.ndarray, np.ndarray]:
        """Draw n points, with their log q."""
        x = self.sample(n, rng)
        return x, self.log_prob(x)


def wells(seed: int, a: float, width: float) -> str:
    target = pg.as_target(
        lambda x: -np.logaddexp(-((x - a) ** 2).sum(1) / 2, -((x + a) ** 2).sum(1) / 2), 2,
        lambda x: a * np.tanh(a * x.sum(1))[:, None] - x,
    )  # fmt: skip
    try:
        ds = pg.importance(OneWell(a, width), target, n=20_000, seed=seed)
    except PhysgenError:
        return REFUSED
    if ds.attrs["warnings"]:
        return "warned"
    off = (float(ds["log_z"]) - math.log(4 * math.pi)) / float(ds["log_z_error"])
    return "right" if abs(off) < 4 else f"log Z off by {off:.1f} errors"


def scan_point(seed: int) -> str:
    from physgen.workflow.loading import config_from_dict
    from physgen.workflow.run import run

    def estimates(folder: Path, beta: list[float]) -> Any:
        from physgen.results import open_run

        table = {
            "seed": seed, "target": {"name": "ising-2d", "L": 4, "beta": beta},
            "sampler": [{"name": "heat-bath", "n_draws": 20}],
        }  # fmt: skip
        run(config_from_dict(table), folder, until="validate")
        tree = open_run(folder)
        return tree["estimates"].to_dataset().sel(beta=0.4)

    with tempfile.TemporaryDirectory() as made:
        one = estimates(Path(made) / "one", [0.4])
        many = estimates(Path(made) / "many", [0.3, 0.4])
    names = [n for n in one.data_vars if one[n].dtype.kind == "f" and "cpu" not in str(n)]
    same = all(np.array_equal(one[n], many[n], equal_nan=True) for n in names)
    return "right" if same else "another number in the scan"


def cases(seed: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield a name and a call for every case of one seed."""
    for kind in ("npy", "npz", "npz letters", "h5", "h5 letters"):
        yield f"bases in {kind}", lambda k=kind: integer_bases(seed, k)
    yield "quimb, nonlocal gates", lambda: nonlocal_gates(seed)
    yield "unequal settings", lambda: unequal_settings(seed)
    for kind in ("einsum", "matmul", "tensordot"):
        yield f"int8, {kind}", lambda k=kind: small_integers(seed % 4, k)
    for kind, n in [
        ("axis", 3), ("axis", 60), ("oblique", 6), ("oblique", 100), ("all but the sum", 100),
        ("oblique, soft and stiff", 100), ("massless", 4), ("massless", 8), ("sign", 2), ("sign", 40),
    ]:  # fmt: skip
        n += seed % 3 if n < 10 else seed % 20
        yield f"unbounded: {kind}, {n}", lambda k=kind, n=n: unbounded(seed, k, n)
    for kind in ("action", "force", "observable"):
        yield f"complex {kind}", lambda k=kind: complex_values(seed % 5, k)
    for kind in ("z2", "translations", "point_group"):
        yield f"declared {kind}", lambda k=kind: symmetry(seed % 3, k)
    for n in (1, 9, 63):
        yield f"{n} chains of one draw", lambda n=n: few_chains(seed, n)
    for a, width in [(3.0, 1.0), (3.0, 2.0), (5.0, 1.0), (5.0, 1.5)]:
        yield f"wells at {a}, width {width}", lambda a=a, w=width: wells(seed, a, w)
    yield "a point of a scan", lambda: scan_point(seed)
