"""The house in numbers: files a newcomer edits, circles, imports, stopping, the suite, lines.

python workflows/benchmarks/house.py --fast | --train | --only KEY ... [--minutes M] [--json FILE]

Counted, not judged.  For the first four figures a throw-away is added to a copy of the tree as
CONTRIBUTING says, a config names it and is run, and the files that had to be edited are counted;
what they hold is in house_newcomers.py.  The time of the suite is given with ``--minutes``, or
measured by ``make test`` on an idle machine.
"""

from __future__ import annotations

import argparse
import ast
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness import Figure, Row, main
from house_newcomers import NEWCOMERS, add

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "physgen"
BEFORE = "b7d1cae"  # the last commit before the house was rebuilt
ENVIRONMENT = {
    name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
}


# --- newcomers ------------------------------------------------------------------------------


def files_of_a_new(what: str) -> Row:
    """Existing files to edit so that a config can name a new one."""
    edited, added = add(ROOT, NEWCOMERS[what])
    detail = {"edited": ", ".join(edited) or "none", "added": ", ".join(added)}
    return Row(len(edited), "files", detail=detail)


# --- circles --------------------------------------------------------------------------------


def file_circles() -> Row:
    """Groups of files that import one another, deferred and typing imports counted."""
    circles = [" - ".join(sorted(group)) for group in components(imports()) if len(group) > 1]
    return Row(len(circles), "circles", detail={str(k): c for k, c in enumerate(circles, 1)})


def imports() -> dict[str, set[str]]:
    """Return the modules that each module of the package imports, wherever it does so."""
    files = {module_of(p): p for p in sorted(PACKAGE.rglob("*.py"))}
    exports = {module_of(p): exported(p) for p in PACKAGE.rglob("__init__.pyi")}
    graph = {}
    for name, path in files.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    there = exports.get(node.module, {}).get(alias.name, node.module)
                    found.add(inner if inner in files else there)
        graph[name] = (found & files.keys()) - {name}
    return graph


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exported(stub: Path) -> dict[str, str]:
    """Return where the names come from that a package exports: exports are imports of it."""
    package = module_of(stub)
    nodes = ast.parse(stub.read_text(encoding="utf-8")).body
    return {
        alias.asname or alias.name: f"{package}.{node.module}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def components(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Yield the strongly connected components of a graph (Kosaraju's two walks)."""
    order: list[str] = []
    reverse: dict[str, set[str]] = {node: set() for node in graph}
    for node, others in graph.items():
        for other in others:
            reverse[other].add(node)
    seen: set[str] = set()
    for start in graph:
        order += walk(graph, start, seen)
    seen = set()
    for start in reversed(order):
        if start not in seen:
            yield set(walk(reverse, start, seen))


def walk(graph: dict[str, set[str]], start: str, seen: set[str]) -> list[str]:
    """Return what can be reached from `start` and was not seen, in the order it is left."""
    left: list[str] = []
    stack = [(start, iter(graph[start]))] if start not in seen else []
    seen.add(start)
    while stack:
        node, others = stack[-1]
        following = next((other for other in others if other not in seen), None)
        if following is None:
            left.append(node)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(graph[following])))
    return left


# --- imports and stopping -------------------------------------------------------------------

SAMPLING = """
seed = 1
[target]
name = "ising-2d"
L = 4
beta = 0.4
[[sampler]]
name = "heat-bath"
n_draws = 20
"""
# Times every outermost import, and ends the process where the first stage would begin.
STOPWATCH = """
import importlib._bootstrap as bootstrap, os, sys, time
seconds, depth, find = 0.0, 0, bootstrap._find_and_load
def timed(*arguments):
    global seconds, depth
    depth, begun = depth + 1, time.process_time()
    try:
        return find(*arguments)
    finally:
        depth -= 1
        seconds += 0 if depth else time.process_time() - begun
bootstrap._find_and_load = timed
from physgen.cli import main
import physgen.workflow.run as run
def begin(*arguments, **options):
    print(seconds, time.process_time(), flush=True)
    os._exit(0)
run._compute = begin
sys.exit(main(sys.argv[1:]))
"""


