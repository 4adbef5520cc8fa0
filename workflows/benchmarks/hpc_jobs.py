"""Rows of hpc.py: shares, deaths, a campaign with kills, cold caches, merging a thousand runs."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Figure, Row
from house import ENVIRONMENT, LATTICE, LONG_STAGES, ROOT, WAITS, stopped

SCAN = """
seed = 4
[target]
name = "ising-2d"
L = [4, 6]
beta = [0.3, 0.4, 0.5]
[sampler]
name = "swendsen-wang"
n_draws = 50
[model]
family = "coloured-net"
hidden = 4
[train]
n_epochs = 1
draws_per_epoch = 256
n_validation = 64
[importance]
n_draws = 1024
"""
CAMPAIGN = """
seed = 9
[target]
name = "ising-2d"
L = 4
beta = {{ start = 0.1, stop = 0.6, n = {n} }}
[sampler]
name = "heat-bath"
n_draws = 20
"""
RECONSTRUCTION = """
seed = 1
[system]
L = {L}
[data]
n_shots = {n_shots}
[model]
family = "{family}"
[train]
n_epochs = {n_epochs}
[errors]
refits = {refits}
[sample]
n_samples = {n_samples}
"""
QUICK = {"L": 8, "n_shots": 500, "family": "lstm", "n_epochs": 1, "refits": 0, "n_samples": 500}
LONG_RECONSTRUCTIONS = {
    "train": ("train", QUICK | {"n_epochs": 100_000}),
    "refit": ("refit", QUICK | {"n_epochs": 50, "refits": 500}),
    "sample": ("sample", QUICK | {"L": 40, "n_samples": 5_000_000}),
}
N_CAMPAIGN, KILLED = 200, 0.05
ROUNDS, PROCESSES = 20, 8
N_MERGED = 1000


def physgen(*arguments: str, **variables: str) -> None:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "physgen", *arguments], capture_output=True, text=True, check=False,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"physgen {' '.join(arguments)} failed:\n{done.stderr}")


def load() -> str:
    """Return how busy the machine is: times of processes are to be read with it."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def equal_share(a: Path, b: Path) -> tuple[float, int]:
    """Return the share of data sets, clocks aside, that are equal byte for byte; and how many."""
    from helpers.runs import CLOCKS

    from physgen.results import open_run

    trees = [open_run(path) for path in (a, b)]
    groups = {group for tree in trees for group in tree.groups}
    same = count = 0
    for group in sorted(groups):
        sets = [t[group].to_dataset(inherit=False).variables if group in t.groups else {}
                for t in trees]  # fmt: skip
        for name in {*sets[0], *sets[1]} - {*CLOCKS}:
            count += 1
            x, y = (s[name].values if name in s else None for s in sets)
            if x is not None and y is not None and x.dtype == y.dtype and x.shape == y.shape:
                same += x.tobytes() == y.tobytes() if x.dtype != object else bool((x == y).all())
    return same / count, count


def array_identical() -> Row:
    """An array of three shares, and what gathers them, against the serial run."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config, out, serial = home / "config.toml", home / "array", home / "serial"
        config.write_text(SCAN)
        physgen("run", str(config), "--out", str(serial))
        for i in (2, 0, 1):
            physgen("sample", str(config), "--out", str(out), "--points", f"{i}/3")
        physgen("gather", str(out))
        share, count = equal_share(out, serial)
    return Row(share, "share", detail={"data sets": count})


def jobs_identical() -> Row:
    """``--jobs 2`` against the serial run."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (config := home / "config.toml").write_text(SCAN)
        physgen("run", str(config), "--out", str(home / "serial"))
        physgen("run", str(config), "--out", str(home / "jobs"), "--jobs", "2")
        share, count = equal_share(home / "jobs", home / "serial")
    return Row(share, "share", detail={"data sets": count})


