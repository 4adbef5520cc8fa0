"""Who hears what: a terminal, a log file, nobody; a config as editors and copies leave it."""

import re

import pytest

from physgen.cli import main

CONFIG = """
seed = 1
[target]
name = "ising-2d"
L = 4
beta = 0.3
[sampler]
name = "heat-bath"
n_draws = 20
warmup = 20
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def run(folder, capfd, *options, config="config.toml"):
    argv = ["sample", str(folder / config), "--out", str(folder / "run"), *options]
    assert main(argv) == 0
    return capfd.readouterr()


def test_a_log_file_has_what_was_said_with_times(folder, capfd):
    """It is appended to, and says where the work was done."""
    log = folder / "log.txt"
    said = run(folder, capfd, "--log-file", str(log)).err
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ", line) for line in lines)
    assert [line.split(" ", 1)[1] for line in lines[:2]] == said.splitlines()[:2]
    assert re.search(r"physgen \S+ on .*, device cpu, threads \d+", lines[0])
    assert re.search(r"sample    done in", lines[-1])
    run(folder, capfd, "--log-file", str(log), "--force")
    assert len(log.read_text().splitlines()) > len(lines)


def test_quiet_says_nothing_but_the_table(folder, capfd):
    said = run(folder, capfd, "-q")
    assert said.err == ""
    assert "run.h5" in said.out


def test_an_error_ends_the_log(folder, capfd):
    log = folder / "log.txt"
    run(folder, capfd, "-q", "--log-file", str(log))
    argv = ["sample", str(folder / "config.toml"), "--out", str(folder / "run"), "--set", "seed=2"]
    assert main([*argv, "-q", "--log-file", str(log)]) == 2
    assert "ended by StoreError: " in log.read_text().splitlines()[-1]


def test_a_finished_run_says_that_nothing_is_left(folder, capfd):
    argv = ["run", str(folder / "config.toml"), "--out", str(folder / "run")]
    assert main(argv) == 0
    assert "nothing is left" not in capfd.readouterr().err
    assert main(argv) == 0
    assert "nothing is left to do" in capfd.readouterr().err


def test_a_folder_stands_for_its_config(folder, capfd):
    assert "run.h5" in run(folder, capfd, "-q", config=".").out


def test_a_byte_order_mark_is_no_part_of_a_config(folder, capfd):
    (folder / "windows.toml").write_text("\ufeff" + CONFIG, encoding="utf-8")
    assert "run.h5" in run(folder, capfd, "-q", config="windows.toml").out
