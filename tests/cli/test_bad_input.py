"""Each bad input: one clear line, status 2, no traceback, and nothing on the disk changes."""

import errno
import os
import shutil

import h5py
import numpy as np
import pytest

from physgen.cli import main
from physgen.quantum import MPS, POVM, TFIM, MeasurementData, povm
from physgen.workflow.figures import derived
from physgen.workflow.reconstruction.job import JOB


def snapshot(folder):
    """Return the content of every file below `folder`."""
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def refused(tmp_path, capfd):
    """Call physgen, and check that it refuses in one line and leaves the disk alone."""

    def call(*argv):
        before = snapshot(tmp_path)
        capfd.readouterr()
        assert main([str(a) for a in argv]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert lines[-1].startswith("physgen: error: ")
        assert "Traceback" not in err
        assert snapshot(tmp_path) == before
        return lines[-1]

    return call


@pytest.fixture
def shots(tmp_path):
    """A good measurement file of 40 Pauli-6 shots on 4 sites."""
    outcomes = np.random.default_rng(1).integers(0, 6, (40, 4)).astype(np.uint8)
    path = tmp_path / "shots.h5"
    MeasurementData(outcomes, povm("pauli-6")).save(path)
    return path


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.n_epoch=3", "did you mean 'n_epochs'?"),
        ("sytem.L=4", "did you mean 'system'?"),
        ("system.L=0", "L must be an integer >= 2"),
        ("system.L=-1", "L must be an integer >= 2"),
        ("system.L=3.5", "L must be an integer >= 2"),
    ],
)
def test_a_bad_config(config, tmp_path, refused, override, says):
    out = tmp_path / "run"
    assert says in refused("run", config, "--out", out, "--set", override)
    assert not out.exists()


def test_a_ring_of_two_sites(config, tmp_path, refused):
    overrides = ("--set", "system.L=2", "--set", "system.boundary=periodic")
    assert "L must be" in refused("run", config, "--out", tmp_path / "run", *overrides)


def test_a_degenerate_chain(config, tmp_path, refused):
    """An odd antiferromagnetic ring without a field: every kinked state is a ground state."""
    overrides = [f"system.{x}" for x in ("J=-1", "h=0", "L=5", "boundary=periodic")]
    argv = [arg for override in overrides for arg in ("--set", override)]
    says = refused("run", config, "--out", tmp_path / "run", *argv)
    assert "a ground state that is unique in its parity" in says


def from_file(tmp_path, path, text=""):
    config = tmp_path / "lab.toml"
    config.write_text(f'[data]\nfile = "{path.name}"\n{text}')
    return config


