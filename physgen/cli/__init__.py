"""The command line: ``physgen COMMAND``.

Only the command that is called loads what it needs, so ``physgen --help`` stays quick.  An error
that the user can fix gives one line, ``physgen: error: ...``, and exit status 2; a traceback means
a bug in physgen.  A run that was stopped after a checkpoint ends with 128 + the number of the
signal: 143 (SIGTERM), 138 (SIGUSR1), 130 (SIGINT).  A batch script that sees one of these may
requeue the job; one that sees 2 may not.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["command", "main"]

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def command() -> NoReturn:
    """Be the process ``physgen``: run, and end with the status of :func:`main`.

    The interpreter would take down torch and compiled kernels object by object, which takes up to
    two seconds and changes nothing: all files are closed by then.  The process ends without that.
    For the same reason it looks for dead cycles rarely: nearly all objects are modules and
    functions, and to go through them again and again takes a sixth of a report.
    """
    gc.set_threshold(20_000, 20, 20)  # work that is long goes back to the usual: cli/work.py
    status = main()
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader is gone, the stream closed
            stream.flush()
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``physgen`` with the arguments `argv` (default: of the process); return its status."""
    # One thread unless the user says otherwise: a resumed run then repeats the uninterrupted one
    # bit for bit, small matrix products gain nothing from a second thread, and a scan is better
    # spread over processes.  numpy and numba read this as they load.
    threads = os.environ.setdefault("OMP_NUM_THREADS", "1")
    for variable in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, threads)
    from physgen.cli.app import app
    from physgen.cli.kernels import kernel_cache
    from physgen.core.errors import InterruptedRunError, PhysgenError

    try:
        if cache := kernel_cache(os.environ):
            os.environ["NUMBA_CACHE_DIR"] = cache
        arguments = list(sys.argv[1:] if argv is None else argv)
        status = app(args=arguments, prog_name="physgen", standalone_mode=False)
        sys.stdout.flush()
    except InterruptedRunError as error:
        print(f"physgen: {error}", file=sys.stderr)
        return 128 + error.number
    except PhysgenError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("physgen: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left, e.g. `| head`
        return 0
    except OSError as error:
        if error.errno in _NO_SPACE:
            return _fail("the disk is full; free some space and run `physgen resume`")
        if error.filename is None:  # not about a file of the user
            raise
        return _fail(f"{error.filename} cannot be used: {error.strerror}")
    except Exception as error:
        message = getattr(error, "format_message", None)  # a usage error, from any click
        if message is None:
            raise
        if not message():  # called without a command: the help has been printed
            return EXIT_ERROR
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context is not None else ""
        return _fail(f"{message().rstrip('.')}{hint}")
    return status if isinstance(status, int) else 0


def _fail(message: str) -> int:
    print(f"physgen: error: {' '.join(message.split())}", file=sys.stderr)
    return EXIT_ERROR
