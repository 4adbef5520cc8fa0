"""Which Python on pages and in docstrings is executed by a test: counted where it stands.

    python docs/_site/examples.py

A block of Python (```` ```python ````, a code cell of a tutorial) or a docstring or page with
prompts (``>>>``) is an example.  It is executed if a test names its page: the lists of pages and
modules are those of the tests themselves.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```python\n", re.M)


def counted() -> dict[str, tuple[int, int]]:
    """Return where -> (examples that tests execute, all examples)."""
    tests = ROOT / "tests"
    sys.path.insert(0, str(tests))
    pages_run = set(runpy.run_path(str(tests / "test_page_examples.py"))["PAGES"])
    doctests = runpy.run_path(str(tests / "test_doctests.py"))
    prompts_run = {f"docs/{name}.md" for name in doctests["TESTED_ELSEWHERE"]}
    modules_run = set(doctests["MODULES"])
    tutorials_run = set(runpy.run_path(str(tests / "test_tutorials.py"))["TUTORIALS"])
    readme = (tests / "test_readme.py").read_text(encoding="utf-8")
    found = {"README": [0, 0], "pages": [0, 0], "tutorials": [0, 0], "docstrings": [0, 0]}

    def count(where: str, run: bool, n: int) -> None:
        found[where][0] += n * run
        found[where][1] += n

    for path in _pages():
        name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        n = len(_BLOCK.findall(text))
        if name == "README.md":
            count("README", readme.count("exec(compile(") >= n, n)
        elif path.parent.name == "tutorials":
            count("tutorials", path in tutorials_run, text.count("```{code-cell}"))
        else:
            count("pages", name in pages_run, n)
            count("pages", name in prompts_run, int(">>> " in text))
    for path in sorted((ROOT / "physgen").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        count("docstrings", module in modules_run, int(">>> " in path.read_text("utf-8")))
    return {where: (run, total) for where, (run, total) in found.items()}


def _pages() -> list[Path]:
    sys.path.insert(0, str(Path(__file__).parent))
    import links

    return sorted(links.markdown(ROOT))


if __name__ == "__main__":
    for where, (run, total) in counted().items():
        print(f"{where}: {run} of {total}")