def jobs_speedup() -> Row:
    """Wall time of ising_criticality in one process over that in two, kernels warm."""
    config = str(ROOT / "workflows" / "ising_criticality" / "config.toml")
    before, seconds = load(), []
    with tempfile.TemporaryDirectory() as folder:
        physgen("sample", config, "--out", f"{folder}/warm", "--set", "sampler.n_draws=4")
        for jobs in ("1", "2"):
            begun = time.monotonic()
            physgen("sample", config, "--out", f"{folder}/{jobs}", "--jobs", jobs)
            seconds.append(time.monotonic() - begun)
    detail = {"one": f"{seconds[0]:.0f} s", "two": f"{seconds[1]:.0f} s", "load before": before}
    return Row(seconds[0] / seconds[1], "x", "one process", seconds[0], detail=detail)


def stop_s() -> Row:
    """Seconds from SIGTERM to the exit, the worst over stages of both kinds of run."""
    worst = {}
    with tempfile.TemporaryDirectory() as folder:
        kinds = (("lattice", LATTICE, LONG_STAGES),
                 ("reconstruction", RECONSTRUCTION, LONG_RECONSTRUCTIONS))  # fmt: skip
        for kind, text, stages in kinds:
            for case, (stage, lengths) in stages.items():
                config = Path(folder) / f"{kind}-{case}.toml"
                config.write_text(text.format(**lengths))
                worst[f"{kind} {case}"] = max(
                    stopped(config, config.with_name(f"{kind}-{case}{w}"), stage, w) for w in WAITS
                )
    detail = {case: f"{seconds:.2f}" for case, seconds in worst.items()} | {"load": load()}
    return Row(max(worst.values()), "s", detail=detail)


