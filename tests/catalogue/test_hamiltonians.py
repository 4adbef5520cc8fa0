"""Systems with a Hamiltonian: their reference values, recomputed, and how they are made."""

import math

import numpy as np
import pytest

from physgen.catalogue import hamiltonian_systems, load_system, systems
from physgen.core.errors import InputError
from physgen.quantum import TFIM, XXZ, IsingStrip, PauliHamiltonian
from physgen.quantum.spectrum import MAX_SITES, low_levels
from physgen.quantum.xxz import bethe_energy

GENERAL = [name for name in hamiltonian_systems() if name != "tfim-1d"]


def test_the_systems_with_a_hamiltonian():
    assert set(hamiltonian_systems()) == {"tfim-1d", "xxz-1d", "ising-ladder", "tfim-2d", "pauli"}
    for name, system in hamiltonian_systems().items():
        needed = {"L": 4, "Lx": 2, "Ly": 2, "rungs": 2, "terms": "sum ZZ"}
        given = {key: needed[key] for key, p in system.parameters.items() if p.default is None}
        attrs = system.hamiltonian(**given).attrs()
        assert attrs["system"] == name
        assert attrs["L"] == 4
        # every parameter is stored under its name, which a file is compared by
        assert set(system.parameters) <= set(attrs)


@pytest.mark.parametrize("name", GENERAL)
def test_exact_references_are_recomputed(name):
    """By diagonalisation where they fit, whatever their source; by closed forms beyond."""
    system, found = load_system(name), 0
    known = {}
    for entry in system.references:
        if entry.parameters["L" if "L" in entry.parameters else "boundary"] == math.inf:
            continue
        H = system.hamiltonian(**entry.parameters)
        assert (entry.kind, entry.error) == ("exact", 0)
        if H.L <= 10:
            levels = known.setdefault(str(H), None) or low_levels(H.pauli_sum())
            known[str(H)] = levels
            value = {"ground_state_energy": levels.energy, "gap": levels.gap}[entry.quantity]
            found += 1
        elif (closed := H.ground_state_energy()) is not None:
            value = {"ground_state_energy": closed, "gap": H.gap()}[entry.quantity]
            found += 1
        else:
            assert H.L == MAX_SITES
            continue
        assert entry.value == pytest.approx(value, abs=1e-9), entry
    assert found >= 8


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERAL)
def test_references_of_twelve_sites_are_recomputed(name):
    system = load_system(name)
    entries = [e for e in system.references if e.parameters.get("L") != math.inf]
    for entry in entries:
        H = system.hamiltonian(**entry.parameters)
        if H.L == MAX_SITES:
            levels = low_levels(H.pauli_sum())
            value = {"ground_state_energy": levels.energy, "gap": levels.gap}[entry.quantity]
            assert entry.value == pytest.approx(value, abs=1e-9), entry


def test_heisenberg_rings_approach_the_infinite_chain():
    limit = load_system("xxz-1d").reference("energy_per_site", L=math.inf).value
    assert limit == 1 - 4 * math.log(2)
    sizes = np.array([50, 100, 200])
    excess = np.array([bethe_energy(L) / L for L in sizes]) - limit
    # e(L) = e - pi c v / (6 L^2), c = 1, v = 2 pi in Pauli matrices, up to logarithms
    np.testing.assert_allclose(excess * sizes**2, -np.pi * 2 * np.pi / 6, rtol=0.02)
    assert abs(excess[-1] * sizes[-1] ** 2 + np.pi**2 / 3) < abs(
        excess[0] * sizes[0] ** 2 + np.pi**2 / 3
    )


def test_hamiltonians_are_made_with_the_defaults_of_their_system():
    assert load_system("tfim-1d").hamiltonian(L=5, h=2) == TFIM(5, h=2.0)
    assert load_system("xxz-1d").hamiltonian(L=5, Delta=0.5) == XXZ(5, Delta=0.5)
    assert load_system("tfim-2d").hamiltonian(Lx=3, Ly=2) == IsingStrip(3, 2)
    ring = load_system("pauli").hamiltonian(terms="sum ZZ", L=4, boundary="periodic")
    assert ring == PauliHamiltonian("sum ZZ", 4, "periodic")


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("xxz-1d", {"L": 4, "Jz": 1.0}, "parameters of xxz-1d are L, J, Delta, .*; got 'Jz'"),
        ("xxz-1d", {}, "xxz-1d must be given L"),
        ("xxz-1d", {"L": 1}, "L must be >= 2"),
        ("xxz-1d", {"L": 4, "Delta": "one"}, "Delta must be a finite number"),
        ("pauli", {"L": 4, "terms": 3}, "terms must be a text"),
        ("ising-2d", {"L": 4, "beta": 1.0}, "ising-2d has an action"),
    ],
)
def test_bad_parameters(name, given, message):
    with pytest.raises(InputError, match=message):
        load_system(name).hamiltonian(**given)


def test_a_system_of_another_module(tmp_path, monkeypatch):
    """A folder and a class are all that a new Hamiltonian takes."""
    (tmp_path / "systems" / "dimers").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("")
    text = (
        'title = "D"\ndescription = "d"\n'
        'hamiltonian = "dimer_module:{what}"\n'
        '[parameters.L]\nmeaning = "sites"\ntype = "integer"\nminimum = 2\n[conventions]\n'
    )
    (tmp_path / "dimer_module.py").write_text(
        "from physgen.quantum import PauliHamiltonian\n"
        "def Dimers(L):\n    return PauliHamiltonian('sum ZZ - X', L)\n"
        "def Wrong(L):\n    return L\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "systems" / "dimers" / "system.toml"
    for what, message in (
        ("Dimers", None),
        ("Wrong", "which makes a int"),
        ("No", "AttributeErr"),
    ):
        path.write_text(text.replace("{what}", what))
        systems._load.cache_clear()
        made = systems._load(tmp_path / "systems" / "dimers")
        if message is None:
            assert made.hamiltonian(L=3) == PauliHamiltonian("sum ZZ - X", 3)
        else:
            with pytest.raises(InputError, match=message):
                made.hamiltonian(L=3)
    path.write_text(text.replace("{what}", "Dimers").replace("title", 'target = "a:B"\ntitle'))
    systems._load.cache_clear()
    with pytest.raises(InputError, match="a target or a hamiltonian, got both"):
        systems._load(tmp_path / "systems" / "dimers")
    systems._load.cache_clear()
