"""The tests of on_device in a process of its own: the simulator is chosen before numba loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run_tests(folder, **settings):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    environment = inherited | {"NUMBA_ENABLE_CUDASIM": "1"} | settings
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_kernels_agree_with_the_cpu_in_the_simulator():
    folder = Path(__file__).parent / "on_device"
    done = run_tests(folder)
    if done.returncode:
        pytest.fail(done.stdout[-8000:] + done.stderr[-2000:], pytrace=False)
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
