"""The command line is quick to explain itself and answers mistakes in one line."""

import errno
import json
import os
import subprocess
import sys

import pytest
from helpers.marks import slow

from physgen.cli import main

COMMANDS = ["run", "generate", "train", "sample", "draw", "validate", "resume", "report", "plot"]
COMMANDS += [
    "compare",
    "cite",
    "systems",
    "models",
    "info",
    "workflows",
    "import-data",
    "validate-samples",
    "warm",
]
HEAVY = ("torch", "numba", "xarray", "matplotlib", "h5py", "tenpy", "pydantic", "numpy")


def fresh(code, env=None):
    """Run `code` in a fresh interpreter; return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_help_loads_nothing_heavy_and_takes_less_than_0_3_cpu_seconds():
    """On a slow or busy processor, little more than a program of one command takes."""
    code = (
        "import json, sys, time\n"
        "from physgen.cli import main\n"
        "status = main(['--help'])\n"
        f"heavy = [m for m in {HEAVY} if m in sys.modules]\n"
        "print(json.dumps([status, heavy, time.process_time()]))"
    )
    bare = (
        "import json, time, typer\n"
        "app = typer.Typer()\n"
        "app.command()(lambda: None)\n"
        "app(['--help'], standalone_mode=False)\n"
        "print(json.dumps(time.process_time()))"
    )
    # The best of three: the first may have to compile bytecode.
    (status, heavy, cpu), *rest = (fresh(code) for _ in range(3))
    least = min(fresh(bare) for _ in range(3))
    assert status == 0
    assert heavy == []
    assert min(cpu, *(r[2] for r in rest)) < max(0.3, 1.6 * least)


def test_importing_physgen_is_silent_and_light():
    code = (
        "import json, sys, physgen, physgen.cli\n"
        f"print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_run_opens_its_directory_before_it_loads_what_only_results_need(tmp_path):
    """A first sign of life comes early: labelled arrays and figures are loaded when written."""
    config = tmp_path / "config.toml"
    config.write_text(
        'seed = 1\n[target]\nname = "ising-2d"\nL = 4\nbeta = 0.4\n'
        '[[sampler]]\nname = "heat-bath"\nn_draws = 20\n'
    )
    code = (
        "import json, sys\n"
        "from physgen.cli import main\n"
        "import physgen.workflow.run as run\n"
        "def begin(*arguments, **options):\n"
        "    heavy = ('xarray', 'pandas', 'matplotlib', 'torch')\n"
        "    print(json.dumps([m for m in heavy if m in sys.modules]), flush=True)\n"
        "    raise SystemExit\n"
        "run._compute = begin\n"
        f"main(['run', {str(config)!r}, '--out', {str(tmp_path / 'out')!r}])"
    )
    assert fresh(code) == []
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Usage: physgen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["run"], "Missing argument 'CONFIG'"),
        (["run", "x.toml"], "Missing option '--out'"),
        (["run", "x.toml", "--ot", "y"], "No such option: --ot"),
        (["dance"], "No such command 'dance'"),
        (["run", "absent.toml", "--out", "y"], "config must be a readable TOML file"),
        (["workflows", "copy", "cooking"], "workflow must be one of"),
        (["systems", "show"], "a system must be named"),
        (["report", "absent"], "absent does not exist"),
        (["resume", "absent"], "does not exist; start a run"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(argv, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("physgen: error: ")
    assert says in err
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    assert "Usage: physgen" in "".join(capsys.readouterr())


def test_python_dash_m_is_the_same_program():
    command = [sys.executable, "-m", "physgen", "workflows", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "state_reconstruction" in done.stdout


def test_the_process_ends_with_its_status_and_leaves_nothing_unsaid_or_undone():
    """Only the interpreter's own end is skipped."""
    code = (
        "import atexit, sys\n"
        "from physgen.cli import command\n"
        "atexit.register(print, 'cleaned')\n"
        "sys.argv = ['physgen', *sys.argv[1:]]\n"
        "command()"
    )

    def ended(*argv):
        return subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True)

    done, failed = ended("workflows", "list"), ended("systems", "show", "nothing")
    assert (done.returncode, failed.returncode) == (0, 2)
    assert "state_reconstruction" in done.stdout
    assert done.stdout.splitlines()[-1] == "cleaned"
    assert failed.stderr.startswith("physgen: error: ")


