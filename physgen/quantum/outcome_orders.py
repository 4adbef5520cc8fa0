r"""Orders of outcomes in files of other programs.

Outcome a of a file is outcome ``table[a]`` here, with ``table = outcome_table(povm, order)``, so
``table[shots]`` are the shots in physgen's order.

=============  ================  ======================================
POVM           order of          outcomes
=============  ================  ======================================
pauli-6        physgen, aqt      Z+, X+, Y+, Z-, X-, Y-
pauli-6        povm-genmodel     X+, X-, Y+, Y-, Z+, Z-
computational  physgen, bits     Z+, Z-: bit 0 is the +1 eigenstate of Z
computational  spins             Z-, Z+: 0 = down, 1 = up
=============  ================  ======================================

aqt: Cha et al., Mach. Learn.: Sci. Technol. 3, 01LT01 (2022); povm-genmodel: the program of
Carrasquilla et al., Nat. Mach. Intell. 1, 155 (2019), which otherwise has the same orders.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM

__all__ = ["ORDERS", "outcome_table"]

ORDERS = {
    ("pauli-6", "aqt"): ("Z+", "X+", "Y+", "Z-", "X-", "Y-"),
    ("pauli-6", "povm-genmodel"): ("X+", "X-", "Y+", "Y-", "Z+", "Z-"),
    ("computational", "bits"): ("Z+", "Z-"),
    ("computational", "spins"): ("Z-", "Z+"),
}


def outcome_table(povm: POVM | SitePOVM | str, order: str | Sequence[str]) -> np.ndarray:
    """Return the physgen outcome of each outcome of a file, uint8 of shape (K,).

    Parameters
    ----------
    povm : POVM or str
        The measurement.
    order : str or sequence of str
        ``"physgen"``, a name of :data:`ORDERS`, or the labels of the outcomes in the file's order.

    Raises
    ------
    InputError
        If the order is unknown, or does not name every outcome once.

    Examples
    --------
    >>> outcome_table("pauli-6", "povm-genmodel").tolist()
    [1, 4, 2, 5, 0, 3]
    """
    frame = named_povm(povm) if isinstance(povm, str) else povm
    if isinstance(order, str):
        known = {name: labels for (of, name), labels in ORDERS.items() if of == frame.name}
        known["physgen"] = frame.outcomes
        if order not in known:
            raise InputError(
                f"the outcome order of {frame.name} must be one of {', '.join(sorted(known))}, or "
                f"its labels in order, got {order!r}"
            )
        order = known[order]
    if sorted(order) != sorted(frame.outcomes):
        raise InputError(
            f"an outcome order of {frame.name} must name each of {', '.join(frame.outcomes)} "
            f"once, got {', '.join(map(str, order))}"
        )
    return np.array([frame.outcomes.index(label) for label in order], dtype=np.uint8)
