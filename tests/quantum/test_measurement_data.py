"""Measurement data: round trips, merging, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from physgen.core.errors import InputError, StoreError
from physgen.core.random import Stream
from physgen.quantum import POVM, TFIM, MeasurementData, povm
from physgen.results import write_dataset


def shots(K, n=50, L=4):
    return Stream(1).numpy().integers(K, size=(n, L), dtype=np.uint8)


@pytest.mark.parametrize("name", ["pauli-4", "pauli-6", "tetrahedral"])
def test_files_round_trip(tmp_path, name):
    tfim = TFIM(4, -1, 0.5)
    attrs = tfim.attrs() | {"source": "drawn at random"}
    data = MeasurementData(shots(povm(name).K), name, attrs)
    data.save(tmp_path / "data.h5")
    loaded = MeasurementData.load(tmp_path / "data.h5", name, L=4)
    np.testing.assert_array_equal(loaded.outcomes, data.outcomes)
    assert loaded.outcomes.dtype == np.uint8
    assert loaded.povm is povm(name)
    assert loaded.attrs == data.attrs
    assert loaded.tfim == tfim
    assert (loaded.n, loaded.L) == (50, 4)


def test_a_povm_of_ones_own_is_stored_with_the_data():
    permuted = povm("pauli-6").elements[[1, 4, 2, 5, 0, 3]]
    mine = POVM("pauli-6", permuted, ("X+", "X-", "Y+", "Y-", "Z+", "Z-"))
    copy = MeasurementData.from_dataset(MeasurementData(shots(6), mine).to_dataset())
    np.testing.assert_allclose(copy.povm.elements, permuted, atol=1e-15)
    assert copy.povm.outcomes == mine.outcomes
    with pytest.raises(InputError, match=r"must be pauli-6 \(Z\+, X\+.*got pauli-6 \(X\+, X-"):
        copy.require("pauli-6")


def test_merging_keeps_the_positive_outcomes():
    data = MeasurementData(shots(6), "pauli-6", {"source": "test"})
    merged = data.merged("pauli-4")
    np.testing.assert_array_equal(merged.outcomes, np.minimum(data.outcomes, 3))
    assert merged.povm is povm("pauli-4")
    assert merged.attrs["merged_from"] == "pauli-6"
    assert data.merged("pauli-6") is data
    with pytest.raises(InputError, match="cannot be merged"):
        merged.merged("tetrahedral")


def test_bare_arrays(tmp_path):
    x = shots(4).astype(np.int64)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "one.npz", x)
    np.savez(tmp_path / "named.npz", outcomes=x, other=x[:1])
    for name in ("a.npy", "one.npz", "named.npz"):
        data = MeasurementData.load(tmp_path / name, "tetrahedral")
        np.testing.assert_array_equal(data.outcomes, x)
        assert data.tfim is None
    np.savez(tmp_path / "two.npz", a=x, b=x)
    (tmp_path / "text.npy").write_text("0 1 2 3")
    for name in ("a.npy", "one.npz"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / f"half_{name}").write_bytes(content[: len(content) // 2])
    unclosed = (tmp_path / "a.npy").read_bytes().replace(b"}", b" ", 1)
    (tmp_path / "unclosed.npy").write_bytes(unclosed)
    for name, frame, message in [
        ("a.npy", None, "povm must be given"),
        ("two.npz", "pauli-4", "one array or one named outcomes"),
        ("text.npy", "pauli-4", "must be an integer array.*it is not an npy or npz file"),
        ("absent.npy", "pauli-4", "must be an integer array"),
        ("half_a.npy", "pauli-4", "must be an integer array"),
        ("half_one.npz", "pauli-4", "must be an integer array.*not a zip file"),
        ("unclosed.npy", "pauli-4", "must be an integer array"),
    ]:
        with pytest.raises(InputError, match=message):
            MeasurementData.load(tmp_path / name, frame)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "rand.csv").write_text("0,1,2,3\n")
    with pytest.raises(InputError, match=r"must be \.h5, \.npy or \.npz, got rand\.csv"):
        MeasurementData.load(tmp_path / "rand.csv", "pauli-4")


def test_the_outcomes_of_a_run_are_those_of_its_group_data(tmp_path):
    data, others = MeasurementData(shots(4), "pauli-4"), MeasurementData(shots(4)[:7], "pauli-4")
    groups = {"/data": data.to_dataset(), "/samples": others.to_dataset()}
    write_dataset(tmp_path / "run.h5", xr.DataTree.from_dict(groups))
    loaded = MeasurementData.load(tmp_path / "run.h5")
    np.testing.assert_array_equal(loaded.outcomes, data.outcomes)
    write_dataset(tmp_path / "other.h5", xr.DataTree.from_dict({"/samples": groups["/samples"]}))
    with pytest.raises(InputError, match=r"other\.h5 must contain outcomes.*group /data"):
        MeasurementData.load(tmp_path / "other.h5")


def test_what_is_refused(tmp_path):
    bad = shots(4)
    bad[7, 2] = 4
    with pytest.raises(InputError, match="got 4 at shot 7, site 2"):
        MeasurementData(bad, "pauli-4")
    with pytest.raises(InputError, match=r"shape \(n, L\)"):
        MeasurementData(shots(4)[0], "pauli-4")
    with pytest.raises(InputError, match=r"shape \(n, L\)"):
        MeasurementData(np.empty((0, 4), np.uint8), "pauli-4")
    with pytest.raises(InputError, match="L = 5 sites as their attributes say"):
        MeasurementData(shots(4), "pauli-4", TFIM(5).attrs())
    data = MeasurementData(shots(6), "pauli-6")
    data.save(tmp_path / "six.h5")
    with pytest.raises(InputError, match=r"six.h5 must be pauli-4.*got pauli-6.*merge"):
        MeasurementData.load(tmp_path / "six.h5", "pauli-4")
    with pytest.raises(InputError, match="L = 10 sites, got 4"):
        MeasurementData.load(tmp_path / "six.h5", L=10)
    with pytest.raises(InputError, match="must contain outcomes"):
        MeasurementData.from_dataset(data.to_dataset().drop_vars("outcomes"))
    with pytest.raises((InputError, StoreError)):
        MeasurementData.load(tmp_path / "absent.h5")


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"povm_outcomes": "{bad"}, "povm_outcomes must be a JSON list of names, got '{bad'"),
        ({"povm_outcomes": "6"}, "povm_outcomes must be a JSON list of names, got '6'"),
        ({"L": "four"}, "must have L = four sites"),
        (TFIM(4).attrs() | {"J": "one"}, "J must be a finite number, got 'one'"),
    ],
)
def test_attributes_of_a_file_that_are_not_what_they_should_be(tmp_path, attrs, message):
    ds = MeasurementData(shots(6), "pauli-6").to_dataset().assign_attrs(attrs)
    write_dataset(tmp_path / "bad.h5", ds)
    with pytest.raises(InputError, match=message):
        MeasurementData.load(tmp_path / "bad.h5")


def test_povm_elements_of_the_wrong_shape():
    ds = MeasurementData(shots(6), "pauli-6").to_dataset()
    with pytest.raises(InputError, match=r"must have shape \(K, 4\) or .* got \(6, 3\)"):
        MeasurementData.from_dataset(ds.isel(pauli=slice(3)))
