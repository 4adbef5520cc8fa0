"""Noise in the elements against noise on the state, and what its duals estimate."""

from itertools import product

import numpy as np
import pytest
from helpers.statistics import accepts, chi_square_p, normal_p

from physgen.core.errors import InputError
from physgen.quantum import Born, bit_flipped, damped, dephased, depolarised, misread, povm
from physgen.quantum.density_matrix import DensityMatrix
from physgen.quantum.noise import amplitude_damping, dephasing, depolarising, through_channel
from physgen.quantum.states import ghz_state, product_state, random_mps

STATE = random_mps(3, 4, 7)
CHANNELS = {
    "depolarised": (depolarised, depolarising, 0.13),
    "dephased": (dephased, dephasing, 0.2),
    "damped": (damped, amplitude_damping, 0.3),
}


def strings(K, L):
    return np.array(list(product(range(K), repeat=L)), dtype=np.uint8)


def measured(rho, frame):
    """P of every string by brute force: Tr(rho M_a1 x M_a2 x M_a3)."""
    p = []
    for a, b, c in strings(frame.K, 3):
        operator = np.kron(np.kron(frame.elements[a], frame.elements[b]), frame.elements[c])
        p.append(np.trace(rho @ operator).real)
    return np.array(p)


def with_kraus_on_every_site(rho, kraus):
    out = np.zeros_like(rho)
    for A, B, C in product(kraus, repeat=3):
        K = np.kron(np.kron(A, B), C)
        out += K @ rho @ K.conj().T
    return out


