r"""Symmetries of a state, as permutations of measurement outcomes.

If a transformation T of operators leaves the state invariant and maps each POVM element to
another one, :math:`T(M_a) = M_{\sigma(a)}`, then

.. math:: P(\sigma(a_1) \dots \sigma(a_L)) = P(a_1 \dots a_L) .

=======  ==================  ======================================================================
y-flip   T(M) = M^T          real states (in the basis of Z): ground states of real Hamiltonians
z2       T(M) = X M X        states with definite parity prod_i X_i, or mixtures of them
=======  ==================  ======================================================================

pauli-6 has both, the tetrahedral POVM only y-flip, and pauli-4 neither: its elements are not
mapped to each other.
"""

from __future__ import annotations

import numpy as np

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.quantum.povm import PAULI, POVM, povm
from physgen.quantum.site_povm import SitePOVM, one_povm

__all__ = ["OUTCOME_SYMMETRIES", "outcome_symmetry"]

OUTCOME_SYMMETRIES = ("y-flip", "z2")
_TOLERANCE = 1e-9


def outcome_symmetry(measurement: POVM | SitePOVM | str, name: str) -> np.ndarray:
    """Return the outcome sigma(a) that a symmetry of the state assigns to each outcome.

    Parameters
    ----------
    measurement : POVM or str
        A POVM or its name.
    name : {"y-flip", "z2"}
        See the head of this module.

    Returns
    -------
    array (K,) of int64
        A permutation, e.g. for ``physgen.models.Symmetry(name, outcomes=...)``.

    Raises
    ------
    InputError
        If the transformation does not map the elements to each other.

    Examples
    --------
    >>> outcome_symmetry("pauli-6", "y-flip")  # exchanges Y+ and Y-
    array([0, 1, 5, 3, 4, 2])
    """
    frame = povm(measurement) if isinstance(measurement, str) else measurement
    frame = one_povm(frame, "a symmetry of outcomes")
    check_choice("name", name, OUTCOME_SYMMETRIES)
    M, X = frame.elements, PAULI["X"]
    turned = M.transpose(0, 2, 1) if name == "y-flip" else X @ M @ X
    equal = np.abs(turned[:, None] - M[None]).max(axis=(2, 3)) < _TOLERANCE
    sigma = np.full(frame.K, -1)
    for a in range(frame.K):
        free = [b for b in np.flatnonzero(equal[a]) if b not in sigma]  # elements may repeat
        if not free:
            raise InputError(
                f"{name} must turn the elements of a POVM into each other, got {frame.name}, "
                f"where no outcome is what {frame.outcomes[a]} becomes; "
                "measure in another POVM, or do without"
            )
        sigma[a] = free[0]
    return sigma
