r"""Noise on every qubit, absorbed into the elements of the measurement.

A channel :math:`\rho \to \sum_k K_k \rho K_k^\dagger` on each qubit followed by a POVM is another
POVM (the Heisenberg picture).  So is a POVM with readout errors, which reports outcome a as b with
probability :math:`C_{ba}`:

.. math:: M_a \to \sum_k K_k^\dagger M_a K_k, \qquad M_b \to \sum_a C_{ba} M_a .

===========  ======================================================  ============================
depolarised  sqrt(1-p) 1, sqrt(p/3) X, sqrt(p/3) Y, sqrt(p/3) Z      Bloch vector times 1 - 4p/3
dephased     sqrt(1-p) 1, sqrt(p) Z                                  x and y times 1 - 2p
damped       \|0><0\| + sqrt(1-g) \|1><1\|, sqrt(g) \|0><1\|           z to g + (1-g) z
===========  ======================================================  ============================

p is the probability that an error happened, as in Carrasquilla et al., Nat. Mach. Intell. 1, 155
(2019).  Others define depolarising as replacement by the mixed state with probability
lambda = 4p/3; p = 3/4 gives the mixed state.

*Which duals.*  The duals of the noisy POVM undo the noise: they estimate the state before the
noise, with a larger variance (1/(1 - 4p/3)^2 for each Pauli matrix of a depolarised qubit).  The
duals of the ideal POVM, on the same outcomes, estimate the noisy state.

*Order.*  Functions nest from the detector to the state: ``depolarised(bit_flipped("pauli-4", e01,
e10), p)`` is noise, then a faulty readout.  Readout errors commute with all channels.

*Cost.*  Sampling goes through rank-one parts at any L and is about 10 % slower than without noise.
Noisy elements have rank 2, so ``Born.log_prob`` uses the matrix form, O(chi^3) a site instead of
O(chi^2) (the ideal pauli-4 always does): at L = 50 about 160 microseconds a string instead of 13
at chi = 13, and 850 instead of 20 at chi = 32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.quantum.povm import PAULI, POVM, merge_map
from physgen.quantum.povm import povm as named_povm

__all__ = [
    "amplitude_damping",
    "bit_flipped",
    "check_kraus",
    "damped",
    "dephased",
    "dephasing",
    "depolarised",
    "depolarising",
    "misread",
    "through_channel",
]


def depolarising(p: float) -> np.ndarray:
    """Return the Kraus operators of X, Y or Z with probability p/3 each, shape (4, 2, 2)."""
    p = _probability("p", p)
    weights = np.sqrt([1 - p, p / 3, p / 3, p / 3])
    return weights[:, None, None] * np.array([PAULI[name] for name in "IXYZ"])


def dephasing(p: float) -> np.ndarray:
    """Return the Kraus operators of Z with probability p, shape (2, 2, 2)."""
    p = _probability("p", p)
    return np.array([np.sqrt(1 - p) * PAULI["I"], np.sqrt(p) * PAULI["Z"]])


def amplitude_damping(gamma: float) -> np.ndarray:
    """Return the Kraus operators of decay from 1 to 0 with probability gamma, shape (2, 2, 2)."""
    gamma = _probability("gamma", gamma)
    stay = np.diag([1, np.sqrt(1 - gamma)]).astype(complex)
    decay = np.array([[0, np.sqrt(gamma)], [0, 0]], dtype=complex)
    return np.array([stay, decay])


def depolarised(povm: POVM | str, p: float) -> POVM:
    """Return the POVM preceded by depolarising noise of probability p.

    Parameters
    ----------
    povm : POVM or str
        Before the noise, or its name.
    p : float
        Probability of X, Y or Z, p/3 each, in [0, 1].

    Examples
    --------
    >>> depolarised("pauli-4", 0.02)
    POVM('pauli-4, depolarised 0.02', outcomes=('Z+', 'X+', 'Y+', 'rest'))
    """
    return through_channel(povm, depolarising(p), f"depolarised {p:g}")


def dephased(povm: POVM | str, p: float) -> POVM:
    """Return the POVM preceded by phase flips of probability p.

    Parameters
    ----------
    povm : POVM or str
        Before the noise, or its name.
    p : float
        Probability of a phase flip, in [0, 1].
    """
    return through_channel(povm, dephasing(p), f"dephased {p:g}")


def damped(povm: POVM | str, gamma: float) -> POVM:
    """Return the POVM preceded by amplitude damping of probability gamma.

    Parameters
    ----------
    povm : POVM or str
        Before the noise, or its name.
    gamma : float
        Probability of a decay from 1 to 0, in [0, 1].
    """
    return through_channel(povm, amplitude_damping(gamma), f"damped {gamma:g}")


def through_channel(povm: POVM | str, kraus: Any, label: str) -> POVM:
    """Return the POVM preceded by any channel of one qubit.

    Parameters
    ----------
    povm : POVM or str
        The measurement without the noise, or its name.
    kraus : array_like, shape (n, 2, 2)
        Kraus operators, sum K^+ K = 1.
    label : str
        Appended to the name.
    """
    frame = named_povm(povm) if isinstance(povm, str) else povm
    K = check_kraus(kraus)
    elements = np.einsum("kji,ajl,klm->aim", K.conj(), frame.elements, K)
    return POVM(f"{frame.name}, {label}", elements, frame.outcomes)


def misread(povm: POVM | str, confusion: Any, label: str = "misread") -> POVM:
    """Return the POVM with outcomes confused at readout.

    Parameters
    ----------
    povm : POVM or str
        The measurement without the error, or its name.
    confusion : array_like, shape (K, K)
        ``confusion[b, a]`` is the probability that outcome a is reported as b; each column sums
        to 1.
    label : str
        Appended to the name.

    Raises
    ------
    InputError
        If the confusion matrix is not square of size K, or its columns are no probabilities.
    """
    frame = named_povm(povm) if isinstance(povm, str) else povm
    C = np.asarray(confusion, dtype=float)
    if C.shape != (frame.K, frame.K):
        raise InputError(f"confusion must have shape ({frame.K}, {frame.K}), got {C.shape}")
    if not np.all(C >= 0) or np.abs(C.sum(axis=0) - 1).max() > 1e-10:
        by_rows = np.all(C >= 0) and np.abs(C.sum(axis=1) - 1).max() <= 1e-10
        remedy = "; its rows do: transpose it" if by_rows else ""
        raise InputError(
            f"confusion must hold probabilities whose columns sum to 1, got columns of "
            f"{np.round(C.sum(axis=0), 6).tolist()}{remedy}"
        )
    elements = np.einsum("ba,aij->bij", C, frame.elements)
    return POVM(f"{frame.name}, {label}", elements, frame.outcomes)


def bit_flipped(povm: POVM | str, e01: float, e10: float) -> POVM:
    """Return a POVM of Pauli measurements with readout errors of the bit.

    Parameters
    ----------
    povm : POVM or str
        pauli-4, or a POVM with outcomes in pairs like Z+, Z-: pauli-6, computational, pauli-rebit.
    e01 : float
        Probability to read 1 (the outcome -) if the bit is 0 (+), in any basis.
    e10 : float
        Probability to read 0 if the bit is 1.

    Raises
    ------
    InputError
        If the outcomes are not in pairs.  Only the ideal pauli-4 is known to be merged from
        pauli-6, so noisy forms of it are refused.
    """
    e01, e10 = _probability("e01", e01), _probability("e10", e10)
    label = f"bit flips {e01:g}, {e10:g}"
    frame = named_povm(povm) if isinstance(povm, str) else povm
    if frame.matches(named_povm("pauli-4")):  # flips of the merged outcome Z- show up in Z+
        fine = bit_flipped("pauli-6", e01, e10)
        elements = np.zeros_like(frame.elements)
        np.add.at(elements, merge_map("pauli-6", "pauli-4"), fine.elements)
        return POVM(f"{frame.name}, {label}", elements, frame.outcomes)
    confusion = np.zeros((frame.K, frame.K))
    for a, outcome in enumerate(frame.outcomes):
        partner = outcome[:-1] + {"+": "-", "-": "+"}.get(outcome[-1:], "")
        if partner == outcome[:-1] or partner not in frame.outcomes:
            raise InputError(
                f"outcomes must come in pairs like Z+, Z- to flip their bits, got {outcome} of "
                f"{frame.name}; flip bits of the ideal POVM before other noise, or give misread() "
                "the confusion of these outcomes"
            )
        wrong = e01 if outcome.endswith("+") else e10
        confusion[a, a] = 1 - wrong
        confusion[frame.outcomes.index(partner), a] = wrong
    return misread(frame, confusion, label)


def check_kraus(kraus: Any) -> np.ndarray:
    """Return Kraus operators of one qubit as complex (n, 2, 2), or raise."""
    K = np.asarray(kraus, dtype=complex)
    if K.ndim != 3 or K.shape[1:] != (2, 2) or not len(K):
        raise InputError(f"Kraus operators must have shape (n, 2, 2), got {K.shape}")
    off = np.abs(np.einsum("kji,kjl->il", K.conj(), K) - np.eye(2)).max()
    if not off <= 1e-10:
        raise InputError(f"Kraus operators must satisfy sum K^+ K = 1, got {off:.3g} off")
    return K


def _probability(name: str, value: float) -> float:
    if not 0 <= check_finite(name, value) <= 1:
        raise InputError(f"{name} must be a probability, in 0..1, got {value!r}")
    return float(value)
