"""Shots in a file larger than memory are read in ranges."""

import h5py
import numpy as np
import pytest
import xarray as xr

from physgen.core.errors import InputError, StoreError
from physgen.core.random import Stream
from physgen.quantum import MeasurementData
from physgen.quantum.shot_writer import save_blocks
from physgen.results import open_array


def shots(n=1000, L=4, K=6):
    return Stream(1).numpy().integers(K, size=(n, L), dtype=np.uint8)


@pytest.fixture
def written(tmp_path):
    x = shots()
    MeasurementData(x, "pauli-6", {"source": "test"}).save(tmp_path / "x.h5")
    return x, MeasurementData.open(tmp_path / "x.h5", "pauli-6", L=4)


def test_ranges_of_rows(written):
    x, data = written
    assert (data.n, data.L, data.attrs) == (1000, 4, {"source": "test"})
    y = data.outcomes
    assert (y.shape, y.dtype, y.ndim, y.size, len(y)) == ((1000, 4), np.uint8, 2, 4000, 1000)
    index = np.array([5, 999, 5, -1, 0])
    for rows in (slice(10, 20), slice(None, None, 7), slice(-3, None), index, x[:, 0] == 2, 17):
        np.testing.assert_array_equal(y[rows], x[rows])
    np.testing.assert_array_equal(np.concatenate(list(y.blocks(300))), x)
    np.testing.assert_array_equal(data.take(slice(5, 50)).outcomes, x[5:50])
    np.testing.assert_array_equal(data.merged("pauli-4").outcomes[:], np.minimum(x, 3))
    with pytest.raises(InputError, match=r"must be taken in ranges, such as outcomes\[:1000\]"):
        np.asarray(y)
    with pytest.raises(IndexError):
        y[np.array([1000])]
    with pytest.raises(InputError, match="rows must be a slice, integers or a mask"):
        y[0, 0]


def test_the_data_of_a_run_are_opened_as_they_are_loaded(tmp_path):
    from physgen.results import write_dataset

    data = MeasurementData(shots(), "pauli-6")
    write_dataset(tmp_path / "run.h5", xr.DataTree.from_dict({"/data": data.to_dataset()}))
    opened = MeasurementData.open(tmp_path / "run.h5")
    np.testing.assert_array_equal(opened.outcomes[:], data.outcomes)
    with pytest.raises(InputError, match="must be pauli-4"):
        MeasurementData.open(tmp_path / "run.h5", "pauli-4")


def test_what_cannot_be_opened(tmp_path, written):
    with pytest.raises(StoreError, match="must hold an array nothing"):
        open_array(tmp_path / "x.h5", "nothing")
    with pytest.raises(StoreError, match="does not exist"):
        open_array(tmp_path / "absent.h5", "x")
    (tmp_path / "text.h5").write_text("0 1 2")
    with pytest.raises(StoreError, match="cannot be read as an HDF5 file"):
        open_array(tmp_path / "text.h5", "x")
    path = tmp_path / "damaged.h5"
    save_blocks(path, [shots(5000)], "pauli-6")
    with h5py.File(path) as file:
        offset = file["outcomes"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 30] ^= 255
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged\.h5 cannot be read"):
        MeasurementData.open(path).outcomes[:10]
