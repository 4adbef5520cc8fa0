"""Four throw-aways, as a newcomer would write them: a family, a system, a sampler, a figure.

Each is the files that are added, the insertions into files that exist, and a proof: a config that
names it is run at toy size, in a copy of the tree.  Docs, README, CHANGELOG and tests are left
alone, as the count leaves them aside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["NEWCOMERS", "Newcomer", "add"]


@dataclass(frozen=True)
class Newcomer:
    """A throw-away.

    Attributes
    ----------
    files : mapping of str to str
        New files, by path in the tree.
    edits : mapping of str to pairs of str
        Files that exist: what begins the line to insert before, and what is inserted.
    config : str
        A config that names it.
    proof : callable
        Raises unless the finished run directory shows it.
    """

    files: Mapping[str, str]
    config: str
    proof: Callable[[Path, Path], None]
    edits: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


def add(root: Path, newcomer: Newcomer) -> tuple[list[str], list[str]]:
    """Add a newcomer to a copy of the tree, run its config, and return what was edited and added.

    Parameters
    ----------
    root : Path
        The tree; it is left alone.
    newcomer : Newcomer
    """
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy(root, tree)
        for name, text in newcomer.files.items():
            if (tree / name).exists():
                raise SystemExit(f"{name} is to be a new file, but the tree has one")
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        for name, insertions in newcomer.edits.items():
            for before, text in insertions:
                insert(tree / name, before, text)
        config, out = Path(folder) / "config.toml", Path(folder) / "run"
        config.write_text(newcomer.config)
        command = [sys.executable, "-m", "physgen", "run", str(config), "--out", str(out)]
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"a config that names the newcomer is refused:\n{done.stderr}")
        newcomer.proof(tree, out)
    return sorted(newcomer.edits), sorted(newcomer.files)


def copy(root: Path, tree: Path) -> None:
    """Copy the files that belong to the tree: those that git knows, or does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():  # one that was removed is listed until that is committed
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, tree / name)


def insert(path: Path, before: str, text: str) -> None:
    """Insert lines before the one place where `before` begins a line."""
    whole = path.read_text()
    if whole.count("\n" + before) != 1:
        raise SystemExit(f"{path.name} must have one place to insert at, {before!r}")
    path.write_text(whole.replace("\n" + before, "\n" + text + before))


