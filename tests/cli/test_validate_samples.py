"""physgen validate-samples: a table of what differs, or one clear line."""

import numpy as np
import pytest
import xarray as xr

from physgen import FreeField
from physgen.cli import main

TARGET = ("--target", "free-field", "--set", "L=4", "--set", "m2=0.5")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    for name, m2, seed in (("good", 0.5, 1), ("reference", 0.5, 2), ("heavy", 1.0, 3)):
        np.save(folder / f"{name}.npy", FreeField(L=4, m2=m2).sample(400, seed))
    return folder


def test_equal_samples_and_others(files, capsys, tmp_path):
    quick = ("--test", "observables", "--test", "sliced-w2", "--test", "stein")
    reference = ("--reference", str(files / "reference.npy"))
    assert main(["validate-samples", str(files / "good.npy"), *reference, *TARGET, *quick]) == 0
    good = capsys.readouterr().out
    assert "no difference from the reference seen by 3 tests" in good
    for says in ("400 configurations, 4 x 4", "abs_magnetization", "k = (1, 0)", "expected"):
        assert says in good
    out = tmp_path / "found.h5"
    heavy = ["validate-samples", str(files / "heavy.npy"), *reference, *TARGET, *quick]
    assert main([*heavy, "--out", str(out)]) == 0  # the answer is no error
    text = capsys.readouterr().out
    assert "different from the reference" in text
    assert str(out) in text
    found = xr.load_dataset(out, engine="h5netcdf")
    assert float(found["p_value_any"]) < 1e-3
    assert main([*heavy, "--out", str(out)]) == 2
    assert "--out must be a new file" in capsys.readouterr().err


def test_a_file_against_itself(files, capsys):
    same = str(files / "good.npy")
    assert main(["validate-samples", same, "--reference", same]) == 0
    assert "identical samples" in capsys.readouterr().out


def test_a_target_alone(files, capsys):
    assert main(["validate-samples", str(files / "good.npy"), *TARGET]) == 0
    text = capsys.readouterr().out
    assert "no difference from the target" in text
    assert "! mmd: left out; it needs a reference" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "needs a reference, a target with a force, or both"),
        (["--target", "free-fields"], "did you mean 'free-field'"),
        (["--set", "L=4"], "--set names a parameter of --target"),
        (["--target", "free-field", "--set", "L"], "KEY=VALUE"),
        (["--target", "free-field", "--set", "L=5", "--set", "m2=1"], "another lattice size"),
        (["--reference", "none.npy"], "a file that exists"),
        (["--reference", "REF", "--test", "mmds"], "did you mean 'mmd'"),
        (["--reference", "REF", "--n-max", "3"], "n_max must be an integer >= 100"),
    ],
)
def test_bad_input(files, capsys, argv, message):
    argv = [str(files / "reference.npy") if a == "REF" else a for a in argv]
    assert main(["validate-samples", str(files / "good.npy"), *argv]) == 2
    err = capsys.readouterr().err
    assert err.startswith("physgen: error: ")
    assert message in err
    assert err.count("\n") == 1
