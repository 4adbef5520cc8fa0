r"""Linear functions of a state from shots, with all that a one-sided bound takes.

*Sums of Pauli strings.*  Shots without labels are independent, each with the value
:math:`\sum_P c_P \prod_i w_{P_i}(a_i)` of the dual frame.  In labelled settings a string is the
mean over the shots that see it (:mod:`physgen.quantum.pooled`), with the share of a shot in the
error

.. math:: r_s = \sum_{P \text{ seen by } s} \frac{c_P}{\sqrt{m_P (m_P - 1)}} (o_{P,s} - \bar o_P) .

Shots that all say the same do not make a string certain.  So each string also has the share of one
more shot that says the worst, against the sign of :math:`c_P`: it enters the error, not the mean.

*Products of site operators* need every string: independent shots of a POVM that is complete for
them, or all settings, each with two shots and the weight that makes it one of that POVM.  A
setting whose shots all give the same value has the share of one more shot, with the site flipped
that lowers the value most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.one_sided import SkewedMean
from physgen.core.errors import InputError
from physgen.quantum.bases import pair_values
from physgen.quantum.operators import operator_values, shown
from physgen.quantum.settings import label_settings
from physgen.quantum.site_povm import of_outcomes

if TYPE_CHECKING:
    from physgen.quantum import MeasurementData
    from physgen.quantum.pauli_sum import PauliString, PauliSum

__all__ = ["mean_of_shots", "mean_of_sum", "unseen_strings"]

BLOCK = 1 << 14  # shots handled at a time


def mean_of_sum(data: MeasurementData, operator: PauliSum) -> SkewedMean:
    """Return the expectation value of a sum of Pauli strings.

    Raises
    ------
    InputError
        If the shots do not determine it, or are so equal that they leave no error.
    """
    if data.L != operator.L:
        raise InputError(f"the operator must act on the {data.L} sites of data, not {operator.L}")
    _check_shots(data)
    missing = unseen_strings(data, operator)
    if missing:
        raise InputError(f"the operator must be seen by the shots: {missing}")
    if data.settings is not None:
        return _pooled(data, operator)
    terms = {"": operator}
    return mean_of_shots(data, lambda x: operator_values(x, data.povm, terms)[""])


def mean_of_shots(data: MeasurementData, value: Callable[[np.ndarray], np.ndarray]) -> SkewedMean:
    """Return the mean of one value a shot over all settings of the POVM.

    Parameters
    ----------
    data : MeasurementData
    value : callable
        Values (m,) of outcomes (m, L).

    Raises
    ------
    InputError
        If a setting is missing or has one shot, or the shots leave no error.
    """
    _check_shots(data)
    n, table = data.n, data.setting_table
    values = np.concatenate([value(x) for _, x in _blocks(data)])
    if table is None:
        mean = float(values.mean())
        found = SkewedMean.from_residuals(mean, (values - mean) / np.sqrt(n * (n - 1.0)))
    else:
        share, group = table.weights() / n, label_settings(table.bases)[table.index]
        shots = np.bincount(group)
        if shots.min() < 2:
            raise InputError("every setting must have at least 2 shots for an error, got 1")
        of_group = np.bincount(group, values) / shots
        scale = share * np.sqrt(shots / (shots - 1.0))[group]
        residuals = scale * (values - of_group[group])
        first = np.unique(group, return_index=True)[1]
        spread = np.bincount(group, (values - of_group[group]) ** 2)
        equal = first[spread <= 1e-20 * np.maximum(of_group**2, 1.0) * shots]
        flipped = _worst_flip(data, equal, value) - values[equal]
        residuals = np.append(residuals, scale[equal] * np.minimum(flipped, 0.0))
        found = SkewedMean.from_residuals(float(share @ values), residuals)
    if found.error <= 1e-12 * max(1.0, abs(found.value)):
        raise InputError("shots must differ for an error, got the same value from all of them")
    return found


def _check_shots(data: MeasurementData) -> None:
    if data.n < 2:
        raise InputError(f"data must have at least 2 shots for an error, got {data.n}")


def _worst_flip(
    data: MeasurementData, rows: np.ndarray, value: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the lowest value that some shots have with one site flipped in its basis."""
    bases = data.setting_table.frame  # type: ignore[union-attr]
    other = np.empty(len(bases.of), np.uint8)
    other[list(bases.plus)], other[list(bases.minus)] = bases.minus, bases.plus
    lowest = np.full(len(rows), np.inf)
    x = np.asarray(data.outcomes[rows]) if len(rows) else np.empty((0, data.L), np.uint8)
    for site in range(data.L):
        y = x.copy()
        y[:, site] = other[x[:, site]]
        lowest = np.minimum(lowest, value(y))
    return lowest


