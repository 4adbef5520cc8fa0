"""Small states, exact outcome probabilities, and operators by plain Kronecker products."""

from functools import reduce

import numpy as np

from physgen.quantum.tomography import Counts


def random_state(L, rank, seed=1):
    """A random complex density matrix (2^L, 2^L) of that rank."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(2**L, rank)) + 1j * rng.normal(size=(2**L, rank))
    rho = A @ A.conj().T
    return rho / np.trace(rho).real


def noisy_bell(noise):
    """(|00> + i |11>)/sqrt 2, mixed with the mixed state; the vector and the matrix."""
    psi = np.array([1, 0, 0, 1j]) / np.sqrt(2)
    return psi, (1 - noise) * np.outer(psi, psi.conj()) + noise * np.eye(4) / 4


def product_of(matrices, string):
    return reduce(np.kron, [matrices[a] for a in string])


def all_strings(K, L):
    return np.indices((K,) * L, dtype=np.uint8).reshape(L, -1).T.copy()


def probabilities(rho, povm, strings):
    return np.array([np.trace(rho @ product_of(povm.elements, a)).real for a in strings])


def exact_counts(rho, povm, n=1.0, by_setting=False):
    """Counts as they are on average: n P(a)."""
    strings = all_strings(povm.K, len(rho).bit_length() - 1)
    return Counts(povm, strings, n * probabilities(rho, povm, strings), by_setting)