def test_a_device_that_is_not_there(config, tmp_path, refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    says = refused("run", config, "--out", tmp_path / "out", "--set", "train.device=cuda")
    assert "[train] device must be 'cpu' on this machine, got 'cuda'" in says


def test_outcomes_outside_their_range(tmp_path, shots, refused):
    with h5py.File(shots, "r+") as file:
        file["outcomes"][3, 1] = 6
    says = refused("run", from_file(tmp_path, shots), "--out", tmp_path / "run")
    assert "must be in 0..5, got 6" in says


def test_a_data_file_of_another_povm(tmp_path, shots, refused):
    config = from_file(tmp_path, shots, 'povm = "tetrahedral"\n')
    says = refused("run", config, "--out", tmp_path / "run")
    assert "must be tetrahedral (" in says
    assert "got pauli-6 (" in says


def test_a_data_file_of_another_length(tmp_path, shots, refused):
    config = from_file(tmp_path, shots, "[system]\nL = 5\n")
    assert "must have L = 5 sites, got 4" in refused("run", config, "--out", tmp_path / "run")


@pytest.mark.parametrize(
    ("system", "says"),
    [
        ("h = 0.5", "h = 0.5, got a file of h = 1.0; change [system] or"),
        ("J = -1", "J = -1.0, got a file of J = 1.0"),
        ('boundary = "periodic"', "boundary = periodic, got a file of boundary = open"),
    ],
)
@pytest.mark.parametrize("section", ["state", "data"])
def test_a_file_of_another_chain(tmp_path, refused, section, system, says):
    chain = TFIM(4)
    up = np.array([1.0, 0.0]).reshape(1, 2, 1)
    MPS([up] * 4, chain.attrs()).save(tmp_path / "state.npz")
    MeasurementData(np.zeros((40, 4), np.uint8), "pauli-6", chain.attrs()).save(
        tmp_path / "data.h5"
    )
    config = tmp_path / "config.toml"
    suffix = "npz" if section == "state" else "h5"
    config.write_text(f'[system]\nL = 4\n{system}\n[{section}]\nfile = "{section}.{suffix}"\n')
    line = refused("run", config, "--out", tmp_path / "run")
    assert f"[{section}] file must belong to the chain of [system], {says}" in line


def test_too_small_a_data_file(tmp_path, refused):
    path = tmp_path / "shots.h5"
    MeasurementData(np.zeros((1, 4), np.uint8), "pauli-6").save(path)
    says = refused("run", from_file(tmp_path, path), "--out", tmp_path / "run")
    assert "must hold at least 2 shots, got 1" in says


def test_more_shots_than_the_data_file_has(tmp_path, shots, refused):
    config = from_file(tmp_path, shots, "n_shots = 41\n")
    assert "at most the 40 shots" in refused("run", config, "--out", tmp_path / "run")


def test_a_data_file_that_is_none(tmp_path, refused):
    (tmp_path / "shots.h5").write_bytes(b"not HDF5")
    config = from_file(tmp_path, tmp_path / "shots.h5")
    assert "shots.h5" in refused("run", config, "--out", tmp_path / "run")


BAD_STATES = {
    "nan": [np.full((1, 2, 1), np.nan)] + [np.ones((1, 2, 1))] * 3,
    "bonds": [np.ones((1, 2, 2)), np.ones((3, 2, 1)), np.ones((1, 2, 1)), np.ones((1, 2, 1))],
    "qutrits": [np.ones((1, 3, 1))] * 4,
    "matrices": [np.ones((2, 2))] * 4,
    "length": [np.ones((1, 2, 1))] * 3,
}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nan", "must be finite, got NaN"),
        ("bonds", "left bond 3 of MPS tensor 1 must equal right bond 2"),
        ("qutrits", "must have shape (left bond, 2, right bond)"),
        ("matrices", "must have shape (left bond, 2, right bond)"),
        ("length", "L = 4 sites, got one of 3"),
    ],
)
def test_a_bad_state(config, tmp_path, refused, name, says):
    np.savez(tmp_path / "state.npz", *BAD_STATES[name])
    overrides = ("--set", f"state.file={tmp_path / 'state.npz'}")
    assert says in refused("run", config, "--out", tmp_path / "run", *overrides)


def write_bad_state(folder, kind):
    """Write a state file that cannot be read, and return its name."""
    up = [np.ones((1, 2, 1))] * 4
    if kind == "array":
        np.save(folder / "state.npy", up[0])
        return "state.npy"
    path = folder / "state.npz"
    np.savez(path, *up, attrs="{bad" if kind == "attrs" else "{}")
    content = bytearray(path.read_bytes())
    if kind == "truncated":
        del content[len(content) // 2 :]
    elif kind == "damaged":
        content[content.index(b"NUMPY") + 130] ^= 255
    path.write_bytes(content)
    return path.name


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("truncated", "must be an npz file of arrays, got"),
        ("damaged", "must be an npz file of arrays, got"),
        ("array", "got the single array"),
        ("attrs", "must be a JSON object, got '{bad'"),
    ],
)
def test_a_state_file_that_cannot_be_read(config, tmp_path, refused, kind, says):
    name = write_bad_state(tmp_path, kind)
    overrides = ("--set", f"state.file={tmp_path / name}")
    assert says in refused("run", config, "--out", tmp_path / "run", *overrides)


def test_a_data_file_that_sees_neither_x_nor_z(tmp_path, refused):
    y_basis = POVM("y-basis", povm("pauli-6").elements[[2, 5]] * 3, ("0", "1"))
    path = tmp_path / "shots.h5"
    MeasurementData(np.random.default_rng(1).integers(0, 2, (40, 4)), y_basis).save(path)
    says = refused("run", from_file(tmp_path, path), "--out", tmp_path / "run")
    assert "a POVM must have Z in the span of its elements" in says


def test_a_data_file_of_incomplete_settings(tmp_path, refused):
    path = tmp_path / "shots.h5"
    x = np.random.default_rng(1).integers(0, 2, (40, 2)) * 3  # all in the basis ZZ
    MeasurementData(x, "pauli-6", settings=np.zeros(40, int)).save(path)
    says = refused("run", from_file(tmp_path, path), "--out", tmp_path / "run")
    assert "got none of ZX, ZY, XZ, XX, ... (8 of 9 settings)" in says