@pytest.mark.parametrize("name", ["pauli-4", "pauli-6", "trine", "computational"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_noise_of_the_elements_is_noise_on_every_qubit(channel, name):
    """Enumeration, with the Kraus operators on the density matrix and the ideal elements."""
    noisy, kraus, strength = CHANNELS[channel]
    frame = noisy(name, strength)
    psi = STATE.to_dense()
    rho = with_kraus_on_every_site(np.outer(psi, psi.conj()), kraus(strength))
    exact = measured(rho, povm(name))
    p = np.exp(Born(STATE, frame).log_prob(strings(frame.K, 3)))
    np.testing.assert_allclose(p, exact, atol=1e-14)
    np.testing.assert_allclose(
        DensityMatrix.pure(STATE).through_channel(kraus(strength)).rho, rho, atol=1e-14
    )
    unharmed = channel == "dephased" and name == "computational"
    noiseless = measured(np.outer(psi, psi.conj()), povm(name))
    assert (np.abs(p - noiseless).max() < 1e-14) == unharmed


def test_names_and_how_far_the_bloch_vector_shrinks():
    frame = depolarised("pauli-4", 0.02)
    assert frame.name == "pauli-4, depolarised 0.02"
    assert frame.outcomes == povm("pauli-4").outcomes
    ideal = povm("pauli-4").pauli_coefficients
    np.testing.assert_allclose(
        frame.pauli_coefficients, ideal * np.array([1, *[1 - 4 * 0.02 / 3] * 3]), atol=1e-15
    )
    assert not frame.is_rank_one
    assert frame.is_informationally_complete
    gone = depolarised("tetrahedral", 0.75)
    assert not any(gone.sees(p) for p in "XYZ")
    np.testing.assert_allclose(
        dephased("pauli-6", 0.1).pauli_coefficients,
        povm("pauli-6").pauli_coefficients * [1, 0.8, 0.8, 1],
        atol=1e-15,
    )
    for letter, p_up in (("0", 1), ("1", 0.3), ("+", 0.65)):
        log_p = Born(product_state(letter), damped("computational", 0.3)).log_prob([[0]])
        assert np.exp(log_p[0]) == pytest.approx(p_up, abs=1e-14)


def test_readout_errors():
    """P(read b) = sum_a P(b | a) P(a), in every basis; pauli-4 is pauli-6 misread, then merged."""
    e01, e10 = 0.02, 0.05
    for letter, exact in (("0", e01), ("1", 1 - e10)):
        log_p = Born(product_state(letter), bit_flipped("computational", e01, e10)).log_prob([[1]])
        assert np.exp(log_p[0]) == pytest.approx(exact, abs=1e-14)
    six = bit_flipped("pauli-6", e01, e10)
    ideal = povm("pauli-6").elements
    for plus, minus in ((0, 3), (1, 4), (2, 5)):
        wanted = (1 - e01) * ideal[plus] + e10 * ideal[minus]
        np.testing.assert_allclose(six.elements[plus], wanted, atol=1e-15)
    four = bit_flipped("pauli-4", e01, e10)
    np.testing.assert_allclose(four.elements[:3], six.elements[:3], atol=1e-15)
    np.testing.assert_allclose(four.elements[3], six.elements[3:].sum(axis=0), atol=1e-15)
    assert four.name == "pauli-4, bit flips 0.02, 0.05"
    both = depolarised(four, 0.1)
    assert both.name == "pauli-4, bit flips 0.02, 0.05, depolarised 0.1"
    assert both.is_informationally_complete

    confusion = np.array([[0.9, 0.1, 0.0], [0.1, 0.7, 0.2], [0.0, 0.2, 0.8]])
    trine = misread("trine", confusion, "crosstalk")
    psi = STATE.to_dense()
    ideal = measured(np.outer(psi, psi.conj()), povm("trine")).reshape(3, 3, 3)
    wanted = np.einsum("ax,by,cz,xyz->abc", confusion, confusion, confusion, ideal)
    p = np.exp(Born(STATE, trine).log_prob(strings(3, 3)))
    np.testing.assert_allclose(p, wanted.ravel(), atol=1e-14)


@pytest.mark.statistical
def test_samples_of_a_noisy_povm():
    frame = depolarised("pauli-4", 0.2)
    psi = STATE.to_dense()
    rho = with_kraus_on_every_site(np.outer(psi, psi.conj()), depolarising(0.2))
    exact = measured(rho, povm("pauli-4"))

    def p_value(sampled, n, seed):
        x = Born(STATE, sampled).sample(n, seed)
        return chi_square_p(np.bincount(x @ [16, 4, 1], minlength=64), exact)

    assert accepts(lambda n, seed: p_value(frame, n, seed), 20_000)
    # saboteur: the strength in the other convention, lambda = 4p/3
    other = depolarised("pauli-4", 0.2 * 3 / 4)
    assert not accepts(lambda n, seed: p_value(other, n, seed), 20_000)


@pytest.mark.statistical
def test_duals_of_the_noisy_povm_undo_the_noise():
    """<ZZZZ> of a GHZ state is 1 before the noise and (1 - 4p/3)^4 behind it."""
    p, L = 0.1, 4
    ideal, noisy = povm("pauli-6"), depolarised("pauli-6", p)
    shrink = 1 - 4 * p / 3
    born = Born(ghz_state(L), noisy)

    def p_value(duals, exact, n, seed):
        w = duals.weights("Z")[born.sample(n, seed)].prod(axis=1)
        return normal_p((w.mean() - exact) / (w.std() / np.sqrt(n)))

    def check(duals, exact):
        return accepts(lambda n, seed: p_value(duals, exact, n, seed), 20_000)

    assert check(noisy, 1)
    assert check(ideal, shrink**L)
    assert not check(ideal, 1)  # saboteurs: the one taken for the other
    assert not check(noisy, shrink**L)
    # what undoing costs: the weights are larger by 1 / shrink for each Pauli matrix
    np.testing.assert_allclose(noisy.weights("Z") * shrink, ideal.weights("Z"), atol=1e-12)


def test_bad_noise():
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match="p must be a"):
            depolarised("pauli-4", bad)
    with pytest.raises(InputError, match="e10 must be a probability"):
        bit_flipped("pauli-4", 0.1, 2)
    with pytest.raises(InputError, match=r"outcomes must come in pairs.*got v0 of tetrahedral"):
        bit_flipped("tetrahedral", 0.1, 0.1)
    with pytest.raises(InputError, match=r"shape \(2, 2\), got \(3, 3\)"):
        misread("computational", np.eye(3))
    with pytest.raises(InputError, match=r"columns sum to 1.*its rows do: transpose it"):
        misread("computational", [[0.9, 0.1], [0.3, 0.7]])
    with pytest.raises(InputError, match="columns sum to 1"):
        misread("computational", [[1.1, 0], [-0.1, 1]])
    with pytest.raises(InputError, match="sum K"):
        through_channel("pauli-4", [np.eye(2), np.eye(2)], "wrong")
    with pytest.raises(InputError, match=r"shape \(n, 2, 2\)"):
        through_channel("pauli-4", np.eye(2), "wrong")
