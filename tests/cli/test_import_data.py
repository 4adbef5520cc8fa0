"""physgen import-data: from a lab's file to a data file that a run takes, or one clear line."""

import numpy as np
import pytest

from physgen.cli import main
from physgen.core.random import Stream
from physgen.quantum import TFIM, XXZ, IsingLadder, MeasurementData, PauliHamiltonian


@pytest.fixture
def imported(tmp_path, capsys):
    """Import a file, and return what is printed with the data that was written."""

    def call(path, *argv):
        out = tmp_path / "out.h5"
        assert main(["import-data", str(path), "--out", str(out), "--force", *map(str, argv)]) == 0
        return capsys.readouterr().out, MeasurementData.load(out)

    return call


@pytest.fixture
def bits(tmp_path):
    """500 shots of bits on 3 sites, in settings drawn at random."""
    rng = Stream(1).numpy()
    x, axes = rng.integers(0, 2, (500, 3)), rng.integers(0, 3, (500, 3))
    np.savetxt(tmp_path / "bits.txt", x, fmt="%d")
    np.savetxt(tmp_path / "bases.txt", np.array(list("ZXY"))[axes], fmt="%s")
    return tmp_path / "bits.txt", tmp_path / "bases.txt", x, axes


def test_bits_and_bases(imported, bits):
    x, bases, values, axes = bits
    text, data = imported(x, "--bases", bases, "--source", "our lab", "--J", 1, "--h", 0.5)
    np.testing.assert_array_equal(data.outcomes, axes + 3 * values)
    assert data.tfim == TFIM(3, 1, 0.5)
    assert data.attrs["source"] == "our lab"
    for says in ("500 shots of 3 sites, pauli-6", "our lab", "bits.txt, as bits", "Z+ 0.1"):
        assert says in text
    assert "random as far as can be told" in text
    assert "can be given    energy, x, z, zz, x_mean, z_mean" in text
    assert "cannot" not in text


@pytest.mark.parametrize(
    ("told", "hamiltonian"),
    [
        (["--system", "xxz-1d", "-p", "Delta=0.5", "--boundary", "periodic"],
         XXZ(4, Delta=0.5, boundary="periodic")),
        (["--system", "ising-ladder", "-p", "rungs=2", "-p", "J_rung=-1", "--h", 0.3],
         IsingLadder(2, J_rung=-1.0, h=0.3)),
        (["--system", "pauli", "-p", "terms=sum XX - 0.5 Z"],
         PauliHamiltonian("sum XX - 0.5 Z", 4)),
        (["-p", "J=2"], TFIM(4, J=2.0)),
    ],
    ids=lambda v: v[1] if isinstance(v, list) else None,
)  # fmt: skip
def test_shots_of_any_system_of_the_catalogue(imported, tmp_path, told, hamiltonian):
    rng = Stream(1).numpy()
    np.savetxt(tmp_path / "x.txt", rng.integers(0, 2, (2000, 4)), fmt="%d")
    bases = np.array(list("ZXY"))[rng.integers(0, 3, (2000, 4))]
    np.savetxt(tmp_path / "b.txt", bases, fmt="%s")
    text, data = imported(tmp_path / "x.txt", "--bases", tmp_path / "b.txt", *told)
    assert data.hamiltonian.pauli_sum() == hamiltonian.pauli_sum()
    assert data.hamiltonian.boundary == hamiltonian.boundary
    assert "can be given    energy," in text


def test_what_is_said_of_chosen_settings(imported, bits, tmp_path):
    x, _, values, _ = bits
    text, data = imported(x, "--bases", "ZXZ")
    np.testing.assert_array_equal(data.outcomes, [0, 1, 0] + 3 * values)
    for says in (
        "ZXZ 500",
        "ZZZ, ZZX, ZZY, ZXX, ... (26 of 27 settings)",
        "3 of 9 Pauli strings on 1 site(s)",
        "can be given    x, z",
        "cannot          x needs settings of X on site 0, 2; z needs settings of Z on site 1; ",
        "(at least 2 shots each); measured: ZXZ",
    ):
        assert says in text


