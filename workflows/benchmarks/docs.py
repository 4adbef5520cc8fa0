"""The documentation in numbers: what is documented, executed, built, linked, and how soon found.

python workflows/benchmarks/docs.py --fast | --train | --only KEY ... [--json FILE]

Needs the extra docs for the rows that build the site (`make docs` installs it).
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from urllib.parse import unquote, urlsplit

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from harness import Figure, Row, main

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
sys.path[:0] = [str(ROOT / "docs" / "_site"), str(ROOT / "tests")]
import documented
import examples
import links

# What somebody looks for from the front page -> the page that says it, and the anchor.
SOUGHT = {
    "own file": "docs/from-your-file-to-numbers.html",
    "own action": "docs/targets.html#your-own-action",
    "exit codes": "docs/command-line.html#exit-status",
    "conventions": "docs/conventions.html",
    "API of fit": "docs/api/physgen-training.html#physgen.training.fit",
}


def public_documented() -> Row:
    """Count by the rule of `docs/_site/documented.py`."""
    names, lacking = documented.names(), documented.gaps()
    detail = {"names": len(names), "lacking": ", ".join(list(lacking)[:5]) or "none"}
    return Row(1 - len(lacking) / len(names), "share", detail=detail)


def examples_run() -> Row:
    """Count blocks and prompts of pages and docstrings that a test executes."""
    found = examples.counted()
    run = sum(tested for tested, _ in found.values())
    detail = {where: f"{tested} of {total}" for where, (tested, total) in found.items()}
    return Row(run / sum(total for _, total in found.values()), "share", detail=detail)


def tutorial_cpu_s() -> Row:
    """Run every tutorial by itself, as its test does; the slowest."""
    seconds = {}
    for page in sorted((ROOT / "docs" / "tutorials").glob("*.md")):
        cells = re.findall(r"```\{code-cell\} python\n(.*?)```", page.read_text(), flags=re.S)
        code = "import matplotlib\nmatplotlib.use('Agg')\n" + "\n".join(cells)
        with tempfile.TemporaryDirectory() as folder:
            seconds[page.stem] = _cpu([sys.executable, "-c", code], folder)
    detail = {name: f"{value:.0f}" for name, value in seconds.items()}
    return Row(max(seconds.values()), "CPU s", detail=detail)


def docs_build_minutes() -> Row:
    """Build the site anew, tutorials from the cache of the last build."""
    _build(SITE)
    with tempfile.TemporaryDirectory() as trees:
        start = time.monotonic()
        _build(SITE, "-E", "-d", trees)
        minutes = (time.monotonic() - start) / 60
    pages = len(list(SITE.rglob("*.html")))
    return Row(minutes, "min", detail={"pages": pages, "cores": os.cpu_count()})


def build_warnings() -> Row:
    """Read every page anew, without executing tutorials; count the warnings."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        _build(
            Path(folder) / "site", "-w", str(log), "-d", f"{folder}/trees", "-D",
            "nb_execution_mode=off", "-D", "suppress_warnings=ref.python,myst-nb.lexer",
        )  # fmt: skip
        warnings = re.findall(r"^.*(?:WARNING|ERROR):.*$", log.read_text(), flags=re.M)
    return Row(len(warnings), "warnings", detail={"first": warnings[0] if warnings else "none"})


def dead_links() -> Row:
    """Check the built site and the repository's own pages."""
    site, own = links.of_site(_built()), links.of_repository()
    return Row(
        len(site.faults) + len(own.faults),
        "links",
        detail={"links of the site": site.links, "pages": site.pages,
                "of the repository": own.links, "first": (site.faults + own.faults + ["none"])[0]},
    )  # fmt: skip


def first_number_s() -> Row:
    """Run the README's quickest example in a new process, compiled loops in the cache or not."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    code = next(block for block in blocks if "HeatBath" in block)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": f"{folder}/cache"}
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=environment, cwd=folder,
        )  # fmt: skip
        wall = time.monotonic() - start
        compiled = _cpu([sys.executable, "-c", code], folder, environment)
    line = next(line for line in done.stdout.splitlines() if "(" in line)
    detail = {"first line": " ".join(line.split()), "compiled before, CPU s": f"{compiled:.1f}"}
    return Row(wall, "s", detail=detail)


def clicks() -> Row:
    """Search the links of the built pages, breadth first, from the front page."""
    site = _built()
    found = distances(site, "docs/index.html")
    pages = {path: links.Page((site / path).read_text(encoding="utf-8")) for path in
             {place.partition("#")[0] for place in SOUGHT.values()}}  # fmt: skip
    counted = {}
    for what, place in SOUGHT.items():
        page, _, anchor = place.partition("#")
        counted[what] = found.get(page, 99) if anchor in pages[page].anchors else 99
    return Row(max(counted.values()), "clicks", detail=counted)


def distances(site: Path, start: str) -> dict[str, int]:
    """Return page -> the fewest links that lead to it from `start`; in the main part of a page.

    Menus at the side show every page on every page, so they would make all distances 1.
    """
    found, queue = {start: 0}, deque([start])
    while queue:
        page = queue.popleft()
        text = (site / page).read_text(encoding="utf-8")
        body = re.search(r'<article[^>]*id="furo-main-content".*?</article>', text, re.S)
        for link in links.Page(body[0] if body else text).links:
            parts = urlsplit(link)
            at = (site / page).parent / unquote(parts.path)
            if parts.scheme or not parts.path.endswith(".html") or not at.is_file():
                continue
            name = at.resolve().relative_to(site.resolve()).as_posix()
            if name not in found:
                found[name] = found[page] + 1
                queue.append(name)
    return found


def _built() -> Path:
    if not (SITE / "docs" / "index.html").exists():
        raise SystemExit("the site must be built first: make docs")
    return SITE


def _build(out: Path, *options: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-c", "docs", "-q", *options, ".", str(out)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip


def _cpu(command: list[str], folder: str, environment: dict[str, str] | None = None) -> float:
    """Return the CPU seconds of a command, those of its children too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


FIGURES = [
    Figure("public_documented", "Exported names whose docstring has all that it should", 1.0,
           public_documented),
    Figure("examples_run", "Python blocks and prompts of pages and docstrings that tests execute",
           1.0, examples_run),
    Figure("dead_links", "Links that lead nowhere, addresses that are none, and what pages fetch "
           "from elsewhere", 0, dead_links, at_most=True, needs=SITE),
    Figure("clicks", "Clicks in the text from the front page to five things, the farthest", 2,
           clicks, at_most=True, needs=SITE),
    Figure("build_warnings", "Warnings of a build of every page", 0, build_warnings, slow=True,
           at_most=True),
    Figure("first_number_s", "Installed to the first number with an error bar, compiling included, "
           "wall", 60, first_number_s, slow=True, at_most=True),
    Figure("tutorial_cpu_s", "The slowest tutorial", 180, tutorial_cpu_s, slow=True, at_most=True),
    Figure("docs_build_minutes", "The site anew, tutorials from the cache", 5, docs_build_minutes,
           slow=True, at_most=True),
]  # fmt: skip

if __name__ == "__main__":
    main("docs", FIGURES, ["physgen", "sphinx", "myst-nb", "numpy"], [".", "../docs"])
