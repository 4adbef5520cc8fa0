"""Integers for bases: read in the stated order alone."""

import h5py
import numpy as np
import pytest
from helpers.shots import drawn, lines, strings, words

from physgen.core.errors import InputError
from physgen.quantum import estimate_observables
from physgen.quantum.importing import import_measurements


@pytest.fixture(scope="module")
def shots():
    return drawn()


@pytest.mark.parametrize("order", ["XYZ", "ZXY", "YZX", "XZY", "zyx"])
def test_integer_bases_are_read_in_the_stated_order_alone(tmp_path, shots, order):
    bases, bits = shots
    theirs = np.array([order.upper().index("ZXY"[b]) for b in range(3)])[bases]
    np.save(tmp_path / "bits.npy", bits)
    np.save(tmp_path / "recipes.npy", theirs)
    np.savez(tmp_path / "both.npz", bits=bits, recipes=theirs)
    np.savetxt(tmp_path / "recipes.txt", theirs, fmt="%d")
    with h5py.File(tmp_path / "both.h5", "w") as file:
        file["shadow/bits"], file["shadow/bases"] = bits, theirs.astype(float)
    for file, more in (
        ("bits.npy", {"bases": tmp_path / "recipes.npy"}),
        ("bits.npy", {"bases": tmp_path / "recipes.txt"}),
        ("both.npz", {}),
        ("both.h5", {"format": "bits"}),
    ):
        with pytest.raises(InputError, match=r"bases_order|letters X, Y, Z") as error:
            import_measurements(tmp_path / file, **more)
        assert "--bases-order" in str(error.value)
        assert "\n" not in str(error.value)
        data = import_measurements(tmp_path / file, bases_order=order, **more)
        np.testing.assert_array_equal(data.outcomes, bases + 3 * bits)
        ds = estimate_observables(data)
        assert float(ds.z[0]) > 0.9
        assert float(ds.x[1]) > 0.9
    # saboteur: another order makes |+> of |0>
    wrong = "ZXY" if order != "ZXY" else "XYZ"
    data = import_measurements(tmp_path / "both.npz", bases_order=wrong)
    ds = estimate_observables(data)
    assert min(float(ds.z[0]), float(ds.x[1])) < 0.5


@pytest.mark.parametrize(
    ("change", "how", "says"),
    [
        (lambda b: b + 1, {"bases_order": "XYZ"}, r"must be 0, 1 and 2, got 1\.\.3 .*subtract 1"),
        (lambda b: b - 1, {"bases_order": "XYZ"}, r"must be 0, 1 and 2, got -1\.\.1"),
        (lambda b: np.array(list("ZXY"))[b], {"bases_order": "XYZ"}, "integers for bases, got"),
        (lambda b: b, {"bases_order": "XYY"}, "must be the letters of 0, 1 and 2"),
        (lambda b: b, {"bases_order": "012"}, "must be the letters of 0, 1 and 2"),
        (lambda b: b > 0, {}, "got shape .* of bool"),
        (lambda b: b[:-1], {"bases_order": "XYZ"}, "one row a shot, 900, got 899"),
        (lambda b: b[:, :2], {"bases_order": "XYZ"}, r"shape \(900, 3\), got \(900, 2\)"),
        (lambda b: b[:, 0], {"bases_order": "XYZ"}, r"got shape \(900,\)"),
        (lambda b: np.eye(3, dtype=int)[b], {"bases_order": "XYZ"}, r"got shape \(900, 3, 3\)"),
    ],
)
def test_bases_that_are_not_understood(tmp_path, shots, change, how, says):
    bases, bits = shots
    np.savez(tmp_path / "a.npz", bits=bits, bases=change(bases))
    with pytest.raises(InputError, match=says):
        import_measurements(tmp_path / "a.npz", **how)


def test_an_order_without_integers(tmp_path, shots):
    bases, bits = shots
    np.save(tmp_path / "bits.npy", bits)
    for more in ({}, {"bases": "Z"}):
        with pytest.raises(InputError, match="bases_order must"):
            import_measurements(tmp_path / "bits.npy", bases_order="XYZ", format="bits", **more)
    both = lines(tmp_path / "a.txt", map(" ".join, zip(words(bases), strings(bits))))
    with pytest.raises(InputError, match="bases_order must not be given"):
        import_measurements(both, bases_order="XYZ")


def test_integers_for_bases_on_the_line_of_the_bits(tmp_path, shots):
    bases, bits = shots
    theirs = np.array([2, 0, 1])[bases]
    np.savetxt(tmp_path / "a.txt", np.hstack([theirs, bits]), fmt="%d")
    with pytest.raises(InputError, match="--bases-order"):
        import_measurements(tmp_path / "a.txt", format="bits+bases")
    data = import_measurements(tmp_path / "a.txt", format="bits+bases", bases_order="XYZ")
    np.testing.assert_array_equal(data.outcomes, bases + 3 * bits)
    np.savetxt(tmp_path / "b.txt", np.hstack([bits + 2, theirs]), fmt="%d")
    with pytest.raises(InputError, match=r"must hold 0, 1 or 2 for each basis, .* got line"):
        import_measurements(tmp_path / "b.txt", format="bits+bases", bases_order="XYZ")
