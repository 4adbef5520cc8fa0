"""One file: every dtype comes back, and h5py, xarray and h5dump read it too."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr

from physgen.core.errors import InputError, StoreError
from physgen.results import RunStore, image, open_run, read_dataset, write_dataset

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
DTYPES = ["bool", *INTEGERS, "float16", "float32", "float64", "complex64", "complex128"]


def everything():
    rng = np.random.default_rng(5)
    variables = {
        name: (("row", "column"), rng.integers(0, 2, (4, 3)).astype(name)) for name in DTYPES
    }
    variables |= {
        "text": ("row", np.array(["", "a", "zwölf", "日本"])),
        "objects": ("row", np.array(["x", "yy", "", "z"], dtype=object)),
        "scalar": 1.5,
        "flag": True,
        "word": "pauli-4",
        "nan": ("column", [np.nan, np.inf, -0.0]),
        "nothing": ("none", np.zeros(0)),
        "no_text": ("none", np.array([], dtype=str)),
        "no_rows": (("none", "column"), np.zeros((0, 3), np.uint8)),
        "extremes": ("two", np.array([-(2**63), 2**63 - 1])),
    }
    coords = {
        "column": ["x", "y", "z"],
        "two": [0.1, 0.2],
        "label": ("row", [3, 1, 4, 1]),
        "beta": 0.4,
        "empty_index": ("empty_index", np.zeros(0)),
    }
    attrs = {
        "text": "two\nlines, ünïcode",
        "empty": "",
        "int": 3,
        "float": 0.1,
        "list": [1.5, 2.5],
        "words": ["a", "bb"],
        "seed": 2**63 - 1,
    }
    ds = xr.Dataset(variables, coords, attrs)
    ds["float64"].attrs.update(units="J", estimator="mean", seconds=1.0)
    ds["bool"].attrs["units"] = "seconds"
    return ds


def identical_with_dtypes(a, b):
    same_kind = all(a[n].dtype.kind == b[n].dtype.kind for n in a.variables)
    same_size = all(a[n].dtype == b[n].dtype for n in a.variables if a[n].dtype.kind in "biufc")
    return a.identical(b) and same_kind and same_size and list(a.variables) == list(b.variables)


@pytest.mark.parametrize("stream_above", [image.STREAM_ABOVE, 0])
def test_round_trip(tmp_path, monkeypatch, stream_above):
    monkeypatch.setattr(image, "STREAM_ABOVE", stream_above)
    ds = everything()
    path = tmp_path / "all.h5"
    write_dataset(path, ds)
    back = read_dataset(path)
    expected = ds.assign(objects=ds.objects.astype(str))
    assert identical_with_dtypes(back, expected)
    assert [p.name for p in tmp_path.iterdir()] == ["all.h5"]


def test_xarray_opens_it_without_help(tmp_path):
    """Neither warnings (they are errors here) nor phony dimensions."""
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"a": 1}), "/x/y": everything()})
    write_dataset(tmp_path / "tree.h5", tree)
    with xr.open_datatree(tmp_path / "tree.h5", engine="h5netcdf") as opened:
        assert opened.attrs["schema_version"] == 1
        found = opened["/x/y"].to_dataset().load()
        assert "phony" not in repr(found)
        expected = everything().assign(objects=everything().objects.astype(str))
        xr.testing.assert_equal(found, expected)
        assert set(found.coords) == set(expected.coords)
        assert found["bool"].dtype == bool
    assert open_run(tmp_path / "tree.h5")["x/y"].to_dataset().identical(expected)
    assert read_dataset(tmp_path / "tree.h5", "/x/y").identical(expected)


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed")
def test_h5dump_reads_it(tmp_path):
    write_dataset(tmp_path / "all.h5", everything())
    done = subprocess.run(
        ["h5dump", "-d", "/uint8", tmp_path / "all.h5"], capture_output=True, text=True, check=True
    )
    assert "H5T_STD_U8LE" in done.stdout
    assert "DIMENSION_LIST" in done.stdout


def test_outcomes_are_compressed_and_chunked(tmp_path):
    outcomes = np.random.default_rng(0).integers(0, 4, (100_000, 50), dtype=np.uint8)
    field = np.random.default_rng(0).normal(size=(50, 70_000))
    path = tmp_path / "data.h5"
    write_dataset(
        path, xr.Dataset({"outcomes": (("n", "site"), outcomes), "phi": (("a", "b"), field)})
    )
    with h5py.File(path) as file:
        stored = file["outcomes"]
        assert stored.compression == "gzip"
        assert 2**19 <= np.prod(stored.chunks) <= 2**20
        assert stored.id.get_storage_size() < outcomes.nbytes / 3
        assert file["phi"].compression is None
        assert 2**19 <= 8 * np.prod(file["phi"].chunks) <= 2**20
        np.testing.assert_array_equal(stored[...], outcomes)
    assert path.stat().st_size < outcomes.nbytes / 3 + field.nbytes + 20_000


def test_a_file_that_reads_back_different_is_never_published(tmp_path, monkeypatch):
    write_groups = image.write_groups

    def faulty(file, *rest, **options):
        write_groups(file, *rest, **options)
        file["x"][1] = 5.0

    monkeypatch.setattr(image, "write_groups", faulty)
    with pytest.raises(StoreError, match="reads back different"):
        write_dataset(tmp_path / "x.h5", xr.Dataset({"x": ("n", [1.0, 2.0])}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [64, 1000, 300_000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int64"])
def test_a_flipped_bit_in_an_array_is_found(tmp_path, n, dtype):
    """What a disk forgets is told with file and group, not passed on as a weight."""
    values = np.random.default_rng(2).normal(size=n).astype(dtype) * 1000 + 1
    path = tmp_path / "run" / "run.h5"
    with RunStore.open(path.parent, {"seed": 1}) as store:
        store.commit({"model": xr.Dataset({"w": ("n", values)})})
        store.finish()
    stored = np.ascontiguousarray(values, dtype).tobytes()
    content = bytearray(path.read_bytes())
    at = content.index(stored[: min(len(stored), 512)])
    content[at + 128] ^= 4
    path.write_bytes(content)
    for read in (open_run, lambda p: read_dataset(p, "model"), lambda p: open_run(p.parent)):
        with pytest.raises(StoreError, match=r"/model/w in \S*run\.h5 is damaged"):
            read(path)


def test_small_file_is_small(tmp_path):
    write_dataset(tmp_path / "small.h5", xr.Dataset({"x": ("n", [1.0, 2.0]), "y": ("n", [1, 2])}))
    assert (tmp_path / "small.h5").stat().st_size < 6000


@pytest.mark.parametrize(
    ("ds", "message"),
    [
        (xr.Dataset({"x": ("n", np.array([1, None], dtype=object))}), "numbers, booleans or text"),
        (
            xr.Dataset({"x": ("n", np.array(["2020-01-01"], "M8[ns]"))}),
            "numbers, booleans or text",
        ),
        (xr.Dataset({"x": ("n", ["a\0b"])}), "NUL"),
        (xr.Dataset({"a b": 1}), "no space"),
        (xr.Dataset({"x": (("x", "y"), np.zeros((2, 2)))}), "named after one of its dims"),
        (xr.Dataset(attrs={"_FillValue": 0}), "reserved name"),
        (xr.Dataset(attrs={"x": np.zeros(10_000)}), "make it a variable"),
        (xr.Dataset(attrs={"x": object()}), "plain data"),
        (xr.Dataset(attrs={"x": "a\0b"}), "NUL"),
    ],
)
def test_what_a_file_cannot_keep_is_refused(tmp_path, ds, message):
    with pytest.raises(InputError, match=message):
        write_dataset(tmp_path / "x.h5", ds)
    assert not list(tmp_path.iterdir())


def test_attributes_become_numbers_text_or_json(tmp_path):
    attrs = {
        "flag": True,
        "numpy_flag": np.bool_(False),
        "numpy": np.float32(0.5),
        "mapping": {"b": [1, 2], "a": None},
        "mixed": [1, "two"],
        "nested": [[1, 2], [3]],
        "flags": [True, False],
        "none": None,
        "huge": 2**70,
    }
    write_dataset(tmp_path / "x.h5", xr.Dataset(), attrs)
    back = open_run(tmp_path / "x.h5").attrs
    assert back["flag"] == 1
    assert back["numpy_flag"] == 0
    assert back["numpy"] == 0.5
    assert back["mapping"] == '{"a": null, "b": [1, 2]}'
    assert back["mixed"] == '[1, "two"]'
    assert back["nested"] == "[[1, 2], [3]]"
    assert back["flags"].tolist() == [1, 0]
    assert back["none"] == "null"
    assert back["huge"] == str(2**70)


def test_files_that_are_not_ours(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1.0]
    (tmp_path / "text.h5").write_text("hello")
    for read in (open_run, read_dataset):
        with pytest.raises(StoreError, match=r"did not write.*xarray.open_datatree"):
            read(tmp_path / "foreign.h5")
        with pytest.raises(StoreError, match="cannot be read as an HDF5 file"):
            read(tmp_path / "text.h5")
        with pytest.raises(StoreError, match="does not exist"):
            read(tmp_path / "none.h5")
    write_dataset(tmp_path / "ours.h5", xr.Dataset({"x": 1}))
    with pytest.raises(InputError, match="group must be one of"):
        read_dataset(tmp_path / "ours.h5", "samples")


def test_import_is_light():
    code = (
        "import sys, physgen.results as r\n"
        "heavy = {'torch', 'numba', 'matplotlib', 'h5py', 'xarray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "r.RunStore, r.open_run\n"
        "heavy = {'torch', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
