r"""The fidelity with a GHZ state, and what it certifies.

On N qubits, with :math:`|G_\phi\rangle = (|0 \dots 0\rangle + e^{i\phi} |1 \dots 1\rangle) /
\sqrt 2`,

.. math:: F = \langle G_\phi|\rho|G_\phi\rangle = \tfrac12 (P_0 + P_1 + C), \qquad
          C = 2 \, \mathrm{Re} \, e^{i\phi} \langle 0 \dots 0|\rho|1 \dots 1\rangle ,

:math:`P_0, P_1` being the populations of the two strings.  Dephasing leaves the populations and
removes the coherence C: F = 1/2.

*From independent shots*, or all settings, both are products of site operators,
:math:`|1 \dots 1\rangle\langle 0 \dots 0| = \prod_i (X_i - i Y_i)/2`, which the dual frame
estimates without bias.  The variance of one shot is exponential in N: :math:`2 (3/2)^N` for C in
pauli-6 (23 at N = 6, 115 at N = 10), and more in pauli-4.  In measurements made of bases only
shots with X or Y on all sites tell C, a share :math:`(2/3)^N`; with fewer than 10 of them there is
no estimate.

*From two settings*, Z on all sites and a string S of X and Y on all sites with
:math:`S |G_\phi\rangle = s |G_\phi\rangle` (all X: phase 0; k times Y: :math:`s = \cos(k \pi/2 -
\phi) = \pm 1`), without any exponential,

.. math:: F \;\ge\; W = P_0 + P_1 - \tfrac12 (1 - s \langle S \rangle), \qquad
          P_0 + P_1 \ge 1 - \tfrac12 \sum_i (1 - \langle Z_i Z_{i+1} \rangle) .

*Proof.*  :math:`|G\rangle\langle G| = A B` with commuting projectors: A on the two strings, and
:math:`B = (1 + sS)/2`; :math:`(1 - A)(1 - B) \ge 0`.  A string outside A breaks a bond at least.
The mean over several S bounds F as well.

*Entanglement.*  A state that is a mixture of states, each a product of some two parts, has
:math:`F \le 1/2`, because the largest squared Schmidt coefficient of a GHZ state is 1/2 across
every cut.  So F > 1/2 certifies genuine N-partite entanglement (Guehne et al. 2007, Toth and
Guehne 2005).  A value below 1/2 certifies nothing: the phase may be another one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from physgen.analysis.one_sided import LEVELS, SkewedMean, sum_of
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.quantum import MPS, MeasurementData
from physgen.quantum.bases import pair_values
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.site_povm import of_outcomes
from physgen.validation.shot_means import mean_of_shots, mean_of_sum, unseen_strings
from physgen.validation.witness import bounds_of, parity_string

__all__ = ["MAX_SITES", "GHZNumbers", "few_coherent_shots", "ghz_fidelity", "ghz_numbers"]

MAX_SITES = 12  # of the dual-frame estimate: the error of a shot is (3/2)^(N/2) at least
FEW = 10  # shots that tell the coherence, at least
BLOCK = 1 << 16
_STABILISER = 1e-12

CERTIFIES = (
    "F = (P0 + P1 + C)/2 is the quantum fidelity with the GHZ state, from the shots without a "
    "model; above 1/2 it certifies genuine entanglement of all qubits, below 1/2 nothing; its "
    "error grows exponentially with their number"
)


class GHZNumbers(NamedTuple):
    """Numbers of a state: P_0 + P_1, C, the same a quarter turn off, F, and <prod X>."""

    populations: float
    coherence: float
    coherence_quadrature: float
    fidelity_squared: float
    parity: float


def ghz_numbers(state: MPS, phase: float = 0.0, *, sites_per_qubit: int = 1) -> GHZNumbers:
    """Return the numbers of a matrix product state, exactly, by contraction.

    Parameters
    ----------
    state : MPS
        A state, or a purification with its ancillas after each qubit.
    phase : float
        Phase of the GHZ state, in radians.
    sites_per_qubit : int
        Sites of the purification for each qubit.
    """
    canonical = state.right_canonical().tensors
    zero = _element(canonical, sites_per_qubit, 0, 0).real
    one = _element(canonical, sites_per_qubit, 1, 1).real
    turned = 2 * np.exp(1j * phase) * _element(canonical, sites_per_qubit, 0, 1)
    parity = state.expectation({i: "X" for i in range(0, state.L, sites_per_qubit)})
    populations = float(zero + one)
    fidelity = (populations + float(turned.real)) / 2
    return GHZNumbers(populations, float(turned.real), float(turned.imag), fidelity, parity)


def _element(tensors: list[np.ndarray], step: int, ket: int, bra: int) -> complex:
    """Return <ket...ket|rho|bra...bra>, the ancillas summed over."""
    env = np.ones((1, 1), complex)
    for i, A in enumerate(tensors):
        pairs = [(ket, bra)] if i % step == 0 else [(0, 0), (1, 1)]
        env = np.sum([A[:, s].T @ env @ A[:, t].conj() for s, t in pairs], axis=0)
    return complex(env[0, 0])


def ghz_fidelity(data: MeasurementData, phase: float = 0.0) -> xr.Dataset:
    """Estimate the quantum fidelity with a GHZ state from shots, and bound it from below.

    Parameters
    ----------
    data : MeasurementData
        Shots of 2 sites at least.
    phase : float
        Relative phase of the GHZ state in radians.

    Returns
    -------
    Dataset
        From independent shots of at most 12 sites in an informationally complete POVM, or all
        settings: ``ghz_populations``, ``ghz_coherence``, ``ghz_coherence_quadrature`` (0 in the
        target: its ratio to the coherence tells another phase), ``ghz_fidelity_squared``.  From
        labelled settings that see them: ``ghz_witness``, the bound W.  From either, ``ghz_parity``
        = <prod X>.  Each with ``_error``; fidelity and witness with ``*_lower`` in [0, 1] and
        ``*_lower_raw`` by ``level`` (0.68, 0.95, one-sided).  ``attrs["entangled"]`` is 1 if the
        bound of 95 % (of the fidelity if there is one) is above 1/2.

    Raises
    ------
    InputError
        If the shots determine neither.

    Examples
    --------
    >>> import physgen as pg
    >>> shots = pg.Born(pg.ghz_state(4), "pauli-6").sample(10_000, 1)
    >>> found = pg.ghz_fidelity(pg.MeasurementData(shots, "pauli-6"))
    >>> int(found.attrs["entangled"])
    1
    """
    check_finite("phase", phase)
    if data.L < 2:
        raise InputError(f"a GHZ state must have at least 2 sites, got data of {data.L}")
    numbers: dict[str, SkewedMean] = {}
    reasons = {"fidelity": _against_duals(data), "witness": _against_settings(data, phase)}
    if not reasons["fidelity"]:
        numbers |= _by_duals(data, phase)
    if not reasons["witness"]:
        numbers["witness"] = _by_settings(data, phase)
    if not numbers:
        raise InputError(
            f"shots must tell the coherence of a GHZ state: {reasons['fidelity']}; "
            f"{reasons['witness']}; measure all sites in Z, and all in X"
        )
    parity = parity_string(data.L)
    if not unseen_strings(data, parity):
        numbers["parity"] = mean_of_sum(data, parity)
    best = numbers.get("fidelity_squared", numbers.get("witness"))
    assert best is not None
    variables: dict[str, Any] = {}
    for name, mean in numbers.items():
        variables[f"ghz_{name}"] = ((), mean.value, {"units": "1", "long_name": _LONG[name]})
        about = {"units": "1", "long_name": f"standard error of ghz_{name}"}
        variables[f"ghz_{name}_error"] = ((), mean.error, about)
        if name in ("fidelity_squared", "witness"):
            variables |= bounds_of(f"ghz_{name}", mean)
    return xr.Dataset(
        variables,
        {"level": ("level", list(LEVELS), {"long_name": "one-sided confidence level"})},
        {
            "phase": phase,
            "entangled": int(best.lower(0.95) > 0.5),
            "certifies": CERTIFIES,
            "estimator": "dual frame, all strings"
            if "fidelity_squared" in numbers
            else "P0 + P1 or ZZ, and strings of X and Y, each from its settings",
            "exactness": "asymptotic",
            "n": data.n,
            "povm": data.povm.name,
        },
    )


_LONG = {
    "populations": "P_0 + P_1, weight on 0...0 and 1...1",
    "coherence": "C = 2 Re e^{i phase} <0...0|rho|1...1>",
    "coherence_quadrature": "2 Im e^{i phase} <0...0|rho|1...1>, 0 in the GHZ state",
    "fidelity_squared": "<GHZ|rho|GHZ> = (P_0 + P_1 + C)/2",
    "witness": "lower bound on <GHZ|rho|GHZ> from two kinds of settings",
    "parity": "<prod X>",
}


# --- all strings ------------------------------------------------------------------------------


def _against_duals(data: MeasurementData) -> str:
    table = data.setting_table
    if data.L > MAX_SITES:
        return f"the fidelity of more than {MAX_SITES} sites drowns in an exponential error"
    if not data.povm.is_informationally_complete:
        return f"{data.povm.name} is not informationally complete"
    if table is not None and table.n_missing:
        return f"settings are missing, {table.describe_missing()}"
    return few_coherent_shots(data)


def few_coherent_shots(data: MeasurementData) -> str:
    """Return why the shots tell nothing of the coherence of all sites, or an empty text.

    Every Pauli string in it has X or Y on all sites.
    """
    bases = data.povm.bases
    if bases is None:
        return ""
    across = np.isin(np.array(bases.names), ["X", "Y"])[bases.of]
    n = sum(
        int(across[np.asarray(data.outcomes[start : start + BLOCK])].all(axis=1).sum())
        for start in range(0, data.n, BLOCK)
    )
    if n >= FEW:
        return ""
    return f"{n} shots have X or Y on all {data.L} sites, and only they tell it ({FEW} at least)"


def _by_duals(data: MeasurementData, phase: float) -> dict[str, SkewedMean]:
    w = {p: data.povm.weights(p) for p in "XYZ"}
    turn = 2 * np.exp(1j * phase)

    def populations(x: np.ndarray) -> np.ndarray:
        z = of_outcomes(w["Z"], x)
        return ((1 + z) / 2).prod(axis=1) + ((1 - z) / 2).prod(axis=1)

    def turned(x: np.ndarray) -> np.ndarray:
        return np.asarray(turn * of_outcomes((w["X"] - 1j * w["Y"]) / 2, x).prod(axis=1))

    values = {
        "populations": populations,
        "coherence": lambda x: np.real(turned(x)),
        "coherence_quadrature": lambda x: np.imag(turned(x)),
        "fidelity_squared": lambda x: (populations(x) + np.real(turned(x))) / 2,
    }
    return {name: mean_of_shots(data, value) for name, value in values.items()}


# --- two kinds of settings --------------------------------------------------------------------


def _against_settings(data: MeasurementData, phase: float) -> str:
    if data.settings is None:
        return "no labelled settings"
    if not _strings(data, phase):
        return "no setting of X and Y on all sites that the GHZ state is an eigenstate of"
    missing = unseen_strings(data, _bonds(data.L))
    return missing if len(_all_z(data)) < 2 and missing else ""


def _strings(data: MeasurementData, phase: float) -> dict[tuple[tuple[int, str], ...], int]:
    """Return the signs of the measured strings of X and Y that stabilise the GHZ state."""
    table, found = data.setting_table, {}
    if table is None:
        return found
    names, shots = np.array(table.frame.names), {}
    for row, n in zip(names[table.bases], table.counts):
        shots[tuple(row)] = shots.get(tuple(row), 0) + int(n)
    for row, n in shots.items():
        sign = np.cos(row.count("Y") * np.pi / 2 - phase)
        if n >= 2 and set(row) <= {"X", "Y"} and abs(sign) > 1 - _STABILISER:
            found[tuple((i, str(p)) for i, p in enumerate(row))] = int(np.sign(sign))
    return found


def _bonds(L: int) -> PauliSum:
    return PauliSum({((i, "Z"), (i + 1, "Z")): 0.5 for i in range(L - 1)}, L)


def _all_z(data: MeasurementData) -> np.ndarray:
    """Return the rows of the shots with every site in Z."""
    table = data.setting_table
    assert table is not None
    return np.flatnonzero(table.seeing(dict.fromkeys(range(data.L), "Z"))[table.index])


def _by_settings(data: MeasurementData, phase: float) -> SkewedMean:
    strings, rows = _strings(data, phase), _all_z(data)
    share = 0.5 / len(strings)
    coherent = PauliSum({string: share * s for string, s in strings.items()}, data.L)
    if len(rows) < 2:
        one = PauliSum({(): 0.5 - (data.L - 1) / 2}, data.L)
        return mean_of_sum(data, coherent + _bonds(data.L) + one)
    table = data.setting_table
    assert table is not None
    values = pair_values(data.povm.pauli_coefficients, table.frame, "Z")
    z = of_outcomes(values, np.asarray(data.outcomes[rows]))
    inside = ((1 + z) / 2).prod(axis=1) + ((1 - z) / 2).prod(axis=1)
    n, mean = len(rows), float(inside.mean())
    # One more shot that says the worst: equal shots do not make the populations certain.
    worst = min(0.0, float(inside.min()))
    residuals = np.append(inside - mean, worst - mean) / np.sqrt(n * (n - 1.0))
    minus_half = PauliSum({(): -0.5}, data.L)
    return sum_of(
        SkewedMean.from_residuals(mean, residuals), mean_of_sum(data, coherent + minus_half)
    )
