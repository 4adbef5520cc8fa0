"""The tutorials run as they are, each in three CPU minutes at most, and end with an exercise."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))


def code_of(page):
    cells = re.findall(r"```\{code-cell\} python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return "import matplotlib\nmatplotlib.use('Agg')\n" + "\n".join(cells)


def cpu_seconds_of_children():
    """Return the CPU time of all processes that have ended: wall time knows who else computes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_it_is_a_notebook_with_an_exercise(page):
    text = page.read_text()
    assert text.startswith("---\nfile_format: mystnb\n")
    assert "**Exercise.**" in text
    compile(code_of(page), page.name, "exec")


@pytest.mark.slow
@pytest.mark.tutorial
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_it_runs(page, tmp_path):
    before = cpu_seconds_of_children()
    done = subprocess.run(
        [sys.executable, "-c", code_of(page)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert cpu_seconds_of_children() - before < 180
