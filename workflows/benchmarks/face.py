"""What people see: the demo and its choice, tables and pages of any width, contrast, help.

python workflows/benchmarks/face.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import functools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from harness import Figure, Row, main

from physgen import models
from physgen.core.arrays import to_numpy
from physgen.quantum import TFIM, Born, ground_state
from physgen.results import open_run
from physgen.workflow.figures import drawn
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run
from physgen.workflow.tables import summarize

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from helpers import contrast
from helpers.browser import BROWSER, looked_at
from helpers.terminal import numbers_missing

DEMO = ROOT / "workflows" / "state_reconstruction" / "config.toml"
WIDTHS, COLUMNS = (400, 768, 1280), (50, 80)
DATA_SETS, FRESH, NEAR = 20, 20_000, 0.002  # of demo_choice; nat

LABORATORY = """
seed = 1
[system]
L = 4
[data]
n_shots = 2000
povm = "pauli-6"
[[model]]
family = "gru"
hidden = 8
layers = 1
[[model]]
family = "mps"
bond = 4
[train]
n_epochs = 8
[errors]
refits = 3
[tomography]
target = "ghz"
"""
SCAN = """
seed = 1
[target]
name = "ising-2d"
L = [8, 16]
beta = [0.40, 0.43, 0.44, 0.45, 0.48]
[[sampler]]
name = "swendsen-wang"
n_draws = 200
[[sampler]]
name = "heat-bath"
n_draws = 200
"""
MODELS = """
seed = 1
[target]
name = "phi4-2d"
L = 4
convention = "unhalved"
m2 = -4.0
lam = [6.975, 8.0]
[[sampler]]
name = "auto"
n_draws = 300
[[model]]
family = "equivariant-cnf"
train = { budget = "6s" }
[[model]]
family = "coupling-flow"
train = { budget = "6s" }
[importance]
n_draws = 4000
ess_floor = 0.001
[smc]
n_particles = 256
"""


@functools.cache
def _runs() -> dict[str, Path]:
    """Return a finished run of each kind."""
    folder = Path(tempfile.mkdtemp())
    found = {}
    for name, text in (("reconstruction", LABORATORY), ("scan", SCAN), ("models", MODELS)):
        found[name] = run(config_from_dict(tomllib.loads(text)), folder / name)
    return found


def cut_numbers() -> Row:
    """Numbers that a terminal or a browser does not show whole."""
    lost: dict[str, int] = {}
    seen = 0
    for name, folder in _runs().items():
        summary = summarize(open_run(folder))
        for columns in COLUMNS:
            lost[f"{name}, {columns} columns"] = len(numbers_missing(summary, columns))
        for width in WIDTHS:
            for scheme in ("light", "print"):
                found = looked_at(folder / "report.html", width, scheme)
                seen += found["cells"]
                lost[f"{name}, {width} px, {scheme}"] = len(found["lost"]) + found["wide"]
    detail: dict[str, Any] = {where: n for where, n in lost.items() if n}
    return Row(sum(lost.values()), "numbers", detail=detail | {"cells looked at": seen})


def contrast_min() -> Row:
    """The smallest contrast of a line, a marker or a text against its ground."""
    least: dict[str, tuple[float, str]] = {}
    for name, folder in _runs().items():
        for figure, drawing in drawn(open_run(folder)):
            parts = ((value, what) for what, value in contrast.drawn(drawing))
            least[f"{name}, {figure.name}"] = min(parts)
        for scheme in ("light", "dark", "print"):
            page = looked_at(folder / "report.html", 1280, scheme)
            least[f"{name}, page, {scheme}"] = (page["least"], page["where"])
    worst = min(least, key=lambda where: least[where][0])
    detail = {"where": f"{worst}: {least[worst][1]}", "figures and pages": len(least)}
    return Row(least[worst][0], "ratio", detail=detail)


def report_cpu_s() -> Row:
    """CPU of the report stage of a small run: the whole process, imports too; the slowest kind."""
    found = {name: _cpu("report", str(folder)) for name, folder in _runs().items()}
    detail = {name: f"{seconds:.1f}" for name, seconds in found.items()}
    return Row(max(found.values()), "CPU s", detail=detail)


def help_cpu_s() -> Row:
    """CPU of `physgen --help`, the median of seven."""
    return Row(statistics.median(_cpu("--help") for _ in range(7)), "CPU s")


def demo_cpu_s() -> Row:
    """CPU of `make demo` after the install: every stage, and the report."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = _cpu("run", str(DEMO), "--out", str(Path(folder) / "demo"))
        tree = open_run(Path(folder) / "demo")
        chosen = tree["selection"]["candidate"].values[int(tree["selection"].attrs["chosen"])]
        fidelity = float(tree["validation"]["fidelity"][0])
    return Row(seconds, "CPU s", detail={"model kept": str(chosen), "F_c": f"{fidelity:.5f}"})


