"""Known states against their vectors and stabilisers."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import (
    MPS,
    TFIM,
    bloch_state,
    cluster_state,
    ghz_state,
    ground_state,
    product_state,
    random_mps,
    w_state,
)
from physgen.quantum.povm import PAULI


@pytest.mark.parametrize("L", [2, 3, 5])
def test_ghz_and_w_vectors(L):
    for phase in (0, np.pi, 0.7):
        psi = np.zeros(2**L, dtype=complex)
        psi[0], psi[-1] = np.sqrt(0.5), np.exp(1j * phase) * np.sqrt(0.5)
        state = ghz_state(L, phase)
        np.testing.assert_allclose(state.to_dense(), psi, atol=1e-15)
        assert state.is_real == (phase in (0, np.pi))
        assert state.max_bond == 2
    psi = np.zeros(2**L)
    psi[2 ** np.arange(L)] = 1 / np.sqrt(L)
    np.testing.assert_allclose(w_state(L).to_dense(), psi, atol=1e-15)
    assert w_state(L).max_bond == 2


def test_long_states():
    """At a length that only the matrix product form reaches."""
    L = 150
    flips = dict.fromkeys(range(L), "X")
    assert ghz_state(L, np.pi).expectation(flips) == pytest.approx(-1, abs=1e-12)
    assert ghz_state(L).expectation({3: "Z", 140: "Z"}) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(w_state(L).profile("Z"), 1 - 2 / L, atol=1e-12)
    assert w_state(L).expectation({3: "X", 140: "X"}) == pytest.approx(2 / L, abs=1e-12)


@pytest.mark.parametrize("L", [2, 5, 40])
def test_cluster_state_is_stabilised(L):
    state = cluster_state(L)
    assert state.norm() == pytest.approx(1, abs=1e-12)
    for i in range(L):
        stabiliser = {i: "X"} | {j: "Z" for j in (i - 1, i + 1) if 0 <= j < L}
        assert state.expectation(stabiliser) == pytest.approx(1, abs=1e-12)
        assert state.expectation({i: "X"}) == pytest.approx(0, abs=1e-12)


def test_product_states():
    letters = product_state("01+-rl")
    for site, (pauli, value) in enumerate(zip("ZZXXYY", (1, -1, 1, -1, 1, -1))):
        assert letters.expectation({site: pauli}) == pytest.approx(value, abs=1e-14)
    theta, phi = 0.8, 2.1
    state = product_state(bloch_state(theta, phi), L=3)
    bloch = (np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta))
    for pauli, value in zip("XYZ", bloch):
        np.testing.assert_allclose(state.profile(pauli), value, atol=1e-14)
    each = product_state(bloch_state([0, np.pi / 2, np.pi], 0))
    np.testing.assert_allclose(each.profile("Z"), [1, 0, -1], atol=1e-14)
    assert product_state("0+").is_real
    assert product_state([[3, 0], [0, 2]]).norm() == pytest.approx(1)


def test_random_states():
    state = random_mps(7, 4, Stream(3))
    assert state.bonds == (2, 4, 4, 4, 4, 2)
    assert state.norm() == pytest.approx(1, abs=1e-12)
    assert not state.is_real
    assert random_mps(7, 4, 3, complex_valued=False).is_real
    np.testing.assert_array_equal(random_mps(7, 4, 3).to_dense(), state.to_dense())
    assert abs(random_mps(7, 4, 4).overlap(state)) < 0.9
    assert random_mps(1, 4, 1).L == 1


def test_rotation():
    """One unitary on every qubit, named or given, against the same on the vector."""
    state = random_mps(3, 4, 1)
    for name, U in (("S", np.diag([1, 1j])), ("X", PAULI["X"]), ("Y", PAULI["Y"])):
        full = np.kron(np.kron(U, U), U)
        for rotated in (state.rotated(name), state.rotated(U)):
            np.testing.assert_allclose(rotated.to_dense(), full @ state.to_dense(), atol=1e-14)
    np.testing.assert_allclose(product_state("+++").rotated("S").profile("Y"), 1, atol=1e-14)
    chain = ground_state(TFIM(8, h=0.7))
    turned = chain.rotated("H", {"state": "turned"})
    np.testing.assert_allclose(turned.profile("Z"), chain.profile("X"), atol=1e-12)
    zz, xx = chain.expectation({2: "Z", 3: "Z"}), turned.expectation({2: "X", 3: "X"})
    assert xx == pytest.approx(zz, abs=1e-12)
    assert turned.is_real
    assert turned.attrs == {"state": "turned"}
    assert chain.rotated("H").attrs == {}  # they name axes that are no longer so
    with pytest.raises(InputError, match="unitary must be a unitary"):
        state.rotated([[1, 1], [1, 1]])
    with pytest.raises(InputError, match="unitary must be one of"):
        state.rotated("T")


def test_bad_states():
    with pytest.raises(InputError, match="L must be an integer >= 2, got 1"):
        ghz_state(1)
    with pytest.raises(InputError, match="phase must be a finite number"):
        ghz_state(3, np.inf)
    with pytest.raises(InputError, match=r"letters .* must be of 01\+-rl, got '01a'"):
        product_state("01a")
    with pytest.raises(InputError, match=r"shape \(2,\) with L, or \(L, 2\), got \(2,\)"):
        product_state([1, 0])
    with pytest.raises(InputError, match=r"shape \(2,\) or \(4, 2\), got \(3, 2\)"):
        product_state(np.ones((3, 2)), L=4)
    with pytest.raises(InputError, match="got zero at site 1"):
        product_state([[1, 0], [0, 0]])
    assert isinstance(product_state("0"), MPS)