def import_run_s() -> Row:
    """CPU of imports of `physgen run` before its first stage; the median of seven processes."""
    imports_, whole = [], []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text(SAMPLING)
        for k in range(8):  # the first one writes the compiled files of Python
            out = str(Path(folder) / str(k))
            command = [sys.executable, "-c", STOPWATCH, "run", str(config), "--out", out]
            done = subprocess.run(
                command, env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(f"physgen run ended before its first stage:\n{done.stderr}")
            times = done.stdout.split()
            imports_.append(float(times[-2]))
            whole.append(float(times[-1]))
    detail = {"the whole process until then, CPU s": f"{statistics.median(whole[1:]):.2f}"}
    return Row(statistics.median(imports_[1:]), "CPU s", detail=detail)


# Small lattices and one long stage each: the lengths are far beyond what the waits allow.
LATTICE = """
seed = 1
[target]
name = "phi4-2d"
L = {L}
convention = "unhalved"
m2 = -4.0
lam = 6.975
[[sampler]]
name = "hmc"
n_draws = {n_draws}
thin = {thin}
[[model]]
family = "equivariant-cnf"
features = 3
frequencies = 4
times = 3
train = {{ n_epochs = {n_epochs}, draws_per_epoch = 2560, n_validation = 256 }}
[importance]
n_draws = {n_weighted}
ess_floor = 0.1
[smc]
n_particles = {n_particles}
"""
SHORT = {"L": 4, "n_draws": 60, "thin": 1, "n_epochs": 1, "n_weighted": 6400,
         "n_particles": 0}  # fmt: skip
LONG_STAGES = {
    "chains": ("sample", SHORT | {"L": 16, "n_draws": 200_000, "thin": 50}),
    "particles": ("sample", SHORT | {"L": 16, "n_particles": 4096}),
    "train": ("train", SHORT | {"L": 8, "n_epochs": 100_000}),
    "draw": ("draw", SHORT | {"L": 8, "n_weighted": 50_000_000}),
    "validate": ("validate", SHORT | {"n_draws": 20_000, "n_weighted": 200_000}),
}
WAITS = (0.3, 1.0, 3.0)  # seconds into the stage


def stop_s() -> Row:
    """Seconds from SIGTERM to the exit of the process, the worst over stages and moments."""
    worst = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, (stage, lengths) in LONG_STAGES.items():
            config = Path(folder) / f"{case}.toml"
            config.write_text(LATTICE.format(**lengths))
            runs = (stopped(config, Path(folder) / f"{case}{w}", stage, w) for w in WAITS)
            worst[case] = max(runs)
    detail = {stage: f"{seconds:.2f}" for stage, seconds in worst.items()}
    return Row(max(worst.values()), "s", detail=detail)


def stopped(config: Path, out: Path, stage: str, wait: float) -> float:
    """Run a config, send SIGTERM `wait` seconds into a stage, and time the rest of its life."""
    command = [sys.executable, "-m", "physgen", "run", str(config), "--out", str(out)]
    told = out.with_suffix(".log")
    with told.open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        )
        begun = time.monotonic()
        while not any(line.startswith(stage) for line in told.read_text().splitlines()):
            if process.poll() is not None or time.monotonic() - begun > 600:
                process.kill()
                raise SystemExit(f"the run did not come to {stage}:\n{told.read_text()}")
            time.sleep(0.02)
        time.sleep(wait)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait()
    if process.returncode == 0 or "stopped by SIGTERM" not in told.read_text():
        raise SystemExit(
            f"{stage} had ended before the signal; make it longer:\n{told.read_text()}"
        )
    return time.monotonic() - sent


# --- the suite and the lines ----------------------------------------------------------------


def test_minutes() -> Row:
    """Wall time of `make test`, as given or as measured now."""
    if MINUTES is not None:
        return Row(MINUTES, "min", detail={"cores": os.cpu_count(), "measured": "beforehand"})
    begun = time.monotonic()
    done = subprocess.run(["make", "test"], cwd=ROOT, capture_output=True, text=True, check=False)
    minutes = (time.monotonic() - begun) / 60
    last = (done.stdout.strip().splitlines() or ["no output"])[-1]
    if done.returncode:
        raise SystemExit(f"make test failed, so its time says nothing: {last}")
    return Row(minutes, "min", detail={"cores": os.cpu_count(), "pytest": last})


def lines_package() -> Row:
    """Lines of Python in the package, now and before."""
    done = subprocess.run(
        ["git", "grep", "-c", "", BEFORE, "--", "physgen/*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    before = sum(int(line.rsplit(":", 1)[1]) for line in done.stdout.splitlines())
    files = list(PACKAGE.rglob("*.py"))
    now = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    detail = {
        "files": len(files),
        "before": f"{before:,} lines in {len(done.stdout.splitlines())}",
    }
    return Row(now, "lines", BEFORE, before, before / now, detail)


parser = argparse.ArgumentParser(add_help=False)
parser.add_argument("--minutes", type=float, metavar="M")
MINUTES = None
NEW = "Existing files to edit for a new {}, docs and tests aside"
FIGURES = [
    *(
        Figure(f"files_new_{what}", NEW.format(what), goal, lambda w=what: files_of_a_new(w),
               at_most=True)
        for what, goal in (("family", 2), ("system", 0), ("sampler", 1), ("figure", 1))
    ),
    Figure("file_circles", "Circles among files, deferred imports counted", 1, file_circles,
           at_most=True),
    Figure("test_minutes", "`make test`, wall time on 2 idle cores", 6, test_minutes, slow=True,
           at_most=True),
    Figure("import_run_s", "Imports of `physgen run` before its first stage, a config that samples",
           1.0, import_run_s, at_most=True),
    Figure("stop_s", "SIGTERM to exit in any stage of a lattice run, worst", 2, stop_s, slow=True,
           at_most=True),
    Figure("lines_package", "Lines of physgen, reported without a goal", float("inf"),
           lines_package, at_most=True),
]  # fmt: skip

if __name__ == "__main__":
    options, rest = parser.parse_known_args()
    MINUTES = options.minutes
    sys.argv[1:] = rest
    main("house", FIGURES, ["physgen", "pytest"], ["."])
