"""Free fermions against exact diagonalisation, symmetries, and known numbers."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import diagonalisation, exact_observables, free_fermions
from physgen.quantum import TFIM

CHAINS = [
    TFIM(L, J, h, boundary)
    for L in (3, 4, 5, 8, 9)
    for J, h in [(1, 1), (1, 0.5), (1, 2), (0.3, -0.7), (-1, -1), (-1, 0.6), (2, 1e-3), (0, 1.5)]
    for boundary in ("open", "periodic")
]


@pytest.mark.parametrize("tfim", CHAINS, ids=str)
def test_levels_agree_with_diagonalisation(tfim):
    for parity in (1, -1):
        levels, _ = diagonalisation.lowest_levels(tfim, parity)
        np.testing.assert_allclose(
            tfim.fermion_sector(parity).levels, levels, atol=1e-10 * tfim.L, rtol=0
        )


@pytest.mark.parametrize("tfim", CHAINS, ids=str)
def test_observables_agree_with_diagonalisation(tfim):
    ours, oracle = exact_observables(tfim), diagonalisation.diagonalised_observables(tfim)
    for name in oracle.data_vars:
        np.testing.assert_allclose(ours[name], oracle[name], atol=2e-10, rtol=0, err_msg=name)


def test_every_pair_agrees_with_diagonalisation():
    tfim = TFIM(8, 0.8, -1.1, "periodic")
    _, psi = diagonalisation.ground_state_vector(tfim)
    z = diagonalisation._z_values(8)
    np.testing.assert_allclose(
        free_fermions.zz_matrix(tfim), (z * psi**2) @ z.T, atol=1e-10, rtol=0
    )


def test_largest_diagonalisation():
    tfim = TFIM(14)
    energy, psi = diagonalisation.ground_state_vector(tfim)
    assert abs(energy - tfim.ground_state_energy()) < 1e-10
    assert abs(psi @ psi - 1) < 1e-12
    with pytest.raises(InputError, match="at most 14"):
        diagonalisation.ground_state_vector(TFIM(15))


def test_known_energies():
    for L, E0 in [(10, -12.38148999965), (50, -63.30118915542)]:
        assert abs(TFIM(L).ground_state_energy() - E0) < 1e-10
        closed = 1 - 1 / np.sin(np.pi / (2 * (2 * L + 1)))
        assert abs(TFIM(L).ground_state_energy() - closed) < 1e-11
    assert TFIM(7, J=0, h=-2).ground_state_energy() == pytest.approx(-14, abs=1e-13)
    assert TFIM(7, J=3, h=0).ground_state_energy() == pytest.approx(-18, abs=1e-13)
    # 4/pi per site in the bulk at criticality, with a finite-size term pi/(24 L) on each side
    L = 400
    ring = TFIM(L, boundary="periodic").ground_state_energy()
    assert ring == pytest.approx(-1 / np.sin(np.pi / (2 * L)) * 2, abs=1e-9)


def test_known_correlations_of_the_antiferromagnetic_convention():
    ds = exact_observables(TFIM(50, -1, -1))
    assert ds.x[24] == pytest.approx(-0.64655, abs=1e-4)
    assert ds.x[0] == pytest.approx(-0.84893, abs=1e-4)
    zz = ds.zz.values[[0, 1, 3, 7, 15]]
    np.testing.assert_allclose(zz, [-0.6267, 0.5236, 0.4274, 0.3352, 0.2319], atol=2e-4)


def test_sign_changes_are_rotations_of_the_state():
    """J -> -J rotates every other spin about X (ZZ staggers); h -> -h rotates all about Z."""
    r = np.arange(1, 11)
    base = exact_observables(TFIM(20, 1, 0.8))
    staggered = exact_observables(TFIM(20, -1, 0.8))
    flipped = exact_observables(TFIM(20, 1, -0.8))
    np.testing.assert_allclose(staggered.zz, (-1.0) ** r * base.zz, atol=1e-12)
    np.testing.assert_allclose(staggered.x, base.x, atol=1e-12)
    np.testing.assert_allclose(flipped.zz, base.zz, atol=1e-12)
    np.testing.assert_allclose(flipped.x, -base.x, atol=1e-12)
    assert staggered.energy == pytest.approx(float(base.energy), abs=1e-11)


def test_reflection_and_translation():
    x = free_fermions.x_profile(TFIM(31, 1, 0.9))
    np.testing.assert_allclose(x, x[::-1], atol=1e-12)
    ring = free_fermions.zz_matrix(TFIM(12, 1, 0.9, "periodic"))
    np.testing.assert_allclose(ring, np.roll(ring, (1, 1), (0, 1)), atol=1e-12)


def test_energy_is_the_sum_of_its_terms():
    tfim = TFIM(30, 1.3, -0.4, "periodic")
    zz, x = free_fermions.zz_matrix(tfim), free_fermions.x_profile(tfim)
    terms = -tfim.J * sum(zz[i, j] for i, j in tfim.bonds) - tfim.h * x.sum()
    assert terms == pytest.approx(tfim.ground_state_energy(), abs=1e-10)


def test_gap():
    assert TFIM(12, 1, 2).gap() > 2 * (2 - 1)  # above the bulk gap 2|h - J|
    assert TFIM(40, 1, 0.5).gap() < 1e-10  # the two parities are exponentially close
    ring = TFIM(10, boundary="periodic")
    assert ring.gap() == pytest.approx(2 * np.tan(np.pi / 40), abs=1e-12)
    open_gap = TFIM(10).gap()
    assert open_gap == pytest.approx(4 * np.sin(np.pi / 42), abs=1e-12)


def test_deep_in_the_ordered_phase_the_parity_is_definite():
    """The lowest singular value is rounding noise here; the state must still be the P = +1 one."""
    ds = exact_observables(TFIM(100, 1, 0.2))
    assert np.all(ds.z == 0)
    bulk, edge = 0.96**0.125, 0.96**0.5  # Pfeuty's magnetizations, powers of 1 - h^2
    assert float(ds.zz[24]) == pytest.approx(bulk**2, abs=1e-10)
    assert float(ds.zz[49]) == pytest.approx(bulk * edge, abs=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"L": 0}, "L must be"),
        ({"L": -3}, "L must be"),
        ({"L": 2.5}, "L must be"),
        ({"L": 4, "J": np.nan}, "J must be a finite number"),
        ({"L": 4, "h": np.inf}, "h must be a finite number"),
        ({"L": 2, "boundary": "periodic"}, "L must be an integer >= 3"),
        ({"L": 4, "boundary": "twisted"}, "boundary must be one of"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        TFIM(**arguments)


@pytest.mark.parametrize("tfim", [TFIM(5, -1, 0, "periodic"), TFIM(4, 0, 0)], ids=str)
def test_correlations_of_a_degenerate_ground_state_are_refused(tfim):
    with pytest.raises(InputError, match="unique in its parity"):
        exact_observables(tfim)


def test_attrs_round_trip():
    tfim = TFIM(7, -1, 0.3, "periodic")
    assert TFIM.from_attrs(tfim.attrs()) == tfim
    with pytest.raises(InputError, match="must contain"):
        TFIM.from_attrs({"L": 3})