def unseen_strings(data: MeasurementData, operator: PauliSum) -> str:
    """Return what the shots do not determine of a sum of Pauli strings, in one line, or ""."""
    table = data.setting_table
    if table is None:
        blind = [p for p in operator.letters if not data.povm.sees(p)]
        if blind:
            return f"{data.povm.name} does not see {' or '.join(blind)}"
        unseen = _never_seen(data, [string for string, _ in operator if string])
        return f"no shot sees {shown(unseen[0])}" if unseen else ""
    for string, _ in operator:
        shots = int(table.counts[table.seeing(dict(string))].sum())
        if shots < 2:
            return f"the settings see {shown(string)} in {shots} shots, and 2 are the least"
    return ""


def _never_seen(data: MeasurementData, strings: list[PauliString]) -> list[PauliString]:
    """Return the strings that no shot sees, whose value would be 0 without an error."""
    frame = data.povm.bases
    if frame is None:
        return []
    table = {p: pair_values(data.povm.pauli_coefficients, frame, p) for p in "XYZ"}
    if any(np.isnan(values).all() for values in table.values()):
        return []  # bases that are not along the axes
    for _, x in _blocks(data):
        values = _values(x, table, [(string, 1.0) for string in strings])
        strings = [string for string, v in zip(strings, values) if np.isnan(v).all()]
        if not strings:
            break
    return strings


def _pooled(data: MeasurementData, operator: PauliSum) -> SkewedMean:
    frame, strings = data.setting_table.frame, [(s, c) for s, c in operator if s]  # type: ignore[union-attr]
    table = {p: pair_values(data.povm.pauli_coefficients, frame, p) for p in operator.letters}
    largest = {p: np.nanmax(np.abs(v)) for p, v in table.items()}
    total, shots = np.zeros(len(strings)), np.zeros(len(strings))
    for _, x in _blocks(data):
        for k, values in enumerate(_values(x, table, strings)):
            seen = ~np.isnan(values)
            total[k] += values[seen].sum()
            shots[k] += seen.sum()
    mean = total / shots
    scale = np.array([c for _, c in strings]) / np.sqrt(shots * (shots - 1))
    residuals = np.zeros(data.n + len(strings))
    for rows, x in _blocks(data):
        for k, values in enumerate(_values(x, table, strings)):
            residuals[rows] += np.nan_to_num((values - mean[k]) * scale[k])
    worst = np.array([-np.sign(c) * np.prod([largest[p] for _, p in s]) for s, c in strings])
    residuals[data.n :] = (worst - mean) * scale
    value = operator.constant + float(mean @ [c for _, c in strings])
    return SkewedMean.from_residuals(value, residuals)


def _values(
    x: np.ndarray, table: dict[str, np.ndarray], strings: list[tuple[PauliString, float]]
) -> Iterator[np.ndarray]:
    """Yield the values of each string in a block of shots; NaN where a shot does not see it."""
    of_site = {p: of_outcomes(values, x) for p, values in table.items()}
    for string, _ in strings:
        yield np.prod([of_site[p][:, i] for i, p in string], axis=0)


def _blocks(data: MeasurementData) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, data.n, BLOCK):
        rows = slice(start, min(start + BLOCK, data.n))
        yield rows, np.asarray(data.outcomes[rows])
