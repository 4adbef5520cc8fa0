"""Bad input of every kind ends in success or in one line, and no file is lost or left behind."""

import json

import numpy as np
import pytest
from helpers.fuzz import in_folder, verdict
from helpers.fuzz_text import ENDLESS, broken_bytes, literal
from helpers.marks import slow

from physgen.cli import main
from physgen.core.checks import is_finite, shown

FAST, MANY = 40, 400
SCAN = '[target]\nname = "ising-2d"\nL = 4\nbeta = {}\n[[sampler]]\nname = "heat-bath"\n'


@pytest.mark.parametrize("seed", [101, *(slow(seed) for seed in range(102, 107))])
def test_changed_at_random(seed):
    wrong = {}
    for k in range(FAST if seed == 101 else MANY):
        argv, what = in_folder(seed, k)
        if what:
            wrong[k] = (argv, what)
    assert not wrong


@pytest.mark.parametrize(
    ("beta", "says"),
    [
        (literal(ENDLESS), "must be a finite number"),
        ("1" * 5000, "must be valid TOML"),
        (str(10**400), "must be a finite number"),
        ("[" * 20_000, "nested too deeply"),
        ("{start = 0, stop = 1, n = 1000000000}", "n an integer in 2..2000, got n = 1000000000"),
        ("{start = -1e308, stop = 1e308, n = 3}", "must be a finite number"),
        (str(list(range(3000))), "at most 2000 values, got 3000"),
    ],
    ids=["hex", "digits", "huge", "deep", "range", "far apart", "many"],
)
def test_numbers_that_nothing_can_hold(tmp_path, capsys, beta, says):
    path = tmp_path / "config.toml"
    path.write_text(SCAN.format(beta))
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1
    assert len(error) < 500 + len(str(tmp_path))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["[" * 20_000, "1" * 5000], ids=["deep", "digits"])
def test_values_of_set_that_no_toml_is(tmp_path, capsys, value):
    path = tmp_path / "config.toml"
    path.write_text(SCAN.format(0.3))
    argv = ["run", str(path), "--out", str(tmp_path / "run"), "--set", f"target.beta={value}"]
    assert main(argv) == 2
    assert "beta must be a finite number" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ring", "~nobody-of-this-name/x.py", r"a\u0000b"])
def test_files_that_cannot_be_found(tmp_path, capsys, name):
    (tmp_path / "ring").symlink_to("ring")
    path = tmp_path / "config.toml"
    path.write_text(f'[target]\nfile = "{name}"\n[[sampler]]\nname = "hmc"\n')
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "[target] file must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("a.npy", np.full((4, 3), 2.0**70), []),
        ("a.npy", np.full((4, 3), np.inf), ["--format", "bits"]),
        ("a.json", json.dumps({"bits": [[0, 1], [1]], "bases": [["X", "Z"], ["Z", "X"]]}), []),
        ("a.csv", "shot,basis,bits\n1,XZY,010\r2\n", []),
        ("a.json", '{"bits": [' + "1" * 5000 + "]}", []),
        ("a.txt", "0 1 2\n", ["--povm", "words.npz"]),
        ("a.npy", np.array([["X", "Z"]]), []),
        ("a.txt", "XZ 01\nZZ 11\nZX 10\n", ["--J", "1e308"]),
        ("a.txt", "010\n", ["--format", "bits", "--readout", "1e400,0"]),
        ("a.txt", "010\n", ["--format", "bits", "--readout", "deep.json"]),
        ("a.txt", "010\n", ["--format", "bits", "--readout", "endless.json"]),
    ],
    ids=[
        "far",
        "infinite",
        "ragged",
        "return",
        "digits",
        "words",
        "no text",
        "coupling",
        "readout",
        "deep readout",
        "endless readout",
    ],
)
def test_measurement_files(tmp_path, name, content, more):
    np.savez(tmp_path / "words.npz", elements=np.full((2, 2, 2), "x"))
    (tmp_path / "deep.json").write_text("[" * 50_000)
    (tmp_path / "endless.json").write_text('{"0": {"0": 1e400}, "1": {"1": 5}}')
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    else:
        np.save(tmp_path / name, content)
        if content.dtype.kind == "U":  # a character that there is not
            path = tmp_path / name
            path.write_bytes(path.read_bytes().replace(b"X\x00\x00\x00", b"X\x00\x00\xff"))
    assert verdict(["import-data", name, "--out", "o.h5", *more], tmp_path) == ""


def test_the_verdict_sees_what_is_wrong(tmp_path, monkeypatch):
    """The saboteur: a command that raises, loses a file, leaves one behind, or says nothing."""
    import physgen.cli.importing as importing
    from physgen.core.errors import InputError

    (tmp_path / "kept").write_text("precious")
    (tmp_path / "a.txt").write_text("XZY 010\n")

    def told(call):
        monkeypatch.setattr(importing, "import_data", call)
        return verdict(["import-data", "a.txt", "--out", "o.h5"], tmp_path)

    def refuses(*args, **kwargs):
        raise InputError("no")

    def raises(*args, **kwargs):
        raise KeyError("x")

    def loses(*args, **kwargs):
        (tmp_path / "kept").write_text("gone")

    def leaves(*args, **kwargs):
        (tmp_path / "o.h5.tmp").write_text("part")
        raise InputError("no")

    assert told(refuses) == ""
    assert "KeyError" in told(raises)
    assert "left behind" in told(leaves)
    assert "lost or changed" in told(loses)


def test_numbers_are_told_short():
    assert shown(3.5) == "3.5"
    assert len(shown("x" * 500)) < 70
    assert shown(ENDLESS) == "an integer of thousands of digits"
    assert is_finite(3)
    assert not any(is_finite(x) for x in (True, "3", float("nan"), 10**400, None))


def test_damage_is_the_same_for_the_same_seed():
    content = bytes(range(100))
    seen = {broken_bytes(np.random.default_rng(s), content) for s in range(30)}
    assert len(seen) > 10
    assert broken_bytes(np.random.default_rng(4), content) == broken_bytes(
        np.random.default_rng(4), content
    )
