r"""Any Hermitian operator from shots, by dual frames.

.. math:: \langle O \rangle \approx \frac1n \sum_s o_s, \qquad
          o_s = \sum_k c_k \prod_{i \in k} w_{P_{k,i}}(a_{si})

for :math:`O = \sum_k c_k P_k` (:mod:`physgen.quantum.pauli_sum`), with the standard error
std(o) / sqrt(n).  All strings of a shot are added before errors are taken, so their correlations
are in the error.

*Long strings.*  Few shots carry one: of pauli-6 those that have the right basis on every site, one
in :math:`3^w` for w sites, while all others give 0.  An error from none or a few of them would be
far too small.  With the moments of one site in the mixed state,

.. math:: n_\mathrm{carry} = n \prod_{i \in k} \frac{(\overline{w^2})^2}{\overline{w^4}}

(:math:`n / 3^w` for pauli-6, :math:`n / 4.2^w` for pauli-4), an operator with a string that less
than :data:`FEWEST` shots carry is left out, and named with the shots that it takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum.pauli_matrices import operator_range
from physgen.quantum.pauli_sum import PauliString, PauliSum
from physgen.quantum.povm import POVM
from physgen.quantum.site_povm import SitePOVM, of_outcomes

__all__ = ["FEWEST", "add_operators", "as_operators", "check_name", "operator_values", "unseen"]

FEWEST = 10  # shots that carry a string
_TAKEN = (
    *("energy", "x", "y", "z", "zz", "x_mean", "y_mean", "z_mean"),
    *("fidelity_squared", "purity", "renyi2", "fidelity", "nll"),
    *("site", "pair", "i", "r", "level", "bound", "refit", "block", "sites"),
)
_ENDINGS = ("_error", "_unphysical", "_interval", "_bias", "_error_of_fit", "_error_of_sampling")


def check_name(name: str) -> str:
    """Return the name of an operator, which is that of its variable, or raise InputError."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise InputError(
            "the name of an observable must be letters, digits and '_', with a letter first, "
            f"got {name!r}"
        )
    if name in _TAKEN:
        raise InputError(f"the name of an observable must be free, got {name!r}; take another")
    ending = next((end for end in _ENDINGS if name.endswith(end)), None)
    if ending:
        raise InputError(
            f"the name of an observable must not end in {ending!r}, which its own numbers have, "
            f"got {name!r}"
        )
    return name


def as_operators(
    operators: Mapping[str, PauliSum | str] | None, L: int, boundary: str = "open"
) -> dict[str, PauliSum]:
    """Return named operators of L sites; text is read by :meth:`PauliSum.parse`.

    Raises
    ------
    InputError
        With the name of the operator that is none.
    """
    found: dict[str, PauliSum] = {}
    for name, operator in (operators or {}).items():
        check_name(name)
        try:
            if isinstance(operator, str):
                operator = PauliSum.parse(operator, L, boundary)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        if not isinstance(operator, PauliSum) or operator.L != L:
            raise InputError(f"{name} must be an operator of {L} sites, or text, got {operator!r}")
        found[name] = operator
    return found


def unseen(
    operators: Mapping[str, PauliSum], povm: POVM | SitePOVM, n: int | None = None
) -> dict[str, str]:
    """Return why operators are not determined by n shots of a POVM (None: any number of them)."""
    found: dict[str, str] = {}
    carried = {letter: _carried(povm, letter) for letter in "XYZ" if povm.sees(letter)}
    for name, operator in operators.items():
        blind = [letter for letter in operator.letters if letter not in carried]
        if blind:
            found[name] = f"{name}: {povm.name} does not see {' or '.join(blind)}"
        elif n is not None and len(operator):
            share, string = min((_share(string, carried), string) for string in operator.terms)
            if n * share < FEWEST * (1 - 1e-9):
                found[name] = (
                    f"{name}: {shown(string)} takes {_count(FEWEST / share)} shots of "
                    f"{povm.name}, got {n:,}"
                )
    return found


