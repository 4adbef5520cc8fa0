"""How the workers of a parallel run end: a worker that dies at exit fails the run.

pytest-xdist waits for its workers and reads no exit status, so that a segmentation fault of the
interpreter's exit (a library that tears down an open file) passes unseen.  The controller keeps
the processes, reads their statuses once xdist has waited for them, and reports each that is not 0
as one error, and fails the run.  `tests/conftest.py` loads this file as a plugin.
"""

from __future__ import annotations

import signal
from subprocess import Popen

import pytest

EXIT_SECONDS = 120.0  # after which a worker hangs
PROCESSES = pytest.StashKey[dict[str, Popen[bytes]]]()


def ending(status: int) -> str:
    """Exit status of a process in words."""
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Begin a list of workers, and let them end in peace.

    xdist kills a worker that takes more than ten seconds to end, as an interpreter that has loaded
    torch and numba does on a busy machine.
    """
    from xdist.workermanage import NodeManager

    NodeManager.EXIT_TIMEOUT = EXIT_SECONDS
    config.stash[PROCESSES] = {}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node) -> None:
    """Keep the process of a worker, a replacement of a crashed one too."""
    node.config.stash[PROCESSES][node.gateway.id] = node.gateway._io.popen


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a finished run one of whose workers ended with another status than 0.

    A run that was interrupted has its own status, and its workers may end as they can.
    """
    if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    errors = []
    for name, process in session.config.stash.get(PROCESSES, {}).items():
        status = process.wait()
        if status == 0:
            continue
        text = (
            f"worker {name} must end with exit status 0, got {ending(status)}: its tests had "
            "passed or failed by then; run their files one by one, without -n, to find the cause"
        )
        where = f"worker {name}"
        report = pytest.TestReport(where, (where, None, where), {}, "failed", text, "exit")  # type: ignore[arg-type]
        errors.append(report)
    if errors:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.stats.setdefault("error", []).extend(errors)