@pytest.mark.slow
def test_one_basis_and_then_a_run(imported, bits, tmp_path, capsys):
    text, data = imported(bits[0], "--format", "bits", "--bit-one", "up")
    np.testing.assert_array_equal(data.outcomes, 1 - bits[2])
    assert "bit 1 is the +1 eigenstate (up)" in text
    assert "cannot          x, x_mean: computational does not see X" in text
    config = tmp_path / "config.toml"
    config.write_text(
        '[data]\nfile = "out.h5"\n[model]\nhidden = 4\nlayers = 1\n[train]\nn_epochs = 1\n'
        "[sample]\nn_samples = 200\n"
    )
    assert main(["validate", str(config), "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "mean <Z>" in out
    assert "mean <X>" not in out
    assert "computational does not see X" in " ".join(out.split())


def test_merging_and_orders(imported, tmp_path):
    x = Stream(2).numpy().integers(0, 6, (300, 2))
    np.savetxt(tmp_path / "x.csv", x, fmt="%d", delimiter=",")
    order = ["--povm", "pauli-6", "--outcome-order", "X+,X-,Y+,Y-,Z+,Z-"]
    text, data = imported(tmp_path / "x.csv", *order, "--merge", "pauli-4")
    np.testing.assert_array_equal(data.outcomes, np.array([1, 3, 2, 3, 0, 3])[x])
    assert "order in file   X+,X-,Y+,Y-,Z+,Z-" in text
    text, _ = imported(tmp_path / "x.csv", "--povm", "pauli-6", "--settings", "keep")
    assert "labelled: as stated when imported" in text


def test_counts_in_the_order_of_qiskit_with_a_readout_error(imported, tmp_path):
    """Qubit 0 is |0>, qubit 1 |+>: the last bit is qubit 0, and so is the last letter."""
    (tmp_path / "c.json").write_text(
        '{"XZ": {"00": 900, "01": 100}, "ZX": {"00": 250, "01": 250, "10": 250, "11": 250}}'
    )
    text, data = imported(tmp_path / "c.json", "--reverse", "--readout", "0.1,0.0")
    assert data.setting_table.names in (["ZX", "XZ"], ["XZ", "ZX"])
    z = 1 - 2.0 * (data.outcomes[data.outcomes[:, 0] % 3 == 0, 0] // 3)
    assert z.mean() == pytest.approx(0.8)
    assert "bit flips 0.1, 0" in text
    assert "sites           reversed: the last of a string is site 0" in text
    assert "counts          2,000 shots of 6 rows, in a random order" in text


def test_shadows_and_lost_qubits(imported, tmp_path):
    rng = Stream(3).numpy()
    x, recipes = rng.integers(0, 2, (400, 2)).astype(float), rng.integers(0, 3, (400, 2))
    x[::8, 1] = np.nan
    np.savez(tmp_path / "s.npz", bits=x, recipes=recipes, mask=x > 0, shot=np.arange(400))
    argv = ["--bases-order", "XYZ", "--lost", "drop", "--ignore", "mask"]
    text, data = imported(tmp_path / "s.npz", *argv)
    kept = ~np.isnan(x[:, 1])
    np.testing.assert_array_equal(
        data.outcomes, (np.array([1, 2, 0])[recipes] + 3 * np.nan_to_num(x))[kept]
    )
    assert "bases in file   0 = X, 1 = Y, 2 = Z" in text
    assert "lost qubits     50 of 400 shots left out" in text
    assert "left aside      mask, shot" in text


def test_a_file_at_out_is_kept(bits, tmp_path, capsys):
    out = tmp_path / "out.h5"
    out.write_text("precious")
    argv = ["import-data", str(bits[0]), "--format", "bits", "--out", str(out)]
    assert main(argv) == 2
    assert "which exists; --force replaces it" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert main([*argv, "--force"]) == 0
    assert MeasurementData.load(out).n == 500


def test_one_qubit(imported, tmp_path):
    (tmp_path / "one.txt").write_text("Z 0\nX 1\nY 0\nX 0\n" * 40)
    text, data = imported(tmp_path / "one.txt")
    assert (data.n, data.L) == (160, 1)
    assert "160 shots of 1 site, pauli-6" in text
    assert "can be given    x, z, x_mean, z_mean" in text


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--format", "bits", "--lost", "fill"], "lost must be one of"),
        (["--format", "bits", "--n-sites", "4"], "n_sites must be the 3 sites"),
        (["--format", "bits", "--readout", "x"], "readout must be a file"),
        (["--format", "bits", "--ignore", "x"], "ignore must name columns of a file with names"),
        ([], "the format must be stated for a file of zeros and ones"),
        (["--bases", "absent.txt"], "bases must be a file, or letters X, Y, Z"),
        (["--format", "bits", "--merge", "pauli-4"], "cannot be merged into pauli-4"),
        (["--bases", "ZXZ", "--merge", "pauli-4"], "got labels of 1 settings"),
        (["--format", "bits", "--boundary", "closed"], "boundary must be one of"),
        (["--format", "bits", "--system", "xxz"], "did you mean 'xxz-1d'?"),
        (["--format", "bits", "--system", "phi4-2d"], "--system must be one of"),
        (
            ["--format", "bits", "--system", "xxz-1d", "-p", "Jz=1"],
            "a KEY of xxz-1d (L, J, Delta, h, boundary), got 'Jz=1'",
        ),
        (["--format", "bits", "-p", "h"], "a parameter must be KEY=VALUE"),
        (["--format", "bits", "-p", "h=big"], "h must be a number, got 'big'"),
        (["--format", "bits", "-p", "h=nan"], "h must be"),
        (["--format", "bits", "--system", "ising-ladder"], "must be given rungs"),
        (
            ["--format", "bits", "--system", "ising-ladder", "-p", "rungs=2"],
            "ising-ladder must have the 3 sites of the shots, got 4",
        ),
        (["--format", "bits", "-p", "L=4"], "tfim-1d must have the 3 sites of the shots, got 4"),
        (["--format", "bits", "--out", "x.txt"], "--out must be an HDF5 file"),
        (["--format", "bits", "--out", "absent/x.h5"], "--out must lie in a folder that exists"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(bits, tmp_path, capsys, argv, says):
    out = [] if "--out" in argv else ["--out", str(tmp_path / "out.h5")]
    before = sorted(tmp_path.iterdir())
    assert main(["import-data", str(bits[0]), *out, *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("physgen: error: ")
    assert says in line
    assert sorted(tmp_path.iterdir()) == before