def _carried(povm: POVM | SitePOVM, letter: str) -> np.ndarray:
    """Return the share of shots that carry a letter, shape () or (L,)."""
    w, p = povm.weights(letter), povm.pauli_coefficients[..., 0]  # Tr(M) / 2
    return (p * w**2).sum(axis=-1) ** 2 / (p * w**4).sum(axis=-1)


def _share(string: PauliString, carried: Mapping[str, np.ndarray]) -> float:
    of_site = (c if not (c := carried[letter]).ndim else c[site] for site, letter in string)
    return float(np.prod([float(share) for share in of_site]))


def _count(number: float) -> str:
    return f"{number:,.0f}" if number < 1e9 else f"{number:.0e}"


def shown(string: PauliString) -> str:
    """Return a string as text, X0 Z3 Y7, cut after eight factors."""
    factors = [f"{letter}{site}" for site, letter in string[:8]]
    return " ".join([*factors, "..."] if len(string) > 8 else factors) or "1"


def operator_values(
    outcomes: np.ndarray,
    povm: POVM | SitePOVM,
    operators: Mapping[str, PauliSum],
    weights: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the one-shot estimate of each operator, shape (n,).

    Parameters
    ----------
    outcomes : ndarray of int, shape (n, L)
    povm : POVM
        It sees every letter of the operators.
    operators : mapping of str to PauliSum
    weights : ndarray, shape (L, K, 4), optional
        Weights of duals other than the canonical ones, P in the order I, X, Y, Z.
    """
    w: dict[str, np.ndarray] = {}
    for letter in sorted(
        {letter for operator in operators.values() for letter in operator.letters}
    ):
        table = povm.weights(letter) if weights is None else weights[..., "IXYZ".index(letter)]
        w[letter] = np.ascontiguousarray(of_outcomes(table, outcomes).T)  # a site a row
    found: dict[str, np.ndarray] = {}
    for name, operator in operators.items():
        total = np.zeros(len(outcomes))
        for string, c in operator:
            total += c * product_of(w, string)
        found[name] = total
    return found


def product_of(rows: Mapping[str, np.ndarray], string: PauliString) -> np.ndarray | float:
    """Return the product of the rows (L, n) of each letter over the sites of a string."""
    product: np.ndarray | float = 1.0
    for site, letter in string:
        product = product * rows[letter][site]
    return product


def add_operators(
    ds: xr.Dataset,
    operators: Mapping[str, PauliSum],
    mean: Mapping[str, np.ndarray | float],
    error: Mapping[str, np.ndarray | float] | None = None,
    level: float | None = None,
) -> xr.Dataset:
    """Add the operators that have a mean, their errors, and with a level also their flags.

    Parameters
    ----------
    ds : Dataset
        The observables.
    operators : mapping of str to PauliSum
    mean, error : mapping of str to float
        Operators without a mean are left out; exact values have no error.
    level : float, optional
        Probability of a false alarm of ``*_unphysical``.
    """
    variables: dict[str, object] = {}
    for name, operator in operators.items():
        if name not in mean:
            continue
        if name in ds.variables:
            raise InputError(f"the name of an observable must be free, got {name!r}; take another")
        value, text = float(mean[name]), str(operator)
        about = {"operator": text if len(text) <= 1000 else f"{text[:1000]} ..."}
        variables[name] = ((), value, {"long_name": f"<{name}>", "units": "1"} | about)
        if error is None:
            continue
        sigma = float(error[name])
        told = {"long_name": f"standard error of {name}", "units": "1"}
        variables[f"{name}_error"] = ((), sigma, told)
        if level is None:
            continue
        lowest, highest, exact = operator_range(operator)
        z = NormalDist().inv_cdf(1 - level)
        outside = max(value - highest, lowest - value) > z * sigma + 1e-9 * (highest - lowest)
        of = "its extreme eigenvalues" if exact else "bounds of its eigenvalues"
        rule = (
            f"1 where {name} is outside [{lowest:.6g}, {highest:.6g}], {of}, by more than "
            f"{z:.2f} standard errors"
        )
        variables[f"{name}_unphysical"] = ((), np.int8(outside), {"long_name": rule})
    return ds.assign(variables)  # pyright: ignore[reportArgumentType]
