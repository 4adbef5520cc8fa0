"""Lost qubits: the shot or the site is left out, and nothing is filled in."""

import json

import numpy as np
import pytest
from helpers.shots import L, N, drawn, lines, same_shots, save, words

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import estimate_observables
from physgen.quantum.importing import import_measurements


@pytest.fixture(scope="module")
def shots():
    return drawn()


def test_lost_qubits(tmp_path, shots):
    bases, bits = shots
    rng = Stream(5).numpy()
    gone = rng.random((N, L)) < [0.05, 0.0, 0.1]
    marked = np.where(gone, "-", bits.astype(str))
    kept = ~gone.any(axis=1)
    everything = bases + 3 * bits
    w = words(bases)
    files = {
        "a.txt": [f"{b} {''.join(x)}" for b, x in zip(w, marked)],
        "b.txt": [f"{b} {''.join(x)}" for b, x in zip(w, np.where(gone, "?", marked))],
        "c.csv": ["basis,bits", *(f"{b},{''.join(x)}" for b, x in zip(w, marked))],
        "d.txt": [" ".join(f"{b} {x}" for b, x in zip(u, v)) for u, v in zip(w, marked)],
    }
    for name, text in files.items():
        path = lines(tmp_path / name, text)
        with pytest.raises(InputError, match="lost"):
            import_measurements(path)
        data = import_measurements(path, lost="drop")
        np.testing.assert_array_equal(data.outcomes, everything[kept], name)
        assert data.attrs["lost"] == f"{(~kept).sum()} of {N} shots left out"
        data = import_measurements(path, lost="marginalise")
        np.testing.assert_array_equal(data.outcomes, everything[:, 1:2], name)
        assert data.attrs["lost"] == "sites left out: 0, 2"
    numbers = {
        "a": np.where(gone, np.nan, bits),
        "b": np.where(gone, -1, bits),
        "c": np.where(gone, np.nan, 1.0 - 2 * bits),
    }
    for name, array in numbers.items():
        np.savez(tmp_path / f"{name}.npz", bits=array, bases=np.array(w))
        with pytest.raises(InputError, match="lost"):
            import_measurements(tmp_path / f"{name}.npz")
        data = import_measurements(tmp_path / f"{name}.npz", lost="drop")
        np.testing.assert_array_equal(data.outcomes, everything[kept])
    np.savetxt(tmp_path / "n.txt", numbers["c"], fmt="%g")
    b = lines(tmp_path / "bases.txt", w)
    with pytest.raises(InputError, match="lost"):
        import_measurements(tmp_path / "n.txt", bases=b)
    data = import_measurements(tmp_path / "n.txt", bases=b, lost="drop")
    np.testing.assert_array_equal(data.outcomes, everything[kept])
    counts = save(tmp_path / "c.json", json.dumps({"0-1": 5, "011": 7, "001": 2}))
    data = import_measurements(counts, lost="drop")
    assert same_shots(data, [[0, 1, 1]] * 7 + [[0, 0, 1]] * 2)
    data = import_measurements(counts, lost="marginalise")
    assert same_shots(data, [[0, 1]] * 14)
    nothing = lines(tmp_path / "nothing.txt", ["0-1", "-01", "01-"] * 9)
    with pytest.raises(InputError, match=r"at least one shot|must leave a shot"):
        import_measurements(nothing, format="bits", lost="drop")
    with pytest.raises(InputError, match=r"'marginalise' must leave a site, got .* all 3 sites"):
        import_measurements(nothing, format="bits", lost="marginalise")


def test_lost_values_are_no_results(tmp_path):
    """The saboteur of lost qubits: filled with 0, they would look like Z+."""
    text = ["1-", "11"] * 50
    data = import_measurements(lines(tmp_path / "a.txt", text), format="bits", lost="drop")
    assert float(estimate_observables(data).z[1]) == -1


def test_empty_cells_are_lost_qubits(tmp_path):
    path = lines(tmp_path / "a.csv", ["shot,q0,q1", "0,0,1", "1,1,1", "2,,1", "3,0,0"])
    with pytest.raises(InputError, match="lost"):
        import_measurements(path, format="bits")
    data = import_measurements(path, format="bits", lost="drop")
    np.testing.assert_array_equal(data.outcomes, [[0, 1], [1, 1], [0, 0]])
