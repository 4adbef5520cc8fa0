"""Catalogued systems that are targets: made from their parameters, known numbers recomputed."""

import math
import re

import numpy as np
import pytest
from helpers.statistics import joint_p

from physgen.catalogue import list_systems, load_system
from physgen.core.errors import InputError
from physgen.exact import (
    density_of_states,
    exact_values,
    free_field_observables,
    onsager,
    phi4_spectrum,
    phi4_torus,
    ula_observables,
)
from physgen.targets.phi4_conventions import CONVENTIONS

ISING, PHI4, FREE = (load_system(name) for name in ("ising-2d", "phi4-2d", "free-field"))
INFINITE = {
    "log_z_per_site": onsager.log_z_per_site,
    "energy_per_site": onsager.energy_per_site,
    "specific_heat": onsager.specific_heat,
    "spontaneous_magnetization": onsager.magnetization,
}


def exact_entries(system):
    return [entry for entry in system.references if entry.kind == "exact"]


def test_targets_are_made_from_parameters():
    target = ISING.target(L=16, beta=0.44)
    assert repr(target) == "Ising(L=16, beta=0.44)"
    assert ISING.target(L=(4, 6), beta=0.3, J=-1.0, h=0.2).h == 0.2
    assert repr(FREE.target(L=8)) == "FreeField(L=8, m2=1)"
    assert repr(PHI4.target(L=8, kappa=0.27, lam=0.022)) == (
        "Phi4.from_hopping(L=8, kappa=0.27, lam=0.022)"
    )
    values = {"kappa": 0.2, "m2": 0.5, "lam": 0.1}
    assert PHI4.parameters["convention"].choices == CONVENTIONS
    for convention in CONVENTIONS:
        assert convention in PHI4.conventions
        couplings = {name: values[name] for name in PHI4.couplings(convention)}
        target = PHI4.target(L=4, convention=convention, **couplings)
        assert target.convention == convention
        assert couplings.items() <= target.couplings.items()


def test_what_cannot_be_made_is_refused():
    with pytest.raises(InputError, match="L must be finite to make a target, got inf"):
        ISING.target(L=math.inf, beta=0.4)
    with pytest.raises(InputError, match="parameters of ising-2d are L, beta, J, h; got 'T'"):
        ISING.target(L=4, T=2.0)
    with pytest.raises(InputError, match="ising-2d must be given beta"):
        ISING.target(L=4)
    with pytest.raises(InputError, match="phi4-2d must be given kappa"):
        PHI4.target(L=4, m2=-4.0, lam=1.0)
    with pytest.raises(InputError, match="convention must be one of"):
        PHI4.target(L=4, convention="canonical", m2=-4.0, lam=1.0)
    with pytest.raises(InputError, match="in the convention 'hopping' takes L, convention, kappa"):
        PHI4.target(L=4, kappa=0.2, lam=0.1, m2=0.5)
    with pytest.raises(InputError, match="convention must be left out for ising-2d, got 'hopp"):
        ISING.takes("hopping")
    with pytest.raises(InputError, match="L must be an integer, got 4"):
        ISING.target(L=4.5, beta=0.4)
    with pytest.raises(InputError, match="L must be >= 2, got 1"):
        FREE.target(L=(4, 1))
    with pytest.raises(InputError, match="tfim-1d is a quantum state"):
        load_system("tfim-1d").target(L=4)


def test_ising_numbers_are_recomputed():
    listed = {}
    for entry in exact_entries(ISING):
        p, quantity = dict(entry.parameters), entry.quantity
        if quantity == "critical_beta":
            value = onsager.K_C
        elif quantity == "density_of_states":
            if "g" not in listed:
                listed["g"] = density_of_states(ISING.target(L=p["L"], beta=1.0)).sum("spin_sum")
            value = float(listed["g"].sel(energy=p["energy"]))
        elif p["L"] == math.inf:
            value = float(INFINITE[quantity](p["beta"]))
        else:
            key = (p["L"], p["beta"])
            if key not in listed:
                listed[key] = exact_values(ISING.target(**p))
            value = float(listed[key][quantity])
        assert entry.value == pytest.approx(value, rel=1e-12, abs=1e-13), entry


def test_ising_numbers_are_not_of_the_critical_point_alone():
    tori = {
        (e.parameters["L"], e.parameters["beta"])
        for e in exact_entries(ISING)
        if e.quantity == "log_z"
    }
    for L in (4, 8, 16, 32, 64):
        assert len({beta for extent, beta in tori if extent == L}) >= 4
    assert ISING.reference("log_z", L=16, beta=onsager.K_C).value == pytest.approx(
        238.64225663513, abs=1e-10
    )


@pytest.mark.slow
def test_phi4_numbers_are_recomputed():
    """Within what ten nodes leave; the entries have more."""
    check_phi4({4: lambda target: phi4_torus(target, n_nodes=8)}, 11)


def test_phi4_numbers_of_wider_tori_are_recomputed():
    check_phi4({6: lambda target: phi4_spectrum(target, n_nodes=5, n_levels=16)}, 1)


@pytest.mark.slow
def test_phi4_numbers_of_the_widest_tori_are_recomputed():
    check_phi4({8: lambda target: phi4_spectrum(target, n_nodes=5, n_levels=12)}, 2)


