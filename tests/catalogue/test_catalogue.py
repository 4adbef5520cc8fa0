"""The catalogue: every exact number is recomputed, every shipped file is what its README says."""

import hashlib
import re
import tomllib

import numpy as np
import pytest
from helpers.statistics import normal_p

from physgen.catalogue import list_systems, load_system, systems
from physgen.catalogue.references import read_reference
from physgen.core.errors import InputError
from physgen.exact.free_fermions import x_profile, zz_matrix
from physgen.quantum import TFIM, Born, MeasurementData, estimate_observables, ground_state, povm

CHAIN = load_system("tfim-1d")


def recomputed(entry):
    p = entry.parameters
    tfim = TFIM(p["L"], p["J"], p["h"], p["boundary"])
    if entry.quantity == "ground_state_energy":
        return tfim.ground_state_energy()
    if entry.quantity == "gap":
        return tfim.gap()
    if entry.quantity == "x":
        return x_profile(tfim)[p["site"]]
    if entry.quantity == "zz":
        return zz_matrix(tfim)[p["site"], p["site"] + p["r"]]
    raise AssertionError(f"no oracle for {entry.quantity}")


def test_systems_are_listed_and_whole():
    assert "tfim-1d" in list_systems()
    for name in list_systems():
        system = load_system(name)
        assert system.title
        assert system.readme.startswith("# ")
        keys = set(re.findall(r"@\w+\{(\w+),", system.bibliography))
        for entry in system.references:
            assert entry.error >= 0
            cited = set(re.findall(r"\b[A-Z]\w+(?:19|20)\d\d\b", entry.source))
            assert cited <= keys, entry
            assert entry.quantity in system.readme
            if entry.kind != "exact":
                assert entry.error > 0


def test_exact_references_are_recomputed():
    exact = [entry for entry in CHAIN.references if entry.kind == "exact"]
    for entry in exact:
        assert entry.value == pytest.approx(recomputed(entry), abs=1e-10), entry
        assert entry.error == 0
    energies = {
        (e.parameters["L"], e.parameters["h"])
        for e in exact
        if e.quantity == "ground_state_energy"
    }
    assert {(L, h) for L in (8, 10, 20, 50) for h in (0.5, 1.0, 2.0)} <= energies


@pytest.mark.slow
@pytest.mark.statistical
def test_computed_entropies_are_reproduced():
    state = ground_state(TFIM(50), chi_max=13)
    for name in ("pauli-6", "tetrahedral"):
        entry = CHAIN.reference("entropy_per_site", L=50, povm=name)
        born = Born(state, name)
        log_p = born.log_prob(born.sample(10_000, 77)) / 50
        error = np.hypot(entry.error, log_p.std() / 100)
        assert normal_p((-log_p.mean() - entry.value) / error) > 1e-3
        assert normal_p((-log_p.mean() - entry.value - 0.01) / error) < 1e-3  # saboteur


def test_looking_up():
    assert CHAIN.reference("ground_state_energy", L=10).value == pytest.approx(-12.38148999965)
    assert CHAIN.reference("ground_state_energy", L=10, boundary="periodic").value < -12.7
    assert CHAIN.reference("zz", L=50, J=-1.0, h=-1.0, r=1).value == pytest.approx(
        -0.6267, abs=1e-4
    )
    with pytest.raises(InputError, match=r"got 0; quantities: .*gap"):
        CHAIN.reference("ground_state_energy", L=11)
    with pytest.raises(InputError, match="got 2"):
        CHAIN.reference("x", L=50)
    with pytest.raises(InputError, match=r"system must be one of .*'tfim-1d'"):
        load_system("tfim-3d")


def test_damaged_entries_are_refused(tmp_path):
    folder = tmp_path / "chain"
    entry = {"quantity": "gap", "parameters": {}, "value": 1, "error": 0, "kind": "exact"}
    with pytest.raises(InputError, match="source"):
        read_reference(entry, folder)
    with pytest.raises(InputError, match="kind of a reference"):
        read_reference(entry | {"kind": "guessed", "source": "none"}, folder)
    published = entry | {"kind": "published", "source": "Author2020"}
    with pytest.raises(InputError, match="see place, verdict, verified"):
        read_reference(published, folder)
    read = {"place": "table I", "verified": "text", "verdict": "open"}
    assert read_reference(published | read, folder).place == "table I"
    with pytest.raises(InputError, match=r"verified of a reference .* 'text', 'recalled'"):
        read_reference(published | read | {"verified": "yes"}, folder)
    with pytest.raises(InputError, match="must say where it is published"):
        read_reference(published | read | {"place": " "}, folder)
    with pytest.raises(InputError, match="see place"):  # of published values alone
        read_reference(entry | {"source": "none", "place": "table I"}, folder)
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(InputError, match="valid TOML"):
        systems._read_toml(tmp_path / "bad.toml")
    with pytest.raises(InputError, match=r"must have a file absent\.toml"):
        systems._read_toml(tmp_path / "absent.toml")


def test_an_installed_wheel_reads_its_own_copy(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "physgen"
    for folder in ("_systems/chain", "_data/chain"):
        (package / folder).mkdir(parents=True)
    (package / "_systems/chain/system.toml").write_text("title = 'x'")
    # a stranger's folder beside the package must not be taken for the catalogue
    (tmp_path / "site-packages" / "systems" / "other").mkdir(parents=True)
    monkeypatch.setattr(systems, "_PACKAGE", package)
    assert list_systems() == ["chain"]
    with pytest.raises(InputError, match="must contain conventions"):
        load_system("chain")


def test_shipped_data_matches_its_checksum():
    assert CHAIN.data_files
    for path in CHAIN.data_files:
        lines = (path.parent / "SHA256SUMS").read_text().splitlines()
        sums = {name: digest for digest, name in (line.split() for line in lines)}
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[path.name]
        assert path.name in (path.parent / "README.md").read_text()


def test_shipped_data_is_remade_by_the_lines_of_its_readme(tmp_path, monkeypatch):
    path = CHAIN.data_files[0]
    readme = (path.parent / "README.md").read_text()
    reading, making = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "data/tfim-1d").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    made, read = {}, {}
    exec(making, made)
    exec(reading, read)
    again, shipped = read["data"], MeasurementData.load(path, "pauli-6", L=10)
    assert again.attrs == shipped.attrs
    # float32 sampling: another CPU may round one conditional probability in 1e7 the other way
    same = (again.outcomes == shipped.outcomes).all(axis=1).mean()
    assert same >= 0.999
    assert shipped.n == 10_000
    ds = estimate_observables(shipped.outcomes, povm("pauli-6"), shipped.tfim)
    pull = (float(ds.energy) - TFIM(10).ground_state_energy()) / float(ds.energy_error)
    assert normal_p(pull) > 1e-3


def test_the_toml_files_hold_no_unknown_tables():
    for name in list_systems():
        folder = systems.shipped_folder("systems") / name
        about = tomllib.loads((folder / "system.toml").read_text())
        assert about.keys() - {"target", "hamiltonian", "label"} == {
            "title",
            "description",
            "parameters",
            "conventions",
        }
        assert tomllib.loads((folder / "reference.toml").read_text()).keys() == {"reference"}
