"""What every benchmark shares: interleaved CPU timing, the table, the JSON, RESULTS.md.

A figure is a function that returns a :class:`Row`.  Peers run interleaved with ours in the same
process and run, on one thread, with equal work; times are CPU seconds, medians of at least five.
Slow figures take minutes, so their rows are kept with a fingerprint of the sources that they run,
and are computed again only when that changes (or with ``--again``).  Each area is one script and
one JSON file; RESULTS.md shows all of them.
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
# In the order of RESULTS.md: area -> what it measures.
AREAS = {
    "quantum": "state reconstruction",
    "reconstruction": "reconstruction as a laboratory meets it",
    "mcmc": "Markov chains",
    "neural_samplers": "neural samplers",
    "energy": "energy-based models",
    "diffusion": "diffusion models",
    "adversarial": "generators without a density",
    "hpc": "clusters",
    "gpu": "kernels on a GPU",
    "gpu_models": "models on a GPU",
    "strangers": "what strangers meet: measurement files",
    "strangers_targets": "what strangers meet: own actions, and models that lose a mode",
    "strangers_fuzz": "what strangers type, and what may be wrong in silence",
    "latent": "latent-variable models",
    "validation": "comparing samples",
    "paper": "published numbers, computed again",
    "house": "the house itself",
    "face": "what people see",
    "docs": "the documentation",
}


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
    """A key of the table: its goal, its function, and whether it takes minutes.

    ``stretch`` is what we would like to reach beyond the goal; without the file ``needs``, which is
    not ours to ship, the row stays as it is.
    """

    key: str
    what: str
    goal: float
    compute: Callable[[], Row]
    slow: bool = False
    at_most: bool = False
    stretch: float | None = None
    needs: Path | None = None

    def met(self, value: float) -> bool:
        """Whether `value` reaches the goal."""
        return bool(value <= self.goal if self.at_most else value >= self.goal)


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


def main(area: str, figures: list[Figure], packages: list[str], sources: list[str]) -> None:
    """Run the figures that the command line asks for; print and store the table.

    Parameters
    ----------
    area : str
        One of AREAS.
    packages : list of str
        Distributions whose versions matter.
    sources : list of str
        Files and folders of physgen that the figures run.
    """
    parser = argparse.ArgumentParser(description=f"physgen benchmarks: {AREAS[area]}")
    parser.add_argument("--json", type=Path, default=HERE / f"{area}.json", metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="KEY", choices=[f.key for f in figures])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--fast", action="store_true", help="the figures that take seconds")
    group.add_argument("--train", action="store_true", help="the figures that take minutes")
    parser.add_argument("--again", action="store_true", help="ignore rows of this very source")
    options = parser.parse_args()
    rows: dict[str, Any] = json.loads(options.json.read_text()) if options.json.exists() else {}
    source = fingerprint(sources)
    where = {
        "source": source,
        "machine": machine(),
        "versions": ", ".join(f"{p} {version(p)}" for p in packages),
    }
    for figure in figures:
        wanted = figure.key in options.only if options.only else True
        wanted &= not (options.fast and figure.slow) and not (options.train and not figure.slow)
        known = rows.get(figure.key, {}).get("source") == source
        if wanted and figure.needs is not None and not figure.needs.exists():
            print(f"{figure.key}: left as it is, no file {figure.needs}", file=sys.stderr)
            wanted = False
        if wanted and (options.again or not (figure.slow and known)):
            print(f"{figure.key} ...", file=sys.stderr, flush=True)
            row = asdict(figure.compute())
            row["value"] = float(row["value"])  # of NumPy, perhaps, which JSON does not know
            rows[figure.key] = row | {"met": figure.met(row["value"])} | where
        if figure.key in rows:
            stated = {"what": figure.what, "goal": figure.goal, "at_most": figure.at_most}
            rows[figure.key] |= stated | {"stretch": figure.stretch}
        ordered = {f.key: rows[f.key] for f in figures if f.key in rows}
        options.json.write_text(json.dumps(ordered, indent=1) + "\n")
    print(table(ordered))
    (HERE / "RESULTS.md").write_text(report())


def fingerprint(sources: list[str]) -> str:
    """Return a hash of the `sources` (``__init__`` aside), ``+`` if changed since the commit."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True)
        return done.stdout.strip()

    paths = [f"../../physgen/{source}" for source in sources]
    lines = git("ls-tree", "-r", "--full-name", "HEAD", *paths).splitlines()
    text = "\n".join(line for line in lines if not line.endswith("__init__.py"))
    changed = git("status", "--porcelain", *paths).splitlines()
    changed = [line for line in changed if not line.endswith("__init__.py")]
    return hashlib.sha1(text.encode()).hexdigest()[:10] + ("+" if changed else "")


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


def table(rows: dict[str, Any]) -> str:
    """Return the table as Markdown, which also reads well on a terminal."""
    lines = [
        "| key | value | unit | goal | met | peer | peer's value | ratio | source |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key, r in rows.items():
        stretch = r.get("stretch")
        goal = f"{'<=' if r['at_most'] else '>='} {number(r['goal'])}"
        cells = [
            f"`{key}`",
            number(r["value"]),
            r["unit"],
            goal + (f" ({number(stretch)})" if stretch is not None else ""),
            "yes" if r["met"] else "**no**",
            r["peer"] or "",
            number(r["peer_value"]),
            number(r["ratio"]),
            r["source"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report() -> str:
    """Return RESULTS.md: every area whose JSON lies beside this file."""
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench` and `make bench-train`; figures are reported whichever way they",
        "fall. One thread, CPU time, medians; peers interleaved in the same run. A stretch goal",
        "stands in brackets. `source` is a hash of the files that a figure runs (`+`: with",
        "uncommitted changes).",
    ]
    for area, title in AREAS.items():
        path = HERE / f"{area}.json"
        if path.exists():
            lines += ["", *_section(title, json.loads(path.read_text()))]
    return "\n".join(lines) + "\n"


def _section(title: str, rows: dict[str, Any]) -> list[str]:
    where = dict.fromkeys(f"{r['machine']}; {r['versions']}" for r in rows.values())
    lines = [f"## {title.capitalize()}", "", *(f"{text}." for text in where), "", table(rows), ""]
    for key, r in rows.items():
        text = "; ".join(f"{k} = {v}" for k, v in r["detail"].items())
        lines.append(f"- `{key}`: {r['what']}. {text}".rstrip())
    return lines