def has_group(name: str) -> Callable[[Path, Path], None]:
    """Return a proof that some group of the run file is of this name."""

    def proof(tree: Path, out: Path) -> None:
        code = "import sys; from physgen.results import open_run; print(*open_run(sys.argv[1]).groups)"
        done = subprocess.run(
            [sys.executable, "-c", code, str(out)], env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        if f"/{name}" not in done.stdout:
            raise SystemExit(f"the run has no group of {name!r}: {done.stdout}")

    return proof


def has_figure(name: str) -> Callable[[Path, Path], None]:
    """Return a proof that the figure was drawn and shown in the report."""

    def proof(tree: Path, out: Path) -> None:
        if not (out / "figures" / f"{name}.png").exists():
            raise SystemExit(f"the run has no figure {name!r}")
        if THROW_AWAY_CAPTION not in (out / "report.html").read_text():
            raise SystemExit(f"the report does not show the caption of {name!r}")

    return proof


def is_finished(tree: Path, out: Path) -> None:
    """Raise unless the run has its report."""
    if not (out / "report.html").exists():
        raise SystemExit("the run has no report")


# --- a family: independent spins ------------------------------------------------------------

FAMILY_FILE = '''"""Independent spins: q(s) = prod_i sigma(2 b_i s_i)."""

import torch
from torch import nn

from physgen.core.protocols import SPINS
from physgen.models.configurations import ConfigurationModel

__all__ = ["IndependentSpins"]


class IndependentSpins(ConfigurationModel):
    """One bias a site."""

    def __init__(self, shape, rng=0):
        super().__init__(tuple(shape), SPINS)
        self.shape = list(shape)
        self.bias = nn.Parameter(torch.full(tuple(shape), 0.01))

    def forward(self, x):
        return nn.functional.logsigmoid(2 * x * self.bias).double().flatten(1).sum(1)

    def draw(self, n, generator):
        u = torch.rand(n, *self.shape, generator=generator, device=self.device)
        x = torch.where(u < torch.sigmoid(2 * self.bias), 1.0, -1.0)
        return x, self(x)

    @classmethod
    def arguments_for(cls, target, even, options, rng):
        return {"shape": list(target.event_shape)}

    @staticmethod
    def can_halve(lattice):
        return False
'''
FAMILY_ROW = """    Family(
        "independent-spins",
        "independent:IndependentSpins",
        "spins",
        "independent spins, one bias a site",
        recipe=_COLOURS,
    ),
"""
FAMILY_CONFIG = """
seed = 1
[target]
name = "ising-2d"
L = 4
beta = 0.1
[[sampler]]
name = "heat-bath"
n_draws = 20
[[model]]
family = "independent-spins"
train = { n_epochs = 1, draws_per_epoch = 5120 }
[importance]
n_draws = 6400
[smc]
n_particles = 0
"""

# --- a system: the free field of a given mass -----------------------------------------------

SYSTEM_FILE = """title = "Free scalar field in three dimensions"
label = "free field in 3d"
target = "physgen.targets.free_field:FreeField"
description = "Gaussian, so everything is known in closed form."

[parameters.L]
meaning = "extents"
type = "integer"
minimum = 2

[parameters.m2]
meaning = "squared mass in lattice units, positive"
type = "number"
symbol = "$m^2$"

[conventions]
action = "S = sum 1/2 (d phi)^2 + m2/2 phi^2"
"""
SYSTEM_CONFIG = """
seed = 1
[target]
name = "free-field-again"
L = 4
m2 = 1.0
[[sampler]]
name = "hmc"
n_draws = 20
"""

# --- a sampler: heat bath under another name ------------------------------------------------

SAMPLER_FILE = '''"""Heat-bath sweeps, bound by a class of their own."""

from dataclasses import dataclass
from typing import ClassVar

from physgen.samplers.heat_bath import HeatBath

__all__ = ["PatientBath"]


@dataclass(frozen=True, kw_only=True)
class PatientBath:
    """What HeatBath does."""

    cites: ClassVar[tuple[str, ...]] = ("Creutz1980",)

    rng: str = "philox"

    def bind(self, target):
        return HeatBath(rng=self.rng).bind(target)
'''
SAMPLER_CONFIG = """
seed = 1
[target]
name = "ising-2d"
L = 4
beta = 0.3
[[sampler]]
name = "patient-bath"
n_draws = 20
"""

# --- a figure: energy against L -------------------------------------------------------------

THROW_AWAY_CAPTION = "A throw-away: the energy again, without its errors."
FIGURE_FILE = '''"""The energy per site over the couplings of a scan, without errors."""

from physgen.plotting.style import figure

__all__ = ["plot_bare_energy"]


def plot_bare_energy(estimates):
    """Plot one curve a size."""
    with figure(4.0, 3.0) as fig:
        axes = fig.subplots()
        for energy in estimates["energy_per_site"].values[0]:
            axes.plot(energy)
        return fig
'''
FIGURE_FUNCTION = """def _bare_energy(tree):
    from physgen.plotting.bare_energy import plot_bare_energy

    return plot_bare_energy(needed(tree, "estimates"))


"""
FIGURE_ROW = f"""    Figure("bare_energy", _bare_energy, "{THROW_AWAY_CAPTION}", _E),
"""
FIGURE_CONFIG = """
seed = 1
[target]
name = "ising-2d"
L = [4, 6]
beta = [0.3, 0.4]
[[sampler]]
name = "heat-bath"
n_draws = 40
"""

NEWCOMERS = {
    "family": Newcomer(
        {"physgen/models/independent.py": FAMILY_FILE},
        FAMILY_CONFIG,
        has_group("independent-spins"),
        # A row at the end of the table.
        {"physgen/models/families.py": [(")\nFAMILIES: Mapping", FAMILY_ROW)]},
    ),
    "system": Newcomer(
        {
            "systems/free-field-again/system.toml": SYSTEM_FILE,
            "systems/free-field-again/reference.toml": "",
            "systems/free-field-again/README.md": "# The free field again\n",
            "systems/free-field-again/references.bib": "",
        },
        SYSTEM_CONFIG,
        is_finished,
    ),
    "sampler": Newcomer(
        {"physgen/samplers/patient_bath.py": SAMPLER_FILE},
        SAMPLER_CONFIG,
        has_group("patient-bath"),
        {
            "physgen/samplers/__init__.pyi": [
                ("from .phi4_cluster", "from .patient_bath import PatientBath as PatientBath\n")
            ]
        },
    ),
    "figure": Newcomer(
        {"physgen/plotting/bare_energy.py": FIGURE_FILE},
        FIGURE_CONFIG,
        has_figure("bare_energy"),
        {
            "physgen/workflow/lattice/figures.py": [
                ('_E = ("estimates",)', FIGURE_FUNCTION),
                ('    Figure(\n        "training"', FIGURE_ROW),
            ]
        },
    ),
}
