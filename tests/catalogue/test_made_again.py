"""Computed numbers of the catalogue, made again by the commands that they name.

A tenth of the cheap ones, another one with every commit: ten commits in a row make about all.
"""

import importlib
import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.statistics import joint_p

from physgen.catalogue import list_systems, load_system
from physgen.results.provenance import collect_provenance

FOLDER = Path(__file__).resolve().parents[2] / "workflows" / "references"
COMMAND = re.compile(r"python workflows/references/(\w+)\.py ([\w.-]+); ")
SHARE = 10
SITE_UPDATES = 1e9  # of chains that are cheap: a minute
BUDGET = 40  # seconds of training that are cheap


def known():
    """Return the entries that each command has made: (script, point) -> entries."""
    made = {}
    for system in map(load_system, list_systems()):
        for entry in system.references:
            if entry.kind == "computed":
                found = COMMAND.match(entry.source)
                made.setdefault(found.groups() if found else ("", ""), []).append(entry)
    return made


@pytest.fixture
def scripts(monkeypatch):
    """The modules of the commands, by name."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("make", "chains", "free_energies", "outcomes")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    modules = {name: importlib.import_module(name) for name in names}
    yield modules
    for name in names:
        sys.modules.pop(name, None)


def is_cheap(module, name, point):
    if name == "outcomes":
        return True
    if name == "free_energies":
        return float(point.budget.removesuffix("s")) <= BUDGET
    steps = point.n_draws * module.THIN + module.WARMUP
    return point.n_chains * steps * point.parameters["L"] ** 2 <= SITE_UPDATES


def cheap(scripts):
    return sorted(
        (name, point)
        for name, point in known()
        if is_cheap(scripts[name], name, scripts[name].POINTS[point])
    )


def chosen(commands, commit):
    """Return a tenth of the commands, by the number that a commit is."""
    k = int(commit[:8], 16) % SHARE if re.match("[0-9a-f]{8}", commit) else 0
    return commands[k::SHARE]


def test_every_command_is_one_that_there_is(scripts):
    for name, point in known():
        assert point in scripts[name].POINTS


def test_ten_tenths_are_all_of_them(scripts):
    commands = cheap(scripts)
    assert {name for name, _ in commands} == {"chains", "free_energies", "outcomes"}
    parts = [chosen(commands, f"{k:08x}") for k in range(SHARE)]
    assert sorted(itertools.chain(*parts)) == commands
    assert all(parts)


@pytest.mark.slow
def test_a_tenth_of_the_cheap_ones_made_again(scripts):
    old = known()
    for name, point in chosen(cheap(scripts), str(collect_provenance()["commit"])):
        module = scripts[name]
        settings = module.POINTS[point]
        more = (settings.n_draws,) if name == "chains" else ()
        new = {entry.quantity: entry for entry in module.measure(point, settings, *more)}
        pairs = [(new[entry.quantity], entry) for entry in old[name, point]]
        pulls = np.array([(a.value - b.value) / np.hypot(a.error, b.error) for a, b in pairs])
        assert joint_p(pulls) > 1e-3, (name, point, pulls)
        assert joint_p(pulls + 5) < 1e-3  # numbers that are five errors off