def check_phi4(oracles, n_models):
    """The exact entries of these extents lie within the errors of a smaller calculation."""
    listed = {}
    for entry in exact_entries(PHI4):
        p, quantity = entry.parameters, entry.quantity
        if p["L"] not in oracles:
            continue
        key = tuple(p.items())
        if key not in listed:
            listed[key] = oracles[p["L"]](PHI4.target(**p))
        error = float(listed[key][f"{quantity}_error"])
        assert abs(entry.value - float(listed[key][quantity])) <= max(error, 1e-10), entry
        assert error < 0.03 * max(1, abs(entry.value))
    assert len(listed) == n_models


def test_phi4_numbers_known_independently():
    unhalved = {"L": 4, "convention": "unhalved", "m2": -4.0}
    for lam, log_z, phi2 in [(8.0, 2.405138962, 0.14774621), (6.975, 3.218328923, 0.16739177)]:
        assert PHI4.reference("log_z", lam=lam, **unhalved).value == pytest.approx(
            log_z, abs=5e-10
        )
        assert PHI4.reference("phi2", lam=lam, **unhalved).value == pytest.approx(phi2, abs=5e-9)
    near = PHI4.reference("log_z", L=4, kappa=0.2705, lam=0.022)
    assert near.value == pytest.approx(12.154353364886, abs=1e-9)


def test_free_field_numbers_are_recomputed():
    for entry in exact_entries(FREE):
        p = dict(entry.parameters)
        step_size, r = p.pop("step_size", None), p.pop("r", None)
        target = FREE.target(**p)
        if step_size is not None:
            value = ula_observables(target, step_size)[entry.quantity.removesuffix("_ula")]
        else:
            value = free_field_observables(target)[entry.quantity]
        value = float(value if r is None else value[r, 0])
        assert entry.value == pytest.approx(value, rel=1e-12, abs=1e-14), entry
    assert FREE.reference("phi2_ula", L=16, step_size=0.02).value == pytest.approx(
        0.26458, abs=6e-6
    )


MADE = r"python workflows/references/(chains|free_energies|outcomes)\.py [\w.-]+; "


def test_computed_numbers_say_how_they_were_made():
    for system in map(load_system, list_systems()):
        for entry in system.references:
            if entry.kind == "computed":
                assert re.match(MADE, entry.source)
                assert entry.error < 0.05 * max(abs(entry.value), 0.1)


@pytest.mark.statistical
def test_computed_numbers_agree_with_exact_ones():
    """Chains and transfer matrix on the same tori; and a little another coupling is rejected."""

    def p(shift):
        pulls = []
        for L, lam in [(6, 6.975), (8, 8.0), (8, 6.008)]:
            at = {"L": L, "convention": "unhalved", "m2": -4.0, "lam": lam}
            for quantity in ("action_per_site", "phi2", "susceptibility"):
                known = PHI4.reference(quantity, **at)
                assert known.kind == "exact"
                chain = PHI4.reference(quantity, kind="computed", **at)
                pulls.append((chain.value - known.value * (1 + shift)) / chain.error)
        return joint_p(np.array(pulls))

    assert p(0.0) > 1e-3
    assert p(2e-3) < 1e-3


@pytest.mark.statistical
def test_computed_free_energies_agree_with_exact_ones():
    """Neural importance sampling against Kaufman and the transfer matrix, on the same tori."""

    def p(shift):
        pulls = []
        for system in (ISING, PHI4):
            for entry in system.references:
                if entry.kind != "computed" or entry.quantity != "log_z":
                    continue
                known = system.reference("log_z", **entry.parameters)
                if known.kind == "exact":
                    pulls.append((entry.value + shift - known.value) / entry.error)
        assert len(pulls) >= 8
        return joint_p(np.array(pulls))

    assert p(0.0) > 1e-3
    assert p(2e-3) < 1e-3


def test_computed_numbers_belong_together():
    """chi - chi_abs = V <|m|>^2 in every run: no entry is of another one."""
    for system in (ISING, PHI4):
        runs = {}
        for entry in system.references:
            if entry.kind == "computed" and "chains.py" in entry.source:
                runs.setdefault(entry.source, {})[entry.quantity] = entry
        for entries in runs.values():
            chi, chi_abs, m = (
                entries[q] for q in ("susceptibility", "chi_abs", "abs_magnetization")
            )
            V = chi.parameters["L"] ** 2
            # but for the bias that the jackknife takes off
            assert chi.value - chi_abs.value == pytest.approx(
                V * m.value**2, abs=0.1 * chi_abs.error
            )


def test_the_table_of_kaufman_in_the_catalogue_obeys_thermodynamics():
    """Slopes of log Z lie between the energies of neighbours: no entry is of other couplings."""
    for L in (16, 64):
        at = [ISING.reference("log_z", L=L, beta=beta) for beta in (0.4, 0.44)]
        slope = -(at[1].value - at[0].value) / 0.04 / L**2
        low, high = (
            ISING.reference("energy_per_site", L=L, beta=beta).value for beta in (0.44, 0.4)
        )
        assert low < slope < high
