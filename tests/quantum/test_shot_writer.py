"""Shots larger than memory are written in blocks, and a crash leaves the old file."""

import errno
import os
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from physgen.core.errors import InputError, StoreError
from physgen.core.random import Stream
from physgen.quantum import MeasurementData
from physgen.quantum.shot_writer import save_blocks


def shots(n=1000, L=4, K=6):
    return Stream(1).numpy().integers(K, size=(n, L), dtype=np.uint8)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("sizes", [[1000], [1, 0, 999], [333] * 3 + [1]])
def test_blocks_of_any_size_make_the_same_file(tmp_path, sizes, labelled):
    x = np.sort(shots() % 3, axis=0)
    labels = np.unique(x, axis=0, return_inverse=True)[1].ravel() if labelled else None
    whole = MeasurementData(x, "pauli-6", {"source": "test"}, labels)
    starts = np.cumsum([0, *sizes])
    blocks = [(x[a:b], labels[a:b]) if labelled else x[a:b] for a, b in pairwise(starts) if b > a]
    n = save_blocks(tmp_path / "b.h5", iter(blocks), "pauli-6", {"source": "test"})
    assert n == 1000
    again = MeasurementData.load(tmp_path / "b.h5")
    assert again.to_dataset().identical(whole.to_dataset())
    with xr.open_dataset(tmp_path / "b.h5", engine="h5netcdf") as opened:
        np.testing.assert_array_equal(opened["outcomes"], x)


@pytest.mark.slow
def test_memory_is_that_of_a_block(tmp_path):
    """30 MB in blocks of 1 MB."""
    x = shots(10_000, 100)
    tracemalloc.start()
    save_blocks(tmp_path / "x.h5", (x for _ in range(30)), "pauli-6")
    peak = tracemalloc.get_traced_memory()[1]
    data = MeasurementData.open(tmp_path / "x.h5")
    tracemalloc.reset_peak()
    total = sum(int(block.sum()) for block in data.outcomes.blocks(5000))
    reading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 30 * int(x.sum())
    assert data.n == 300_000
    assert peak < 12e6
    assert reading < 4e6


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    MeasurementData(shots(10), "pauli-6").save(path)
    before = path.read_bytes()

    def breaks():
        yield shots()
        raise RuntimeError("the detector is gone")

    with pytest.raises(RuntimeError, match="detector"):
        save_blocks(path, breaks(), "pauli-6")
    bad = shots()
    bad[3, 1] = 6
    for blocks, says in [
        ([shots(), bad], r"0\.\.5, got 6"),
        ([shots(), shots(L=3)], "every block must have L = 4"),
        ([], "at least one block"),
    ]:
        with pytest.raises(InputError, match=says):
            save_blocks(path, blocks, "pauli-6")

    def full(fd, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as m:
        m.setattr(os, "write", full)
        with pytest.raises(StoreError, match="disk is full"):
            save_blocks(path, [shots()], "pauli-6")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]
