"""A worker of a parallel run that dies at its exit fails the run, although its tests passed."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.workers import ending

TESTS = Path(__file__).parents[1]
SOUND = "def test_sound():\n    pass\n"
# The fault that HDF5 had: the test passes, and its interpreter dies on the way out.
DYING = """import atexit, os, signal
def test_dying():
    atexit.register(os.kill, os.getpid(), signal.SIGSEGV)
"""
FAILING = "def test_failing():\n    assert False\n"


def suite(directory, **files):
    """Run a scratch suite on two workers with the plugin; return its status and its words."""
    (directory / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\n")
    (directory / "conftest.py").write_text('pytest_plugins = "helpers.workers"\n')
    for name, text in files.items():
        (directory / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.slow
def test_sound_workers_pass(tmp_path):
    status, text = suite(tmp_path, one=SOUND, two=SOUND)
    assert status == pytest.ExitCode.OK
    assert text.splitlines()[-1].startswith("2 passed in")


@pytest.mark.slow
def test_a_worker_that_dies_at_exit_fails_the_run(tmp_path):
    status, text = suite(tmp_path, sound=SOUND, dying=DYING)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "must end with exit status 0, got killed by SIGSEGV" in text
    assert text.splitlines()[-1].startswith("2 passed, 1 error in")


@pytest.mark.slow
def test_failures_and_deaths_are_both_counted(tmp_path):
    status, text = suite(tmp_path, sound=SOUND, both=DYING + FAILING)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert text.splitlines()[-1].startswith("1 failed, 2 passed, 1 error in")


@pytest.mark.parametrize(("status", "words"), [(7, "exit status 7"), (-11, "killed by SIGSEGV")])
def test_an_ending_is_named(status, words):
    assert ending(status) == words


def test_the_suite_itself_is_watched(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("helpers.workers")
