r"""Bounds from the distance of two outcome distributions, and tests of physicality.

*Bounds.*  With TV the total variation distance of P and Q and :math:`w_O` the weights of an
observable,

.. math:: |\langle O \rangle_P - \langle O \rangle_Q| \le (\max w_O - \min w_O) \, \mathrm{TV},
          \qquad \mathrm{TV} = \tfrac12 \sum_a |P - Q| \le \sqrt{1 - F_c^2}, \quad
          \mathrm{TV} \le \sqrt{D/2}

(D in nats, either way round: Pinsker).  The range of w of a Pauli string grows *exponentially in
its weight* k, as 6 5^(k-1) for pauli-4 and 2 3^k for pauli-6: F_c = 0.995 bounds <Z> of pauli-6 to
0.6, <ZZ> to 1.8.  They hold without any assumption, but are useful for the shortest strings only.

*Physicality.*  The reduced matrix of two neighbours is positive in every state.  The lowest
eigenvalue of an estimate is below the true one by the noise that picked its eigenvector v, so the
test takes v from one half of the shots and :math:`\langle v|\rho|v\rangle \ge 0` from the other,
where the estimate is unbiased with the standard error of a mean; then the halves are exchanged.
The halves are drawn at random.  Otherwise shots that alternate between two outcomes would give
halves of one outcome each, with a degenerate lowest eigenvalue: rounding would choose v.  Energies
below the ground state and Pauli expectation values outside [-1, 1] are flagged by
:func:`~physgen.quantum.estimate_observables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import xarray as xr

from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum.data import MeasurementData
from physgen.quantum.estimators import FALSE_ALARM
from physgen.quantum.povm import POVM
from physgen.quantum.site_povm import one_povm
from physgen.quantum.tomography import count, linear_inversion
from physgen.quantum.tomography.direct import mean_over_shots
from physgen.quantum.tomography.frequencies import Counts
from physgen.quantum.tomography.inversion import dual_factors
from physgen.quantum.tomography.pauli_basis import to_pauli
from physgen.quantum.tomography.strings import StringSums

__all__ = ["pauli_bound", "physical_violations", "total_variation_bound"]


def total_variation_bound(*, fidelity: float | None = None, kl: float | None = None) -> float:
    """Return the smallest upper bound on TV from a classical fidelity or a KL divergence.

    Parameters
    ----------
    fidelity : float, optional
        F_c = sum sqrt(PQ), in [0, 1]; an estimate just above 1 counts as 1.
    kl : float, optional
        D(P||Q) or D(Q||P) in nats; an estimate just below 0 counts as 0.

    Raises
    ------
    InputError
        If neither is given, or the fidelity is negative.

    Examples
    --------
    >>> round(total_variation_bound(fidelity=0.995), 4)
    0.0999
    """
    bounds = [1.0]
    if fidelity is not None:
        if check_finite("fidelity", fidelity) < 0:
            raise InputError(f"fidelity must be at least 0, got {fidelity}")
        bounds.append(float(np.sqrt(max(0.0, 1 - fidelity**2))))
    if kl is not None and kl != np.inf:
        bounds.append(float(np.sqrt(max(0.0, check_finite("kl", kl)) / 2)))
    if fidelity is None and kl is None:
        raise InputError("fidelity or kl must be given, got neither")
    return min(bounds)


def pauli_bound(povm: POVM, string: Mapping[int, str] | str, total_variation: float) -> float:
    """Return the bound on the difference of a Pauli string's expectation values.

    Parameters
    ----------
    povm : POVM
    string : mapping of site to {"X", "Y", "Z"}, or str
        Such as ``{3: "Z", 7: "Z"}`` or "ZZ"; exponential in its length.
    total_variation : float
        TV of the two outcome distributions, or a bound on it.

    Raises
    ------
    InputError
        If the distance is not finite.

    Examples
    --------
    >>> from physgen.quantum import povm
    >>> [round(pauli_bound(povm("pauli-6"), "Z" * k, 0.1), 6) for k in (1, 2, 3)]
    [0.6, 1.8, 5.4]
    """
    low = high = 1.0
    povm = one_povm(povm, "a bound")
    for pauli in string.values() if isinstance(string, Mapping) else string:
        w = povm.weights(pauli)
        ends = np.outer([low, high], [w.min(), w.max()])
        low, high = float(ends.min()), float(ends.max())
    return (high - low) * check_finite("total_variation", total_variation)


def physical_violations(data: MeasurementData) -> xr.Dataset:
    """Test the reduced matrices of all neighbouring pairs for positivity.

    Parameters
    ----------
    data : MeasurementData
        Measured shots, or samples of a model: ``MeasurementData(model.sample(n, rng), povm)``.

    Returns
    -------
    Dataset
        By ``bond`` (i, i + 1): ``lowest_eigenvalue`` of the estimate from all shots, with
        ``_error`` (the error of <v|rho|v>; negative values within a few errors are noise);
        ``witness`` (bond, half): <v|rho|v> on a random half of the shots with v from the other,
        with ``_error``; ``unphysical`` (0 or 1): a witness below 0 by more than z errors, with a
        false alarm of probability at most ``attrs["unphysical_level"]`` among all bonds.

    Raises
    ------
    InputError
        If there are fewer than two sites or eight shots.
    """
    if data.L < 2 or data.n < 8:
        raise InputError(f"data must have 2 sites and 8 shots at least, got {data.L} and {data.n}")
    data = data.take(slice(None))  # in memory, if it was a file
    n_bonds = data.L - 1
    lowest, error = np.empty(n_bonds), np.empty(n_bonds)
    witness, witness_error = np.empty((n_bonds, 2)), np.empty((n_bonds, 2))
    halves = _halves(data)
    for i in range(n_bonds):
        pair = [i, i + 1]
        everything = count(data, pair)
        lowest[i], error[i] = _expectation(everything, _lowest_vector(everything))
        of_half = [count(half, pair) for half in halves]
        for k in (0, 1):
            v = _lowest_vector(of_half[1 - k])
            witness[i, k], witness_error[i, k] = _expectation(of_half[k], v)
    z = NormalDist().inv_cdf(1 - FALSE_ALARM / witness.size)
    flags = (witness < -z * witness_error - 1e-12).any(axis=1)
    return xr.Dataset(
        {
            "lowest_eigenvalue": ("bond", lowest, {"units": "1"}),
            "lowest_eigenvalue_error": ("bond", error, {"units": "1"}),
            "witness": (("bond", "half"), witness, {"units": "1", "long_name": "<v|rho|v>"}),
            "witness_error": (("bond", "half"), witness_error, {"units": "1"}),
            "unphysical": (
                "bond",
                flags.astype(np.int8),
                {"long_name": f"1 where a witness is below 0 by more than {z:.2f} errors"},
            ),
        },
        coords={"bond": np.arange(n_bonds), "half": ["first", "second"]},
        attrs={
            "estimator": "duals; eigenvector from one half of the shots, mean over the other",
            "exactness": "asymptotic",
            "n": data.n,
            "povm": data.povm.name,
            "unphysical_level": FALSE_ALARM,
        },
    )


def _halves(data: MeasurementData) -> list[MeasurementData]:
    """Return two random halves, the same at every call; each chosen setting is split evenly."""
    order = Stream(0, ("physical_violations",)).numpy().permutation(data.n)
    if data.settings is not None:
        order = order[np.argsort(data.settings[order], kind="stable")]
    return [data.take(order[k::2]) for k in (0, 1)]


def _lowest_vector(counts: Counts) -> np.ndarray:
    return np.linalg.eigh(linear_inversion(counts).rho)[1][:, 0]


def _expectation(counts: Counts, v: np.ndarray) -> tuple[float, float]:
    """Return <v|rho|v> from the shots, with its standard error."""
    sums = StringSums(counts.strings, dual_factors(counts.povm))
    values = sums.strings(to_pauli(np.outer(v, v.conj()))) / len(v)
    return mean_over_shots(counts, values)
