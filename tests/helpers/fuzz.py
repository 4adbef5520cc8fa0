"""Bad input by the thousand: configs, measurement files and command lines, changed at random.

Case k of a seed is a function of both.  It must end in success, or in one line of refusal and
exit status 1 or 2; it must leave every file that was there as it was, and no file behind that was
not asked for.  A run stops once its directory is open, so that no physics is computed.
"""

import contextlib
import copy
import io
import os
import re
import signal
import tempfile
import tomllib
import traceback
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
from helpers.fuzz_files import measurement_case
from helpers.fuzz_text import NASTY, broken_bytes, one_of, toml_of

ROOT = Path(__file__).parents[2]
SECONDS = 20  # of a case
SHIPPED = sorted((ROOT / "workflows").glob("*/*.toml"))
COMMANDS = ["run", "generate", "train", "sample", "draw", "validate", "import-data", "resume",
            "report", "plot", "compare", "cite", "systems", "models", "config", "workflows",
            "info"]  # fmt: skip
WORDS = ["list", "show", "copy", "lattice", "reconstruction", "ising-2d", "phi4-2d", "tfim-1d",
         "train", "target", "ising_van", "--out", "-o", "--set", "-s", "--force", "-q", "-v",
         "--log-file", "--format", "--povm", "--bases", "--n-sites", "--version", "--help",
         "--", "-", "", " ", ".", "..", "/", "/dev/null", "/proc/self/mem", "config.toml", "new",
         "shots.txt", "kept.h5", "kept", "ring", "no/such/folder/x.h5", "x" * 300, "\udcff.h5",
         "☃", "é\n", "'", "seed=1", "seed=", "=", "a.b.c=1", "target.L=[8", "target=3",
         "--outt", "--n-sites=x", "--J=nan", "--h=1e400", "pdf", "tiff"]  # fmt: skip
OWN = """
import numpy as np
from physgen.targets import as_target
target = as_target(lambda x: 0.5 * (x**2).sum(1), 3, lambda x: -x)
def made(L=4, mass=1.0):
    return as_target(lambda x: 0.5 * mass * (x**2).sum(1), L, lambda x: -mass * x)
broken = 3
"""


class Validated(BaseException):
    """The directory of a run is open: what follows is physics."""


class TooSlow(BaseException):
    """A case takes longer than anybody waits for an answer to bad input."""


def tried(seed, k, folder):
    """Run case k in a new `folder`; return its command line, and what is wrong ("" if nothing)."""
    rng = np.random.default_rng([seed, k])
    keep(folder)
    kind = k % 5
    make = command_case if kind == 4 else measurement_case if kind % 2 else config_case
    argv = make(rng, folder)
    return argv, verdict(argv, folder)


def keep(folder):
    """Put files there that must survive."""
    (folder / "kept.h5").write_bytes(b"not HDF5, and precious")
    (folder / "kept").mkdir()
    (folder / "kept" / "notes.txt").write_text("precious")
    (folder / "ring").symlink_to("ring")
    (folder / "shots.txt").write_text("XZY 010\nZXX 110\nZZY 001\n")
    (folder / "own.py").write_text(OWN)


def config_case(rng, folder):
    """Return the call of a stage with a changed config, some values also by --set."""
    table = tomllib.loads(one_of(rng, SHIPPED).read_text())
    if rng.random() < 0.1:
        table = {
            "target": {"file": "own.py", "object": "made", "L": 4},
            "sampler": {"name": "hmc"},
        }
    for _ in range(rng.integers(0, 4)):
        changed(rng, table)
    text = toml_of(table).encode()
    if b"shots.h5" in text and rng.random() < 0.8:
        (folder / "shots.h5").write_bytes(shots_file(rng))
    name = "config.toml" if rng.random() < 0.9 else one_of(rng, ["a.txt", "é ☃.toml", ".toml"])
    if rng.random() < 0.25:
        text = broken_bytes(rng, text)
    path = folder / name
    path.write_bytes(text)
    given = str(path) if rng.random() < 0.95 else str(folder / one_of(rng, WORDS[:20]))
    argv = [one_of(rng, COMMANDS[:6]) if rng.random() < 0.3 else "run", given]
    out = "out" if rng.random() < 0.85 else one_of(rng, ["kept", "kept.h5", "ring", "a/b/c", ""])
    argv += ["--out", str(folder / out)]
    for _ in range(rng.integers(0, 3) if rng.random() < 0.5 else 0):
        argv += ["--set", setting(rng, table)]
    return argv


def shots_file(rng):
    """Return a data file of physgen, whole or damaged."""
    from physgen.quantum import MeasurementData

    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "shots.h5"
        n, L = rng.integers(1, 40), rng.integers(1, 7)
        K, name = one_of(rng, [(6, "pauli-6"), (4, "pauli-4"), (2, "computational")])
        MeasurementData(rng.integers(0, K, (n, L)).astype(np.uint8), name).save(path)
        content = path.read_bytes()
    return broken_bytes(rng, content) if rng.random() < 0.3 else content


