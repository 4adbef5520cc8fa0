"""What the processes of tests/training/test_ranks.py do; run as a module, with a name."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.ranks import problems

from physgen.core.errors import InterruptedRunError, TrainingDivergedError
from physgen.training import connect, fit
from physgen.training.ranks import ALONE
from physgen.training.state import digest

STOP_AT = 5


def fitted(name, ranks=ALONE, shards=2, **how):
    """Digest of the weights of a whole fit."""
    model, objective, settings = problems(shards)[name]
    return digest(fit(model, objective, settings, rng=2, ranks=ranks, **how).model)


def stopped(name, path, ranks=ALONE):
    """Stop a fit at step STOP_AT, where the last process is asked to; keep its state in a file."""
    asked = iter(range(10**9))
    states = []

    def should_stop():
        return next(asked) == STOP_AT and ranks.rank == ranks.world - 1

    def keep(state, history):
        states.append(state.copy())

    with pytest.raises(InterruptedRunError, match=f"at step {STOP_AT} of"):
        fitted(name, ranks, should_stop=should_stop, on_checkpoint=keep)
    if ranks.is_first:
        Path(path).write_bytes(pickle.dumps(states[-1]))
    else:
        assert not states  # one process writes


def resumed(name, path, ranks=ALONE):
    """Digest of the weights of a fit that goes on from a file."""
    return fitted(name, ranks, resume_from=pickle.loads(Path(path).read_bytes()))


def identical(folder, ranks):
    """Print digests: whole fits, and those that go on from one process; stop others."""
    for name in ("nll", "rkl"):
        whole = fitted(name, ranks)
        stopped(name, f"{folder}/{name}-by-2", ranks)
        print(name, whole, resumed(name, f"{folder}/{name}-by-1", ranks))
    for shards in (3, 4):
        print(f"nll{shards}", fitted("nll", ranks, shards), "-")


class Broken:
    """An objective whose loss is NaN, or fails, on one process from some step on."""

    def __init__(self, objective, ranks, failure):
        self._objective, self._ranks, self._failure, self._left = objective, ranks, failure, 3

    def __getattr__(self, name):
        return getattr(self._objective, name)

    def loss(self, *args):
        loss = self._objective.loss(*args)
        self._left -= 1
        if self._left >= 0 or self._ranks.rank == 0:
            return loss
        return self._failure(loss)


def broken(kind, ranks):
    """Let process 1 find a NaN in a step, and then, in another fit, fail or vanish."""

    def is_nan(loss):
        return loss._replace(value=loss.value * np.nan)

    def fails(loss):
        if kind == "lost":
            os._exit(9)
        raise OSError("the file of process 1 is gone")

    for failure in (is_nan, fails):
        model, objective, settings = problems()["nll"]
        try:
            fit(model, Broken(objective, ranks, failure), settings, rng=2, ranks=ranks)
        except TrainingDivergedError as error:
            print(error, digest(model), flush=True)


if __name__ == "__main__":
    with connect() as together:
        {"identical": identical, "broken": broken}[sys.argv[1]](sys.argv[2], together)