def _cpu(*arguments: str) -> float:
    """Return the CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "physgen", *arguments], check=True, capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def demo_choice() -> Row:
    """How often the demo keeps the model that is nearer to the truth, or one as near."""
    table = tomllib.loads(DEMO.read_text())
    L = table["system"]["L"]
    state = ground_state(TFIM(L), chi_max=table["state"]["chi_max"])
    truth = Born(state, "pauli-4")
    fresh = truth.sample(FRESH, 2**31)
    log_p = truth.log_prob(fresh)
    right, lines, clear = 0, [], 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.npz"
        state.save(file)
        for seed in range(DATA_SETS):
            config = table | {"seed": 1000 + seed, "state": {"file": str(file)}}
            out = run(config_from_dict(config), Path(folder) / f"both{seed}", until="train")
            selection = open_run(out)["selection"].to_dataset()
            kept = int(selection.attrs["chosen"])
            other = 1 - kept
            alone = config | {"model": table["model"][other]}
            away = run(config_from_dict(alone), Path(folder) / f"one{seed}", until="train")
            kl = [_log_q(path, fresh) for path in (out, away)]
            behind = float(np.mean(kl[1] - kl[0]))  # log q of the other over that of the one kept
            right += behind <= NEAR
            clear += float(selection["behind"].max()) > 3 * float(selection["behind_error"].max())
            d = [float(np.mean(log_p - q)) for q in kl]
            lines.append(f"{table['model'][kept]['family']} {d[0]:.4f} ({d[1]:.4f})")
    detail = {"kept, its KL (of the other)": "; ".join(lines), "chosen by three errors": clear}
    return Row(right / DATA_SETS, "share", detail=detail | {"data sets": DATA_SETS})


def _log_q(folder: Path, outcomes: np.ndarray) -> np.ndarray:
    model = models.from_dataset(open_run(folder)["model"].to_dataset())
    return to_numpy(model.log_prob(outcomes))


FIGURES = [
    Figure("demo_choice", "Share of data sets in which the demo keeps the model of smaller KL, or "
           "one within 0.002 nat of it", 0.9, demo_choice, slow=True),
    Figure("demo_cpu_s", "`make demo` after the install", 180, demo_cpu_s, slow=True,
           at_most=True),
    Figure("cut_numbers", "Numbers cut or hidden: tables at 50 and 80 columns, pages at 400, 768 "
           "and 1280 px and printed, three kinds of run", 0, cut_numbers, at_most=True,
           needs=Path(BROWSER or "chromium")),
    Figure("report_cpu_s", "Report of a small run", 5, report_cpu_s, at_most=True),
    Figure("contrast_min", "Smallest contrast of a line, marker or text, figures and pages, light, "
           "dark and printed", 3, contrast_min, needs=Path(BROWSER or "chromium")),
    Figure("help_cpu_s", "`physgen --help`", 0.35, help_cpu_s, at_most=True),
]  # fmt: skip

if __name__ == "__main__":
    main("face", FIGURES, ["physgen", "numpy", "torch", "matplotlib"],
         ["workflow", "plotting", "cli", "quantum", "models", "training"])  # fmt: skip
