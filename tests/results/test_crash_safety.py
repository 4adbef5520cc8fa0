"""The promise: whenever the writer dies, nothing acknowledged is lost, and the run goes on."""

import contextlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from helpers.crashes import MODES, crash
from helpers.marks import slow
from helpers.runs import CONFIG, OPENED, checkpoint, committed, run, same

from physgen.core.errors import PhysgenError
from physgen.results import RunStore, image, segments, store
from physgen.results.atomic import OutputFile
from physgen.results.layers import RUN_FILE
from physgen.results.segments import segment_paths


def crash_everywhere(directory, mode, n_steps=3, writer=run):
    """Crash `writer` at each call in turn; check what is left; resume; compare.  Count calls."""
    reference, path = directory / "reference", directory / "run"
    run(reference, n_steps=n_steps)
    for n in range(1, 10_000):
        shutil.rmtree(path, ignore_errors=True)
        outcome = crash(lambda ack: writer(path, ack, n_steps=n_steps), n, mode, path)
        if outcome.finished:
            assert sorted(os.listdir(path)) == [RUN_FILE]
            assert same(path, reference)
            return n - 1
        try:
            if outcome.acknowledged >= OPENED:
                with h5py.File(path / RUN_FILE, "r") as file:
                    assert "config" in file.attrs
                steps = outcome.acknowledged - OPENED
                assert committed(path) in (steps, steps + 1)
            run(path, n_steps=n_steps)
        except (PhysgenError, OSError) as error:
            raise AssertionError(f"{mode} at call {n}: {error}") from error
        assert sorted(os.listdir(path)) == [RUN_FILE]
        assert same(path, reference)
    raise AssertionError("the writer never ended")


@pytest.mark.parametrize("mode", [slow(m) if m != "power" else m for m in MODES])
def test_crash_at_every_call(area, mode):
    assert crash_everywhere(area, mode) > 40


@pytest.mark.slow
def test_crash_at_every_call_while_streaming(area, monkeypatch):
    monkeypatch.setattr(image, "STREAM_ABOVE", 0)
    assert crash_everywhere(area, "power", n_steps=1) > 60


def test_a_resumed_run_may_crash_too(area):
    run(area / "reference")
    path = area / "run"
    n, outcome = 3, None
    while outcome is None or not outcome.finished:
        outcome = crash(lambda ack: run(path, ack), n, "kill", path)
        n += 1  # each process gets one call further than the one before
    assert same(path, area / "reference")


def test_acknowledged_before_it_is_saved_is_caught(area):
    def hasty(path, acknowledge, n_steps):
        with RunStore.open(path, CONFIG) as store:
            for step in range(1, n_steps + 1):
                acknowledge(OPENED + step)
                store.commit(checkpoint(step), append={"samples": "sample"})
            store.finish()

    with pytest.raises(AssertionError):
        crash_everywhere(area, "kill", writer=hasty)


@pytest.mark.slow
def test_segments_removed_before_the_merge_are_caught(area):
    class Hasty(RunStore):
        def _compact(self, attrs):
            for path in segment_paths(self.path).values():
                os.unlink(path)  # still open, so the merge itself works
            super()._compact(attrs)

    with pytest.raises(AssertionError):
        crash_everywhere(area, "kill", writer=lambda *a, **k: run(*a, **k, store_class=Hasty))


@contextlib.contextmanager
def in_place(path):
    with OutputFile(Path(path)) as file:
        yield file
        file.sync()


@contextlib.contextmanager
def without_flush(path):
    temporary = path.with_name(path.name + ".tmp")
    with OutputFile(temporary) as file:
        yield file
    os.replace(temporary, path)


@contextlib.contextmanager
def without_directory_flush(path):
    temporary = path.with_name(path.name + ".tmp")
    with OutputFile(temporary) as file:
        yield file
        file.sync()
    os.replace(temporary, path)


@pytest.mark.parametrize(
    ("room", "broken", "mode"),
    [
        (segments, in_place, "torn"),
        (segments, in_place, "kill"),
        slow(segments, without_flush, "power"),
        slow(segments, without_directory_flush, "power"),
        (image, without_flush, "power"),
        (image, without_directory_flush, "power"),
    ],
)
def test_a_writer_that_cuts_corners_is_caught(area, monkeypatch, room, broken, mode):
    monkeypatch.setattr(room, "replacing", broken)
    with pytest.raises(AssertionError):
        crash_everywhere(area, mode)


def test_merging_waits_until_segments_weigh_as_much_as_the_run(area, monkeypatch):
    written = []
    write_file = store.write_file

    def counting(path, *rest):
        write_file(path, *rest)
        written.append(path.stat().st_size)

    monkeypatch.setattr(store, "write_file", counting)
    block = xr.Dataset({"x": ("draw", np.random.default_rng(0).normal(size=20_000))})
    with RunStore.open(area / "run", CONFIG) as run_store:
        for _ in range(64):
            run_store.commit({"chain": block}, append={"chain": "draw"})
        run_store.finish()
    final = (area / "run" / RUN_FILE).stat().st_size
    assert len(written) < 12  # log2(64) merges and a few
    assert final + sum(written) < 4.5 * final  # segments once, merges by doubling
