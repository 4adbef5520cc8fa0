r"""The meaning of the integers in a file.

==========  =======================================================================================
integers    one outcome 0..K-1 a site, in the stated order of outcomes
onehot      K numbers a site, a single 1 among zeros: its position is the outcome
bits        one bit a site, measured in stated bases; bit 0 is the +1 eigenstate (up, Z+ = |0>)
            unless stated otherwise; spins +1 and -1 are the eigenvalues themselves
bits+bases  the bases of a shot as letters X, Y, Z, then its bits
==========  =======================================================================================

A basis and a bit together are one outcome of pauli-6 (Z+, X+, Y+, Z-, X-, Y-): basis + 3 bit with
Z = 0, X = 1, Y = 2.  No information is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing.marks import BadRow
from physgen.quantum.outcome_orders import ORDERS
from physgen.quantum.povm import POVM, names
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM

__all__ = [
    "CODINGS",
    "bits_of",
    "checked_bits",
    "choose_coding",
    "is_onehot",
    "onehot_outcomes",
    "order_of",
    "povm_of_order",
    "with_bases",
]

CODINGS = ("integers", "onehot", "bits", "bits+bases")


def choose_coding(
    sample: np.ndarray,
    frame: POVM | SitePOVM | None,
    *,
    letters: bool,
    has_bases: bool,
    bits: bool = False,
) -> str:
    """Determine the meaning of the values in the first shots; refuse ambiguous ones.

    Parameters
    ----------
    sample : ndarray of int, shape (m, width) or (m, L, K)
    frame : POVM or None
        The measurement, if stated.
    letters, has_bases : bool
        Whether the lines hold letters; whether bases are stated.
    bits : bool
        Whether the file says that the values are bits, as a histogram of bit strings does.
    """
    if letters:
        return "bits+bases"
    values = set(np.unique(sample).tolist())
    if has_bases or values == {-1, 1}:
        return "bits"
    if bits and values <= {-1, 0, 1} and (frame is None or frame.K == 2):
        return "bits"
    if frame is None:
        if values <= {0, 1}:
            raise InputError(
                "the format must be stated for a file of zeros and ones, got none: --format bits "
                "for bits of a fixed basis (Z unless --bases are given), or with --povm also "
                "--format onehot or integers; --format counts if a number says how often"
            )
        raise InputError(
            "povm must be given to say what outcomes mean, got none for a file of integers "
            f"{min(values)}..{max(values)}; e.g. pauli-6, and outcome_order if it is not "
            f"{', '.join(named_povm('pauli-6').outcomes)}; or format 'counts', if the last number "
            "of a line says how often"
        )
    onehot = is_onehot(sample, frame.K)
    if frame.K == 2:
        if onehot and len(sample) > 1:
            raise InputError(
                "the format must be stated where pairs of bits are always 01 or 10, got none: "
                "'bits', or 'onehot' with two numbers a site"
            )
        return "bits" if frame.matches(named_povm("computational")) else "integers"
    if values <= {0, 1} and not onehot:
        raise InputError(
            f"the format must be stated where {frame.name} outcomes seem to be 0 and 1 alone, got "
            "none: 'bits' with bases, 'integers' if so it is"
        )
    return "onehot" if onehot else "integers"


def is_onehot(values: np.ndarray, K: int) -> bool:
    """Whether every K numbers are a single 1 among zeros."""
    if values.ndim == 2 and values.shape[1] % K == 0:
        values = values.reshape(len(values), -1, K)
    if values.ndim != 3 or values.shape[2] != K:
        return False
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=2) == 1).all())


def onehot_outcomes(values: np.ndarray, K: int) -> np.ndarray:
    """Return the position of the 1 among every K numbers, shape (m, L).

    Raises
    ------
    BadRow
        At the first row that is not one-hot.
    """
    flat = values.reshape(len(values), -1)
    if flat.shape[1] % K:
        raise BadRow(0, f"every line must hold {K} numbers a site, and not {flat.shape[1]}")
    groups = flat.reshape(len(flat), -1, K)
    good = ((groups == 0) | (groups == 1)).all(axis=(1, 2)) & (groups.sum(axis=2) == 1).all(axis=1)
    if not good.all():
        rule = f"every {K} numbers must be a single 1 among zeros"
        raise BadRow(int(np.argmin(good)), rule)
    return groups.argmax(axis=2).astype(np.uint8)


def checked_bits(values: np.ndarray) -> np.ndarray:
    """Return some lines of bits 0 and 1, or of spins -1 and 1, as int8.

    Raises
    ------
    BadRow
        At the first row that is neither.
    """
    good = (np.abs(values.astype(np.int16)) <= 1).reshape(len(values), -1).all(axis=1)
    if not good.all() or values.ndim != 2:
        raise BadRow(int(np.argmin(good)), "bits must be 0 and 1, or spins -1 and 1, one a site")
    return values.astype(np.int8)


def bits_of(values: np.ndarray, bit_one: str | None) -> tuple[np.ndarray, bool]:
    """Return bits with 0 as the +1 eigenstate, and whether they were spins -1 and 1.

    All lines are considered together, because single lines may contain only 1.
    """
    spins = bool((values < 0).any())
    if not spins:
        return (1 - values if bit_one == "up" else values).astype(np.uint8), False
    if bit_one is not None:
        raise InputError(f"bit_one must not be given for spins -1 and 1, got {bit_one!r}")
    zero = (values == 0).any(axis=1)
    if zero.any():
        raise InputError(
            f"bits must be 0 and 1, or spins -1 and 1, got both: a 0 in shot {np.argmax(zero)}, "
            f"a -1 in shot {np.argmax((values < 0).any(axis=1))}; if -1 marks a lost qubit, "
            "choose lost (--lost) 'drop' or 'marginalise'"
        )
    return (values < 0).astype(np.uint8), True


def with_bases(values: np.ndarray, bit_one: str | None) -> np.ndarray:
    """Return pauli-6 outcomes from rows of L letters (10 = Z, 11 = X, 12 = Y) and L bits.

    The first row says which come first.
    """
    L = values.shape[1] // 2
    if len(values) and (values[0, L:] >= 10).all() and (values[0, :L] <= 1).all():
        values = np.hstack([values[:, L:], values[:, :L]])
    good = (values[:, :L] >= 10).all(axis=1) & (values[:, L:] <= 1).all(axis=1)
    if values.shape[1] % 2 or not good.all():
        rule = "every line must hold letters X, Y, Z of the bases, then as many bits"
        raise BadRow(0 if values.shape[1] % 2 else int(np.argmin(good)), rule)
    return values[:, :L] - 10 + 3 * bits_of(values[:, L:], bit_one)[0]


def order_of(order: str | Sequence[str] | None) -> str | tuple[str, ...]:
    """Return an order of outcomes as a name or as labels, such as "Z+,X+,..."."""
    if order is None:
        return "physgen"
    if isinstance(order, str):
        if "," not in order:
            return order.strip()
        return tuple(label.strip() for label in order.split(","))
    return tuple(order)


def povm_of_order(order: str | tuple[str, ...]) -> POVM | None:
    """Return the only POVM with this order of outcomes, or None."""
    if isinstance(order, str):
        found = [of for of, name in ORDERS if name == order]
    else:
        labels = sorted(order)
        found = [name for name in names() if sorted(named_povm(name).outcomes) == labels]
    return named_povm(found[0]) if len(found) == 1 else None
