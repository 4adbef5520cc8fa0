"""The tests of on_device in a process of its own: the simulator is chosen before numba loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.marks import slow

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent / "on_device"
# Every file of the folder: the words of the streams always, the others where there is time.
FILES = [
    p.name if p.name == "test_random.py" else slow(p.name)
    for p in sorted(FOLDER.glob("test_*.py"))
]


def run_tests(path, **settings):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    environment = inherited | {"NUMBA_ENABLE_CUDASIM": "1"} | settings
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", FILES)
def test_kernels_agree_with_the_cpu_in_the_simulator(name):
    done = run_tests(FOLDER / name)
    if done.returncode:
        pytest.fail(done.stdout[-8000:] + done.stderr[-2000:], pytrace=False)
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
