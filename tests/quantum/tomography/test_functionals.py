"""The fidelity of states whose zero eigenvalues are rounded, against exact values."""

import numpy as np
import pytest
from helpers.states import random_state

from physgen.quantum import DensityMatrix
from physgen.quantum.tomography.functionals import as_target, fidelity


def rotation(d, seed):
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.normal(size=(d, d)) + 1j * rng.normal(size=(d, d)))[0]


def both_ways(rho, sigma, exact, atol=1e-12):
    """F by every door, in both orders."""
    L = len(rho).bit_length() - 1
    for a, b in ((rho, sigma), (sigma, rho)):
        assert fidelity(a, b) == pytest.approx(exact, abs=atol)
        assert as_target(b, L).fidelity(a) == pytest.approx(exact, abs=atol)
        found = DensityMatrix(a).fidelity_squared(DensityMatrix(b))
        assert found == pytest.approx(exact, abs=atol)


@pytest.mark.parametrize("L", [1, 2, 4, 6])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_states_of_any_rank_agree_with_themselves(L, rank):
    for seed in range(5):
        rho = random_state(L, min(rank, 2**L), seed)
        both_ways(rho, rho, 1.0)


@pytest.mark.parametrize("L", [2, 3, 5])
def test_commuting_states_of_different_rank(L):
    """F is the classical one, (sum sqrt(p q))^2, in any basis."""
    rng, d = np.random.default_rng(L), 2**L
    for seed in range(5):
        p, q = rng.dirichlet(np.ones(d)), rng.dirichlet(np.ones(d))
        p[: d // 2], q[d // 2 + 1 :] = 0, 0
        p, q = p / p.sum(), q / q.sum()
        U = rotation(d, seed)
        both_ways((U * p) @ U.conj().T, (U * q) @ U.conj().T, np.sqrt(p * q).sum() ** 2)


@pytest.mark.parametrize("c", [1.0, 0.3, 0.0])
def test_states_that_do_not_commute_on_part_of_the_space(c):
    """F(r x |0><0|, s x diag(c, 1 - c)) = c F(r, s), F(r, s) = Tr(rs) + 2 sqrt(det r det s)."""
    r, s = random_state(1, 2), random_state(1, 2, seed=5)
    root = np.sqrt(np.linalg.det(r).real * np.linalg.det(s).real)
    exact = c * (np.trace(r @ s).real + 2 * root)
    for seed in range(10):
        U = rotation(4, seed)
        rho, sigma = (
            U @ np.kron(one, np.diag(other)) @ U.conj().T
            for one, other in ((r, [1, 0]), (s, [c, 1 - c]))
        )
        both_ways(rho, sigma, exact)


def test_a_pure_state_and_a_mixed_one():
    for seed in range(5):
        psi = rotation(8, seed)[0]
        rho = random_state(3, 3, seed)
        both_ways(rho, np.outer(psi, psi.conj()), (psi.conj() @ rho @ psi).real)
        assert as_target(psi, 3).fidelity(rho) == pytest.approx(
            as_target(rho, 3).fidelity(np.outer(psi, psi.conj())), abs=1e-12
        )


def test_a_small_eigenvalue_above_rounding_is_kept():
    """Of diag(1 - p, p) and diag(q, 1 - q), small p: the root of p counts."""
    p, q = 1e-10, 0.4
    U = rotation(2, 1)
    rho, sigma = ((U * w) @ U.conj().T for w in ([1 - p, p], [q, 1 - q]))
    exact = (np.sqrt((1 - p) * q) + np.sqrt(p * (1 - q))) ** 2
    found = DensityMatrix(rho).fidelity_squared(DensityMatrix(sigma))
    assert found == pytest.approx(exact, abs=1e-9)  # eps / sqrt(p) is left of rounding
    assert abs(found - (1 - p) * q) > 1e-6
    back = DensityMatrix(sigma).fidelity_squared(DensityMatrix(rho))
    assert back == pytest.approx(found, abs=1e-12)
