r"""Any Hermitian operator from shots in labelled settings.

Each Pauli string from the shots whose setting sees it, and the error of their sum

.. math:: O = \sum_P c_P P, \qquad \langle O \rangle \approx \sum_P c_P \, \bar o_P

from the residuals of shots, as :mod:`physgen.quantum.pooled` has them for the observables of a
chain.  An operator with a string that less than :data:`~physgen.quantum.operators.FEWEST` shots
see, or of cluster errors less than :data:`~physgen.quantum.pooled.MIN_CLUSTERS` settings, is
named, and so are its strings: an error from fewer of them would be no error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physgen.quantum.operators import FEWEST, product_of, shown
from physgen.quantum.pauli_sum import PauliString, PauliSum
from physgen.quantum.pooled import MIN_CLUSTERS, basis_values
from physgen.quantum.povm import POVM
from physgen.quantum.settings import Settings
from physgen.quantum.site_povm import SitePOVM, of_outcomes

__all__ = ["pooled_operators"]

SHOWN = 4  # strings that a message names


def pooled_operators(
    outcomes: np.ndarray,
    settings: Settings,
    operators: Mapping[str, PauliSum],
    povm: POVM | SitePOVM,
    batch_size: int = 16384,
    error: str = "strata",
) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Return values and errors by operator, and why the others are missing.

    Parameters
    ----------
    outcomes : ndarray or ShotFile, shape (n, L)
    settings : Settings
        The settings of these shots.
    operators : mapping of str to PauliSum
    povm : POVM
        The measurement, made of bases.
    batch_size : int
        Shots handled at a time.
    error : {"strata", "cluster"}
    """
    strings = list(dict.fromkeys(s for operator in operators.values() for s in operator.terms))
    letters = sorted({letter for string in strings for _, letter in string})
    tables = {letter: basis_values(povm, settings.frame, letter) for letter in letters}
    total, shots = np.zeros(len(strings)), np.zeros(len(strings))
    for start in range(0, len(outcomes), batch_size):
        values, seen = _rows(outcomes[start : start + batch_size], tables)
        for k, string in enumerate(strings):
            mask = np.broadcast_to(
                product_of(seen, string), len(settings.index[start:][:batch_size])
            )
            shots[k] += mask.sum()
            total[k] += (product_of(values, string) * mask).sum()
    of_setting = {p: of_outcomes(table[1], settings.bases).T for p, table in tables.items()}
    clusters = np.array(
        [np.sum(product_of(of_setting, s)) if s else len(settings) for s in strings]
    )
    enough = shots >= FEWEST if error == "strata" else clusters >= MIN_CLUSTERS
    enough = enough | np.array([not string for string in strings], bool)
    missing = _missing(operators, dict(zip(strings, enough)), error)
    kept = {name: operator for name, operator in operators.items() if name not in missing}
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / shots
        scale = (
            1 / np.sqrt(shots * (shots - 1))
            if error == "strata"
            else np.sqrt(clusters / (clusters - 1)) / shots
        )
    at = {string: k for k, string in enumerate(strings)}
    square = dict.fromkeys(kept, 0.0)
    sums = {name: np.zeros(len(settings)) for name in kept}
    for start in range(0, len(outcomes), batch_size):
        here = settings.index[start : start + batch_size]
        values, seen = _rows(outcomes[start : start + batch_size], tables)
        for name, operator in kept.items():
            residual = np.zeros(len(here))
            for string, c in operator:
                if string:
                    k = at[string]
                    off = (product_of(values, string) - mean[k]) * product_of(seen, string)
                    residual += c * scale[k] * off
            if error == "strata":
                square[name] += float(residual @ residual)
            else:
                sums[name] += np.bincount(here, residual, minlength=len(settings))
    if error == "cluster":
        square = {name: float(s @ s) for name, s in sums.items()}
    means = {
        name: sum(c * (mean[at[string]] if string else 1.0) for string, c in operator)
        for name, operator in kept.items()
    }
    return means, {name: float(np.sqrt(s)) for name, s in square.items()}, missing


def _rows(
    batch: np.ndarray, tables: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return values and whether they are seen, shape (L, m), for each letter."""
    values = {p: np.ascontiguousarray(of_outcomes(t[0], batch).T) for p, t in tables.items()}
    seen = {p: np.ascontiguousarray(of_outcomes(t[2], batch).T) for p, t in tables.items()}
    return values, seen


def _missing(
    operators: Mapping[str, PauliSum], enough: Mapping[PauliString, bool], error: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    rule = f"{FEWEST} shots" if error == "strata" else f"{MIN_CLUSTERS} settings"
    for name, operator in operators.items():
        lost = [string for string in operator.terms if not enough[string]]
        if lost:
            listed = ", ".join(shown(string) for string in lost[:SHOWN])
            more = f", ... ({len(lost)} strings)" if len(lost) > SHOWN else ""
            found[name] = f"{name} needs settings that see {listed}{more} (at least {rule} each)"
    return found