def test_a_workflow_is_copied_once(tmp_path, capsys):
    target = tmp_path / "mine"
    assert main(["workflows", "copy", "state_reconstruction", str(target)]) == 0
    assert sorted(p.name for p in target.iterdir()) == [
        "README.md",
        "Snakefile",
        "calibration.json",
        "config.toml",
        "counts.json",
        "lab.toml",
        "profiles",
        "settings.yaml",
        "shots.txt",
    ]
    assert "physgen run" in capsys.readouterr().out
    (target / "config.toml").write_text("mine")
    assert main(["workflows", "copy", "state_reconstruction", str(target)]) == 2
    assert (target / "config.toml").read_text() == "mine"


def test_job_scripts_are_copied(tmp_path, capsys):
    assert main(["workflows", "copy", "slurm", str(tmp_path / "slurm")]) == 0
    names = {p.name for p in (tmp_path / "slurm").iterdir()}
    assert names == {"README.md", "array.sbatch", "gather.sbatch", "train.sbatch"}
    assert "next: read" in capsys.readouterr().out


@pytest.mark.parametrize("blocked", ["file", "file/x"])
def test_a_workflow_is_not_copied_into_a_file(tmp_path, capsys, blocked):
    (tmp_path / "file").write_text("precious")
    argv = ["workflows", "copy", "state_reconstruction", str(tmp_path / blocked)]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("physgen: error: ")
    assert err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "precious"


def test_an_unforeseen_trouble_with_a_file_is_one_line(monkeypatch, capsys):
    def fail(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "/there/config.toml")

    monkeypatch.setattr("physgen.workflow.shipped.list_workflows", fail)
    assert main(["workflows", "list"]) == 2
    err = capsys.readouterr().err
    assert err == "physgen: error: /there/config.toml cannot be used: Permission denied\n"


def test_an_os_error_without_a_file_keeps_its_traceback(monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("physgen.workflow.shipped.list_workflows", fail)
    with pytest.raises(OSError, match="Input/output"):
        main(["workflows", "list"])


def test_info_names_versions_and_devices(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "torch" in out
    assert "devices" in out
    starts = [line.split("  ")[0] for line in out.splitlines()]
    assert all(line in starts for line in ("GPU driver", "torch.cuda", "numba-cuda"))


def test_info_asks_the_driver_for_its_version(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["info"]) == 0
    assert "no nvidia-smi on this node" in capsys.readouterr().out
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 580.65.06\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert main(["info"]) == 0
    assert "GPU driver           580.65.06" in capsys.readouterr().out
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert main(["info"]) == 0
    assert "nvidia-smi does not answer" in capsys.readouterr().out


def test_info_where_the_system_does_not_tell_the_usable_cores(capsys, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    assert main(["info"]) == 0
    assert f"cores                {os.cpu_count()} usable of {os.cpu_count()}" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(("given", "threads"), [({}, "1"), slow({"OMP_NUM_THREADS": "2"}, "2")])
def test_blas_uses_one_thread_unless_told_otherwise_before_numpy_loads(given, threads):
    """The variables are read once, as numpy and torch are imported."""
    code = (
        "import json, os, sys\n"
        "from physgen.cli import main\n"
        "early = 'numpy' not in sys.modules and 'torch' not in sys.modules\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('numpy', 'torch') and name not in seen:\n"
        "            seen[name] = os.environ.get('OMP_NUM_THREADS')\n"
        "seen = {}\n"
        "sys.meta_path.insert(0, Watch())\n"
        "main(['info'])\n"
        "import torch\n"
        "print(json.dumps([early, seen, torch.get_num_threads()]))"
    )
    rest = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    early, seen, in_use = fresh(code, env=rest | given)
    assert early
    assert seen == {"numpy": threads, "torch": threads}
    assert in_use == int(threads)


def test_info_says_how_many_threads_blas_uses(capsys):
    assert main(["info"]) == 0
    assert "OMP_NUM_THREADS, or one" in capsys.readouterr().out