def changed(rng, table):
    """Change one thing of a config in place."""
    sections = [key for key, value in table.items() if isinstance(value, dict)]
    rows = [each for value in table.values() if isinstance(value, list) for each in value]
    places = [table, *(table[key] for key in sections), *(r for r in rows if isinstance(r, dict))]
    place = places[rng.integers(len(places))]
    keys = list(place)
    act = rng.integers(8)
    if act <= 2 and keys:
        place[one_of(rng, keys)] = one_of(rng, NASTY)
    elif act == 3 and keys:
        del place[one_of(rng, keys)]
    elif act == 4 and keys:
        key = one_of(rng, keys)
        place[one_of(rng, [key[:-1] + "x", key.upper(), "", "☃", key + ".a"])] = place[key]
    elif act == 5 and keys:
        place[one_of(rng, keys)] = place[one_of(rng, keys)]
    elif act == 6:
        place[one_of(rng, KEYS)] = one_of(rng, NASTY)
    elif sections:
        key = one_of(rng, sections)
        old = copy.deepcopy(table[key])
        table[key] = one_of(rng, [[old, old], [], {}, [old, 3], "x", {"deep": {"er": old}}])


def setting(rng, table):
    """Return what stands after --set."""
    sections = [str(key) for key in table] or ["target"]
    key = f"{one_of(rng, sections)}.{one_of(rng, KEYS)}"
    text = f"{key}={toml_value(one_of(rng, NASTY))}"
    return text if rng.random() < 0.8 else one_of(rng, WORDS)


def toml_value(value):
    from helpers.fuzz_text import literal

    return literal(value).replace("\x00", "")


KEYS = sorted({
    key for path in SHIPPED for key in re.findall(r"^#? ?(\w+) *=", path.read_text(), re.M)
} | {"L", "J", "h", "lam", "m2", "kappa", "beta", "file", "object", "parameters", "sha256",
     "holds", "name", "family", "device", "povm", "n_shots", "label", "decimate"})  # fmt: skip


def command_case(rng, folder):
    """Return a command line of words put together at random, or about a damaged run."""
    if rng.random() < 0.4:
        return run_case(rng, folder)
    argv = [one_of(rng, COMMANDS)]
    argv += [one_of(rng, WORDS) for _ in range(rng.integers(0, 6))]
    if argv[:1] == ["workflows"] and "copy" in argv:
        argv = [a for a in argv if a not in ("/", "..")]
    return argv


def run_case(rng, folder):
    """Return a command about the directory of a run that has just begun, damaged or not."""
    config = folder / "config.toml"
    config.write_text(one_of(rng, [SMALL_SCAN, SMALL_STATE]))
    verdict(["run", str(config), "--out", "begun"], folder)
    files = [p for p in (folder / "begun").rglob("*") if p.is_file()]
    if files and rng.random() < 0.7:
        path = one_of(rng, files)
        path.write_bytes(broken_bytes(rng, path.read_bytes()))
        if rng.random() < 0.2:
            path.unlink()
    if rng.random() < 0.2:
        (folder / "begun").mkdir(exist_ok=True)
        (folder / "begun" / "run.h5").write_bytes(shots_file(rng))
    given = one_of(rng, ["begun", "begun", "begun/run.h5", "begun/segments", "kept", "kept.h5"])
    command = one_of(rng, ["report", "plot", "compare", "cite", "resume", "run"])
    argv = [command, *(["config.toml", "--out"] if command == "run" else []), given]
    argv += ["begun"] if command == "compare" else []
    return argv + (["--force"] if command == "run" and rng.random() < 0.3 else [])


SMALL_SCAN = """seed = 3
[target]
name = "ising-2d"
L = 4
beta = 0.3
[[sampler]]
name = "heat-bath"
"""
SMALL_STATE = """[system]
L = 4
[data]
n_shots = 300
[model]
hidden = 8
"""


def verdict(argv, folder):
    """Return what is wrong with how physgen answers, or ""."""
    from physgen.cli import main

    before, here = snapshot(folder), Path.cwd()
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", e) for e in ("strict", "backslashreplace"))
    os.chdir(folder)
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(SECONDS)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
        mock.patch("physgen.workflow.run._compute", _stop),
    ):
        warnings.simplefilter("default")
        try:
            code = main(argv)
        except Validated:
            code = 0
        except (Exception, TooSlow, SystemExit) as error:
            return told(error)
        finally:
            signal.alarm(0)
            os.chdir(here)
    err.flush()
    said = err.buffer.getvalue().decode(errors="replace").splitlines()
    if code not in (0, 1, 2):
        return f"status {code!r}"
    if code == 2 and not said and len(argv) == 1:
        return ""  # a group of commands without a command: its help
    if code and len(said) != 1:
        return f"not one line of refusal: {said}"
    if code and not said[0].startswith("physgen: error: "):
        return f"no refusal: {said}"
    if any("Warning" in line for line in said):
        return f"a warning of Python: {said}"
    return lost_or_left(before, snapshot(folder), argv, code)


def told(error):
    """Return where an error came from, short."""
    at = traceback.extract_tb(error.__traceback__)
    ours = [f for f in at if "/physgen/" in f.filename] or at
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return f"traceback, {type(error).__name__} at {where}: {str(error)[:150]}"


def snapshot(folder):
    """Return the content of every file below `folder`, and its folders."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"folder"
        for p in sorted(folder.rglob("*"))
        if not p.is_symlink()
    }


def lost_or_left(before, after, argv, code):
    """Return which file is lost, changed or left behind, or ""."""
    lost = [name for name, content in before.items() if after.get(name) != content]
    if lost and "--force" not in argv:
        return f"lost or changed: {lost}"
    left = sorted(after.keys() - before.keys())
    log = "--log-file" in argv
    return f"left behind: {left}" if left and code and not log else ""


def _stop(*args, **kwargs):
    raise Validated


def _too_slow(*args):
    raise TooSlow(f"more than {SECONDS} s")


def in_folder(seed, k):
    """Run case k in a folder of its own; see :func:`tried`."""
    with tempfile.TemporaryDirectory() as made:
        return tried(seed, k, Path(made))
