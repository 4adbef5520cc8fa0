"""DMRG states against free fermions and exact diagonalisation."""

import numpy as np
import pytest
from helpers.marks import slow

from physgen.core.errors import InputError
from physgen.exact import exact_observables, ground_state_vector
from physgen.quantum import TFIM, ground_state

FIGURE = [TFIM(10, 1, 1.0), *(slow(TFIM(10, 1, h)) for h in (0.5, 2.0)), slow(TFIM(10, -1, -1))]
FIGURE += [
    slow(tfim) for tfim in (TFIM(50, 1, 0.5), TFIM(50, 1, 1.0), TFIM(50, 1, 2.0), TFIM(50, -1, -1))
]


@pytest.mark.parametrize("tfim", FIGURE, ids=str)
def test_energy_against_the_closed_form(tfim):
    state = ground_state(tfim)
    assert state.is_real
    assert state.attrs["energy"] == state.energy(tfim)
    assert abs(state.energy(tfim) - tfim.ground_state_energy()) <= 1e-8
    parity = (-1) ** tfim.L if tfim.h < 0 else 1
    assert state.attrs["parity"] == pytest.approx(parity, abs=1e-12)


@pytest.mark.parametrize(
    "tfim",
    [TFIM(8, 1, 0.3), TFIM(7, -1, -1), TFIM(8, 0.5, -1.2), TFIM(6, 1, 1, "periodic")],
    ids=str,
)
def test_state_is_the_ground_state_in_our_axes(tfim):
    """The overlap sees the axis swap, the order of the local basis, and the parity."""
    _, psi = ground_state_vector(tfim)
    dense = ground_state(tfim).to_dense()
    assert abs(dense @ psi) == pytest.approx(1, abs=1e-9)


@pytest.mark.slow
def test_ordered_phase_has_no_broken_symmetry():
    tfim = TFIM(50, 1, 0.5)
    state = ground_state(tfim)
    np.testing.assert_allclose(state.profile("Z"), 0, atol=1e-10)
    np.testing.assert_allclose(state.profile("X"), exact_observables(tfim).x, atol=1e-6)
    assert state.expectation({24: "Z", 40: "Z"}) > 0.9  # long-range order all the same


@pytest.mark.slow
def test_correlations_at_the_critical_point():
    tfim = TFIM(50)
    state, exact = ground_state(tfim, chi_max=24), exact_observables(tfim)
    assert state.max_bond == 24
    zz = [state.expectation({24: "Z", 24 + r: "Z"}) for r in (1, 8, 25)]
    np.testing.assert_allclose(zz, exact.zz.values[[0, 7, 24]], atol=1e-7)
    np.testing.assert_allclose(state.profile("X"), exact.x, atol=1e-7)


@pytest.mark.slow
def test_a_truncated_or_unfinished_state_says_so():
    good = ground_state(TFIM(20)).attrs
    assert abs(good["energy_error"]) < 1e-12
    assert good["truncation_error"] < 1e-14
    assert good["converged"] is True
    cut = ground_state(TFIM(20), chi_max=4)
    assert cut.attrs["energy_error"] == pytest.approx(2.3e-4, rel=0.01)
    # the energy is quadratic in what was cut, bond by bond
    assert 1e-6 < cut.attrs["truncation_error"] < cut.attrs["energy_error"]
    assert cut.attrs["converged"] is True
    hasty = ground_state(TFIM(12, boundary="periodic"), max_sweeps=2).attrs
    assert (hasty["converged"], hasty["n_sweeps"]) == (False, 2)


@pytest.mark.parametrize("chi_max", [1, slow(2), slow(3)])
def test_a_bond_too_small_is_refused(chi_max):
    with pytest.raises(
        InputError, match=f"chi_max must be larger.*got {chi_max}, .*; raise chi_max"
    ):
        ground_state(TFIM(20), chi_max=chi_max)


def test_bad_input():
    with pytest.raises(InputError, match="J or h must not be 0 for a ground state, got both 0"):
        ground_state(TFIM(4, J=0, h=0))
    with pytest.raises(InputError, match="chi_max must be"):
        ground_state(TFIM(4), chi_max=0)


@pytest.mark.parametrize(("J", "h"), [(1, 1), (-1, 0.3), (1, -2), (0, 1), (0.5, 0)])
def test_two_sites(J, h):
    """Exact diagonalisation, with the parity of free fermions."""
    tfim = TFIM(2, J=J, h=h)
    state = ground_state(tfim)
    assert state.attrs["energy"] == pytest.approx(tfim.ground_state_energy(), abs=1e-12)
    assert state.attrs["energy"] == pytest.approx(-np.hypot(J, 2 * h), abs=1e-12)
    assert state.attrs["parity"] == pytest.approx(tfim.ground_sector().parity, abs=1e-12)


def test_progress_is_reported_and_the_log_is_silent(capfd, caplog):
    seen = []
    state = ground_state(TFIM(8), progress=lambda *args: seen.append(args))
    assert len(seen) == state.attrs["n_sweeps"]
    sweeps, energies, changes = zip(*seen)
    assert sweeps == tuple(range(1, len(seen) + 1))
    assert energies[-1] == pytest.approx(TFIM(8).ground_state_energy(), abs=1e-9)
    assert abs(changes[-1]) < 1e-9
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
