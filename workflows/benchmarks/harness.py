"""What every benchmark shares: interleaved CPU timing, the table, the JSON, RESULTS.md.

A figure is a function that returns a :class:`Row`.  Peers run interleaved with ours in the same
process and run, on one thread, with equal work; times are CPU seconds, medians of at least five.
Training figures take minutes, so their rows are kept with a fingerprint of the rooms that they
run in, and are computed again only when that changes (or with ``--again``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOMS = ("core", "kernels", "quantum", "models", "training", "validation")


@dataclass
class Row:
    """One figure.

    Attributes
    ----------
    value, unit : the figure
    peer, peer_value, ratio : who it is compared with; ratio = ours over the peer's, higher better
    detail : spread, parameters, the physical limit
    """

    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A key of the table: its goal, its function, and whether it takes minutes."""

    key: str
    what: str
    goal: float
    compute: Callable[[], Row]
    slow: bool = False
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Whether `value` reaches the goal."""
        return value <= self.goal if self.at_most else value >= self.goal


def interleaved(*contestants: Callable[[], Any], repeats: int = 7) -> list[float]:
    """Return the median CPU seconds of each call, run in turn after one warm-up."""
    for contestant in contestants:
        contestant()
    seconds: list[list[float]] = [[] for _ in contestants]
    for _ in range(repeats):
        for i, contestant in enumerate(contestants):
            start = time.process_time()
            contestant()
            seconds[i].append(time.process_time() - start)
    return [statistics.median(s) for s in seconds]


def main(area: str, figures: list[Figure], packages: list[str]) -> None:
    """Run the figures that the command line asks for; print and store the table."""
    parser = argparse.ArgumentParser(description=f"physgen benchmarks: {area}")
    parser.add_argument("--json", type=Path, default=HERE / f"{area}.json", metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="KEY", choices=[f.key for f in figures])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--fast", action="store_true", help="the figures that take seconds")
    group.add_argument("--train", action="store_true", help="the figures that take minutes")
    parser.add_argument("--again", action="store_true", help="ignore rows of this very source")
    options = parser.parse_args()
    rows: dict[str, Any] = json.loads(options.json.read_text()) if options.json.exists() else {}
    source = fingerprint()
    for figure in figures:
        wanted = figure.key in options.only if options.only else True
        wanted &= not (options.fast and figure.slow) and not (options.train and not figure.slow)
        known = rows.get(figure.key, {}).get("source") == source
        if not wanted or (figure.slow and known and not options.again):
            continue
        print(f"{figure.key} ...", file=sys.stderr, flush=True)
        row = asdict(figure.compute())
        row |= {"goal": figure.goal, "met": figure.met(row["value"]), "source": source}
        rows[figure.key] = row | {"machine": machine()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    ordered = {f.key: rows[f.key] for f in figures if f.key in rows}
    print(table(figures, ordered))
    (HERE / "RESULTS.md").write_text(report(area, figures, ordered, packages, source))


def fingerprint() -> str:
    """Return a hash of the rooms that figures are computed in, ``+`` if they were changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True)
        return done.stdout.strip()

    paths = [f"../../physgen/{room}" for room in ROOMS]
    trees = [git("rev-parse", f"HEAD:physgen/{room}") for room in ROOMS]
    text = hashlib.sha1("".join(trees).encode()).hexdigest()[:10]
    return text + ("+" if git("status", "--porcelain", *paths) else "")


def machine() -> str:
    """Return processor, cores and system in words."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return (
        f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    )


def number(x: float | None) -> str:
    """Return a figure as people write it."""
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}"


def table(figures: list[Figure], rows: dict[str, Any]) -> str:
    """Return the table as Markdown, which also reads well on a terminal."""
    lines = [
        "| key | value | unit | goal | met | peer | peer's value | ratio | source |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        if figure.key not in rows:
            continue
        r = rows[figure.key]
        sign = "<=" if figure.at_most else ">="
        cells = [
            f"`{figure.key}`",
            number(r["value"]),
            r["unit"],
            f"{sign} {number(figure.goal)}",
            "yes" if r["met"] else "**no**",
            r["peer"] or "",
            number(r["peer_value"]),
            number(r["ratio"]),
            r["source"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(
    area: str, figures: list[Figure], rows: dict[str, Any], packages: list[str], source: str
) -> str:
    """Return RESULTS.md."""
    versions = ", ".join(f"{p} {version(p)}" for p in packages)
    lines = [
        f"# Benchmark results: {area}",
        "",
        "Written by `make bench` and `make bench-train`; figures are reported whichever way they",
        "fall. One thread, CPU time, medians; peers interleaved in the same run. `source` is a",
        "hash of the rooms that figures run in (`+`: with uncommitted changes).",
        "",
        f"Machine: {machine()}. {versions}. Source now: {source}.",
        "",
        table(figures, rows),
        "",
        "## What each figure is",
        "",
    ]
    for figure in figures:
        if figure.key in rows:
            detail = rows[figure.key]["detail"]
            text = "; ".join(f"{k} = {v}" for k, v in detail.items())
            lines.append(f"- `{figure.key}`: {figure.what}. {text}".rstrip())
    return "\n".join(lines) + "\n"