def test_outcomes_in_a_truncated_archive(tmp_path, refused):
    path = tmp_path / "shots.npz"
    np.savez(path, np.zeros((40, 4), np.uint8))
    path.write_bytes(path.read_bytes()[:100])
    config = from_file(tmp_path, path, 'povm = "pauli-6"\n')
    says = refused("run", config, "--out", tmp_path / "run")
    assert "outcomes must be an integer array, got" in says


def test_another_runs_directory(finished, config, tmp_path, refused):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    says = refused("run", config, "--out", out, "--set", "model.hidden=9")
    assert "model.hidden is 8 there, 9 here" in says
    assert "--force" in says


def test_a_foreign_directory(config, tmp_path, refused):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("precious")
    assert "chapter1.tex" in refused("run", config, "--out", out)


def test_force_replaces_another_run_and_what_was_drawn_from_it(finished, config, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "figures" / "two_point.pdf").write_bytes(b"%PDF")
    argv = ["generate", str(config), "--out", str(out), "--set", "system.L=3", "--force"]
    assert main(argv) == 0
    assert [p.name for p in out.iterdir()] == ["run.h5"]
    assert "report.html" not in capsys.readouterr().out


def test_force_leaves_the_users_own_files(finished, config, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    own = [out / "notes.txt", out / "figures" / "mine.png", out / "figures" / "training.txt"]
    for path in own:
        path.write_text("precious")
    argv = ["generate", str(config), "--out", str(out), "--set", "system.L=3", "--force"]
    assert main(argv) == 0
    assert sorted(p for p in out.rglob("*") if p.is_file()) == sorted([*own, out / "run.h5"])
    assert all(path.read_text() == "precious" for path in own)


def test_every_file_that_a_run_writes_beside_its_data_is_known(finished):
    written = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()}
    assert written - {"run.h5"} <= set(derived(JOB))


@pytest.mark.parametrize("command", ["report", "plot", "compare", "cite", "resume", "run"])
def test_a_file_that_is_no_run(config, tmp_path, shots, refused, command):
    argv = [config, "--out", shots] if command == "run" else [shots]
    assert "run directory" in refused(command, *argv)


def test_a_figures_folder_that_is_a_file(finished, tmp_path, refused):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    shutil.rmtree(out / "figures")
    (out / "figures").write_text("precious")
    assert "figures could not be written" in refused("report", out)


@pytest.mark.parametrize("command", ["report", "resume", "run"])
def test_a_file_of_a_newer_schema(finished, config, tmp_path, refused, command):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    with h5py.File(out / "run.h5", "r+") as file:
        file.attrs["schema_version"] = 99
    argv = [config, "--out", out] if command == "run" else [out]
    assert "upgrade physgen" in refused(command, *argv)


@pytest.mark.parametrize("command", ["report", "resume"])
def test_a_corrupt_segment(finished, tmp_path, refused, command):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / ".segments").mkdir(exist_ok=True)
    with h5py.File(out / "run.h5") as file:
        number = int(file.attrs["last_segment"]) + 1
    (out / ".segments" / f"{number:06d}.h5").write_bytes(b"\x89HDF\r\n\x1a\n torn")
    assert f"{number:06d}.h5" in refused(command, out)


def test_a_corrupt_run_file(finished, tmp_path, refused):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    content = (out / "run.h5").read_bytes()
    (out / "run.h5").write_bytes(content[: len(content) // 2])
    assert "run.h5" in refused("report", out)


def fill_the_disk(monkeypatch):
    def write(fd, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)


@pytest.mark.parametrize("command", ["report", "plot"])
def test_a_full_disk_while_reporting(finished, tmp_path, refused, monkeypatch, command):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    fill_the_disk(monkeypatch)
    assert "disk is full" in refused(command, out)


@pytest.mark.slow
def test_a_full_disk_in_mid_run_loses_nothing_and_can_be_resumed(
    finished, config, tmp_path, monkeypatch, capfd
):
    out = tmp_path / "run"
    assert main(["generate", str(config), "--out", str(out)]) == 0
    before = (out / "run.h5").read_bytes()
    capfd.readouterr()
    with monkeypatch.context() as context:
        fill_the_disk(context)
        assert main(["run", str(config), "--out", str(out)]) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("physgen: error: the disk is full")
    assert (out / "run.h5").read_bytes() == before
    assert main(["resume", str(out)]) == 0
