"""Where a job keeps compiled kernels, and that `physgen warm` leaves it nothing to compile."""

import os
import subprocess
import sys

import pytest

from physgen.cli import kernels
from physgen.cli.kernels import kernel_cache
from physgen.core.errors import InputError


@pytest.fixture
def scratch(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_a_job_keeps_kernels_on_its_own_node(scratch, tmp_path_factory):
    job = {"SLURM_JOB_ID": "17"}
    assert kernel_cache({}) == ""
    assert kernel_cache(job | {"NUMBA_CACHE_DIR": "/mine"}) == ""
    assert kernel_cache(job).startswith(str(scratch))
    own = tmp_path_factory.mktemp("job")
    assert kernel_cache(job | {"SLURM_TMPDIR": str(own)}).startswith(str(own))
    assert (scratch / f"physgen-numba-{os.getuid()}").stat().st_mode & 0o077 == 0


def test_kernels_of_others_are_never_run(scratch, monkeypatch):
    kernel_cache({"SLURM_JOB_ID": "17"})
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    (scratch / "physgen-numba-4242").mkdir()  # by somebody who is not 4242
    with pytest.raises(InputError, match="must belong to you; set NUMBA_CACHE_DIR"):
        kernel_cache({"SLURM_JOB_ID": "17"})


def test_warm_kernels_are_copied_to_the_node_once(scratch, tmp_path_factory):
    warm = tmp_path_factory.mktemp("warm")
    (warm / "f.nbi").write_text("index")
    place = kernel_cache({"PHYSGEN_KERNELS": str(warm)})
    assert place == kernel_cache({"PHYSGEN_KERNELS": str(warm), "SLURM_JOB_ID": "17"})
    assert os.listdir(place) == ["f.nbi"]
    assert len(os.listdir(os.path.dirname(place))) == 1  # nothing half-made is left
    with pytest.raises(InputError, match="that `physgen warm --dir` has filled"):
        kernel_cache({"PHYSGEN_KERNELS": str(warm / "nowhere")})


@pytest.mark.slow
def test_what_is_warm_is_not_compiled_again(tmp_path):
    def physgen(*arguments, **variables):
        done = subprocess.run(
            [sys.executable, "-m", "physgen", *arguments], capture_output=True, text=True,
            env=os.environ | variables, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    cold = physgen("warm", "ising_criticality", "--dir", "kernels", "--quiet")
    assert "export PHYSGEN_KERNELS=" in cold
    again = physgen("warm", "ising_criticality", "--dir", "kernels", "--quiet")
    assert " 0 of them now" in again
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    physgen("workflows", "copy", "ising_criticality", "mine")
    told = physgen(
        "sample", "mine", "--out", "run", "--toy", "--set", "target.L=16",
        PHYSGEN_KERNELS=str(tmp_path / "kernels"), TMPDIR=str(scratch),
    )  # fmt: skip
    assert "run.h5" in told
    (copy,) = scratch.glob("physgen-numba-*/*")
    files = {p.name for p in copy.rglob("*.nbc")}
    assert files == {p.name for p in (tmp_path / "kernels").rglob("*.nbc")}