def deaths_identical() -> Row:
    """Share of the ways to die on a SLURM whose result, in the end, equals the uninterrupted."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "tests/slurm/test_jobs.py", "-m", "slurm"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    ended = dict(re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) .*?::(\w+)", done.stdout, re.M)[::-1])
    found = re.findall(r"^(PASSED|FAILED|ERROR) .*?::(\w+)", done.stdout, re.M)
    if not found:
        raise SystemExit(f"the tests of SLURM did not run: {ended or done.stdout[-500:]}")
    passed = sum(word == "PASSED" for word, _ in found)
    return Row(passed / len(found), "share", detail={name: word.lower() for word, name in found})


def campaign_lost() -> Row:
    """200 tiny jobs, some killed at random and submitted again: points lost or doubled."""
    from helpers.cluster import Cluster, missing

    if why := missing():
        raise SystemExit(f"campaign_lost needs a one-node SLURM: {why}")
    home = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(home, cpus=4)
    try:
        return _campaign(cluster, home / "work")
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def _campaign(cluster, work: Path) -> Row:
    from physgen.results import open_run
    from physgen.workflow.shares import Share, _said
    from physgen.workflow.shipped import copy_workflow

    work.mkdir()
    copy_workflow("slurm", work / "slurm")
    (config := work / "config.toml").write_text(CAMPAIGN.format(n=N_CAMPAIGN))
    variables = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    chance, out = random.Random(1), work / "scan"
    left, killed, submissions, begun = set(range(N_CAMPAIGN)), 0, 0, time.monotonic()
    while left:
        submissions += 1
        victims = {k for k in left if chance.random() < KILLED}
        job = cluster.submit(
            f"--array={','.join(map(str, sorted(left)))}", "--mem=500", "--output=/dev/null",
            "slurm/array.sbatch", str(config), str(out), str(N_CAMPAIGN), folder=work, **variables,
        )  # fmt: skip
        while states := _running(cluster, job):
            for k in victims & states.keys():
                if states[k] == "RUNNING" and chance.random() < 0.3:  # at any time of its life
                    cluster.says("scancel", "--signal=KILL", "--full", f"{job}_{k}")
                    victims.remove(k)
                    killed += 1
            time.sleep(0.2)
        left = {k for k in left if _said(out / "points" / Share(k, N_CAMPAIGN).name) is None}
    seconds = time.monotonic() - begun
    physgen("gather", str(out))
    physgen("run", str(config), "--out", str(work / "serial"))
    found = [str(g) for g in open_run(out)["scan"]["group"].values]
    wanted = [str(g) for g in open_run(work / "serial")["scan"]["group"].values]
    lost, doubled = len({*wanted} - {*found}), len(found) - len({*found})
    share, count = equal_share(out, work / "serial")
    detail = {
        "jobs": N_CAMPAIGN, "killed": killed, "submissions": submissions, "wall": f"{seconds:.0f} s",
        "load": load(), "lost": lost, "doubled": doubled,
        "equal to the serial run": f"{share:.0%} of {count} data sets",
    }  # fmt: skip
    return Row(lost + doubled, "points", detail=detail)


def _running(cluster, job: str) -> dict[int, str]:
    """Return the states of the jobs of an array that have not ended."""
    lines = cluster.says("squeue", "-h", "-r", "-j", job, "-o", "%K %T").splitlines()
    return {int(k): state for k, state in map(str.split, lines) if k.isdigit()}


def cold_cache_wrong() -> Row:
    """Processes with wrong numbers, of rounds of eight that compile into one cold directory."""
    from helpers.cold import wrong_processes

    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for k in range(ROUNDS):
            wrong += len(wrong_processes(Path(folder) / str(k), PROCESSES))
            wrong += len(wrong_processes(Path(folder) / str(k), 1))  # and who comes later
    return Row(wrong, "processes", detail={"rounds": ROUNDS, "processes": PROCESSES})


def merge_1000_s() -> Row:
    """CPU seconds of merging a thousand small runs."""
    from physgen.results import RunStore, open_run
    from physgen.results.merge import merge_runs
    from physgen.workflow.loading import load_config
    from physgen.workflow.run import run

    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "config.toml").write_text(CAMPAIGN.format(n=3))
        first = run(load_config(path), Path(folder) / "0", until="validate")
        tree = open_run(first)
        estimates = tree["estimates"].to_dataset()
        attrs = {k: v for k, v in tree.attrs.items() if not k.startswith("config")}  # each its own
        places = []
        for seed in range(N_MERGED):
            place = Path(folder) / f"seed{seed}"
            config = load_config(path, [f"seed={seed}"]).canonical()
            with RunStore.open(place, config, provenance=attrs | {"seed": seed}) as store:
                store.commit({"estimates": estimates})
                store.finish()
            places.append(place)
        begun = time.process_time()
        merged = merge_runs(places)
        seconds = time.process_time() - begun
    detail = {"runs": N_MERGED, "grid": " x ".join(f"{k} {v}" for k, v in merged.sizes.items())}
    return Row(seconds, "CPU s", detail=detail)


FIGURES = [
    Figure("array_identical", "Data sets of an array of three and gather equal to the serial run",
           1, array_identical),
    Figure("jobs_identical", "Data sets of `--jobs 2` equal to the serial run", 1, jobs_identical),
    Figure("jobs_speedup", "`--jobs 2` against one process, ising_criticality, wall, 2 idle cores",
           1.8, jobs_speedup, slow=True),
    Figure("stop_s", "SIGTERM to exit, worst stage of every kind of run", 5, stop_s, slow=True,
           at_most=True),
    Figure("deaths_identical", "Deaths on a one-node SLURM that end in the same bytes", 1,
           deaths_identical, slow=True),
    Figure("campaign_lost", "Points lost or doubled by 200 jobs of which 5 % are killed", 0,
           campaign_lost, slow=True, at_most=True),
    Figure("cold_cache_wrong", "Processes with wrong numbers, 20 rounds of 8 on a cold cache", 0,
           cold_cache_wrong, slow=True, at_most=True),
    Figure("merge_1000_s", "`merge` of 1,000 small runs", 20, merge_1000_s, slow=True,
           at_most=True),
]  # fmt: skip
