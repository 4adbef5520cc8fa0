"""What numbers mean: orders of outcomes, bases and bits, and what is too ambiguous to guess."""

import h5py
import numpy as np
import pytest
from helpers.statistics import within

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import MeasurementData, estimate_observables, povm
from physgen.quantum.importing import import_measurements


def drawn(n=400, L=3):
    """Bases Z = 0, X = 1, Y = 2 drawn at random, and bits."""
    rng = Stream(1).numpy()
    return rng.integers(0, 3, (n, L)), rng.integers(0, 2, (n, L))


def letters_of(bases):
    return np.array(list("ZXY"))[bases]


def write(path, rows, between=" "):
    path.write_text("".join(between.join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("between", [" ", ""])
def test_bases_and_bits_become_pauli_6_without_loss(tmp_path, between):
    bases, bits = drawn()
    b = write(tmp_path / "bases.txt", letters_of(bases), between)
    x = write(tmp_path / "bits.txt", bits, between)
    together = tmp_path / "both.txt"
    rows = zip(letters_of(bases), bits, strict=True)
    write(together, [["".join(r), "".join(map(str, s))] for r, s in rows])
    apart = np.hstack([letters_of(bases), bits])
    found = [
        import_measurements(x, bases=b),
        import_measurements(x, bases=b, format="bits+bases"),
        import_measurements(together),
        import_measurements(write(tmp_path / "apart.txt", apart)),
    ]
    np.save(tmp_path / "bits.npy", bits)
    np.save(tmp_path / "bases.npy", letters_of(bases))
    found.append(import_measurements(tmp_path / "bits.npy", bases=tmp_path / "bases.npy"))
    for data in found:
        assert data.povm is povm("pauli-6")
        assert data.settings is None
        np.testing.assert_array_equal(data.outcomes % 3, bases)
        np.testing.assert_array_equal(data.outcomes // 3, bits)
    merged = found[0].merged("pauli-4")
    np.testing.assert_array_equal(merged.outcomes, np.where(bits == 0, bases, 3))


def test_settings_that_are_not_random_keep_their_labels(tmp_path):
    bases, bits = drawn()
    bases = np.sort(bases, axis=0)
    b, x = write(tmp_path / "b.txt", letters_of(bases)), write(tmp_path / "x.txt", bits)
    data = import_measurements(x, bases=b)
    assert len(data.setting_table) == len(np.unique(bases, axis=0))
    assert data.attrs["settings"].startswith("labelled: not random (p = ")
    assert import_measurements(x, bases=b, settings="random").settings is None
    random = [write(tmp_path / name, rows) for name, rows in zip("bx", (drawn()[0], bits))]
    random[0] = write(tmp_path / "r.txt", letters_of(drawn()[0]))
    assert import_measurements(random[1], bases=random[0], settings="keep").settings is not None
    six = write(tmp_path / "six.txt", bases + 3 * bits)  # as integers, they are the same
    np.testing.assert_array_equal(import_measurements(six, povm="pauli-6").settings, data.settings)


def test_what_bit_one_is(tmp_path):
    bits = drawn()[1]
    x = write(tmp_path / "x.txt", bits)
    for bit_one, outcomes in ((None, bits), ("down", bits), ("up", 1 - bits)):
        data = import_measurements(x, format="bits", bit_one=bit_one)
        assert data.povm is povm("computational")
        np.testing.assert_array_equal(data.outcomes, outcomes)
        assert data.attrs["bit_one"] == (bit_one or "down")
    np.testing.assert_array_equal(import_measurements(x, bases="Z").outcomes, bits)
    along_x = import_measurements(x, bases="X")
    np.testing.assert_array_equal(along_x.outcomes, 1 + 3 * bits)
    assert along_x.setting_table.names == ["XXX"]
    mixed = import_measurements(x, bases="ZXY", bit_one="up")
    np.testing.assert_array_equal(mixed.outcomes, [0, 1, 2] + 3 * (1 - bits))
    z = import_measurements(x, povm="computational", outcome_order="spins", format="integers")
    np.testing.assert_array_equal(z.outcomes, 1 - bits)


ORDERS = [
    ("aqt", "pauli-6", "Z+,X+,Y+,Z-,X-,Y-"),
    ("povm-genmodel", "pauli-6", "X+,X-,Y+,Y-,Z+,Z-"),
    ("Z-, Z+, Y-, Y+, X-, X+", None, "Z-,Z+,Y-,Y+,X-,X+"),
    ("rest,Z+,X+,Y+", None, "rest,Z+,X+,Y+"),
]


@pytest.mark.parametrize(("order", "name", "labels"), ORDERS)
def test_orders_of_outcomes(tmp_path, order, name, labels):
    labels = labels.split(",")
    x = Stream(2).numpy().integers(0, len(labels), (500, 3))
    data = import_measurements(write(tmp_path / "x.txt", x), povm=name, outcome_order=order)
    seen = np.array(data.povm.outcomes)[data.outcomes]
    np.testing.assert_array_equal(seen, np.array(labels)[x])


def test_arrays(tmp_path):
    x = Stream(2).numpy().integers(0, 4, (60, 3))
    onehot = np.eye(4, dtype=int)[x]
    arrays = {"a": x, "f": x.astype(float), "o": onehot, "w": onehot.reshape(60, 12)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.savez(tmp_path / f"{name}.npz", outcomes=array, other=x[:2])
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["run/samples"] = array
            file["run/times"] = np.arange(60.0)
        for suffix in ("npy", "npz", "h5"):
            ignore = ["other"] if suffix == "npz" else []
            data = import_measurements(
                tmp_path / f"{name}.{suffix}", povm="tetrahedral", ignore=ignore
            )
            assert data.attrs.get("left_aside") == dict(npz="other", h5="run/times").get(suffix)
            np.testing.assert_array_equal(data.outcomes, x)
    x[7, 1] = 5
    np.save(tmp_path / "bad.npy", x)
    with pytest.raises(InputError, match=r"0\.\.3, one a site, got row 7 of bad.npy: \["):
        import_measurements(tmp_path / "bad.npy", povm="tetrahedral")
    np.savez(tmp_path / "two.npz", p=x, q=x)
    with pytest.raises(InputError, match=r"must hold one array.*got p, q"):
        import_measurements(tmp_path / "two.npz", povm="tetrahedral")
    np.save(tmp_path / "c.npy", x + 0.5)
    with pytest.raises(InputError, match="must be an array of integers"):
        import_measurements(tmp_path / "c.npy", povm="tetrahedral")


def test_a_data_file_says_itself_what_it_holds(tmp_path):
    data = MeasurementData(np.array([[0, 1]] * 30 + [[1, 1]] * 30), "pauli-6", {"source": "mine"})
    data.save(tmp_path / "a.h5")
    again = import_measurements(tmp_path / "a.h5", attrs={"licence": "CC0"})
    np.testing.assert_array_equal(again.outcomes, data.outcomes)
    assert len(again.setting_table) == 2
    assert (again.attrs["source"], again.attrs["licence"]) == ("mine", "CC0")
    with pytest.raises(InputError, match="must be taken as it says"):
        import_measurements(tmp_path / "a.h5", outcome_order="aqt")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "the format must be stated for a file of zeros and ones"),
        (
            {"povm": "pauli-6"},
            "the format must be stated where pauli-6 outcomes seem to be 0 and 1",
        ),
        ({"format": "integers"}, "povm must be given for integers"),
        ({"format": "bits", "povm": "pauli-4"}, "must be outcomes of pauli-6 or computational"),
        ({"format": "bits", "povm": "pauli-6"}, "bases must be given to make pauli-6"),
        ({"format": "bits+bases"}, "bases must be given as a file of letters"),
        ({"format": "bits", "outcome_order": "aqt"}, "outcome_order must not be given for bits"),
        ({"format": "integers", "povm": "pauli-6", "bit_one": "up"}, "bit_one must not be given"),
        ({"bases": "ZQ"}, "bases must be a file, or letters X, Y, Z"),
        ({"bases": "X", "povm": "computational"}, "bases must all be Z for povm computational"),
        ({"format": "qiskit"}, "format must be one of"),
        ({"bases": "Z", "bit_one": "left"}, "bit_one must be one of 'down', 'up'"),
        ({"bases": "Z", "settings": "some"}, "settings must be one of"),
    ],
)
def test_what_is_too_ambiguous_or_wrong(tmp_path, how, says):
    with pytest.raises(InputError, match=says):
        import_measurements(write(tmp_path / "x.txt", drawn()[1]), **how)


def test_bits_and_bases_that_do_not_fit(tmp_path):
    bases, bits = drawn()
    x = write(tmp_path / "x.txt", bits)
    short = write(tmp_path / "short.txt", letters_of(bases)[:-1])
    with pytest.raises(InputError, match=r"shape \(400, 3\), got \(399, 3\) in short.txt"):
        import_measurements(x, bases=short)
    with pytest.raises(
        InputError, match=r"must be letters X, Y, Z, one line .* got no letters in x\.txt"
    ):
        import_measurements(x, bases=x)
    rows = [["ZXY", "010"]] * 20
    rows[7] = ["ZX0", "Y10"]
    with pytest.raises(InputError, match=r"then as many bits, got line 8 of m.txt: 'ZX0 Y10'"):
        import_measurements(write(tmp_path / "m.txt", rows))
    rows[7] = ["ZXY", "012"]
    with pytest.raises(InputError, match=r"0 and 1 and letters X, Y, Z, got line 8 of"):
        import_measurements(write(tmp_path / "m.txt", rows))


def test_the_order_matters(tmp_path):
    """The saboteur of an import: a product of Z+ read in another program's order is X+."""
    rng = Stream(3).numpy()
    bases = rng.integers(0, 3, (2000, 3))
    x = bases + 3 * np.where(bases == 0, 0, rng.integers(0, 2, bases.shape))
    path = write(tmp_path / "x.txt", x)
    right = estimate_observables(import_measurements(path, povm="pauli-6", outcome_order="aqt"))
    wrong = import_measurements(path, povm="pauli-6", outcome_order="povm-genmodel")
    assert within(right.z_mean, 1, right.z_mean_error, largest=0.03)
    wrong = estimate_observables(wrong)
    assert abs(float(wrong.z_mean) - 1) > 10 * float(wrong.z_mean_error)
