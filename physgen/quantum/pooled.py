r"""Observables from shots in labelled settings: each Pauli string from the shots that see it.

A shot s sees the string P if its setting agrees with P on the support of P.  With the signs
:math:`o_{P,s} = \prod_{i \in P} (\pm 1)` of the m_P shots that see P, or with the values
:math:`v_\pm` instead of :math:`\pm 1` that undo known noise (:mod:`physgen.quantum.bases`),

.. math:: \langle P \rangle \approx \bar o_P = \frac{1}{m_P} \sum_{s \text{ sees } P} o_{P,s},
          \qquad \langle O \rangle = \sum_P c_P \, \bar o_P .

Settings are strata: they are fixed by choice, and given the settings, shots are independent with
mean <P>.  So a shot contributes the residual

.. math:: r_s = \sum_{P \text{ seen by } s} \frac{c_P}{\sqrt{m_P (m_P - 1)}}
                (o_{P,s} - \bar o_P), \qquad
          \text{error} = \Big[ \sum_s r_s^2 \Big]^{1/2} .

Here :math:`\bar o_P` is the mean over all settings, so one shot a setting is enough.  For one
string without noise the error is :math:`\sqrt{(1 - \bar o_P^2) / (m_P - 1)}`.

If the device drifts between settings, shots of one setting share an offset, and this error is too
small.  The cluster-robust error sums the residuals of each setting before it squares them, with
the number G_P of settings that see P,

.. math:: \text{error} = \Big[ \sum_b \Big( \sum_{s \in b} \sum_P \frac{c_P}{m_P}
          \sqrt{\frac{G_P}{G_P - 1}} \, (o_{P,s} - \bar o_P) \Big)^2 \Big]^{1/2} ,

with a relative uncertainty of about :math:`1 / \sqrt{2 G}`.  A string seen by fewer than
:data:`MIN_CLUSTERS` settings gets no cluster error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physgen.quantum.bases import Bases, pair_values
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.settings import Settings
from physgen.quantum.site_povm import SitePOVM, of_outcomes
from physgen.quantum.tfim import TFIM, central_pairs

__all__ = ["MIN_CLUSTERS", "Pooled", "basis_values", "pooled_estimates"]

MIN_CLUSTERS = 10
Table = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]  # by Pauli matrix, see basis_values

_ESTIMATORS = {
    "strata": "mean over the shots whose setting sees a Pauli string; error: shots independent "
    "within their settings (strata)",
    "cluster": "mean over the shots whose setting sees a Pauli string; error: cluster-robust, by "
    "setting",
}


class Pooled(NamedTuple):
    """Values and errors by observable, a line on missing ones, and the method."""

    mean: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    missing: str
    estimator: str


@dataclass(frozen=True)
class _Strings:
    """The values of a family of Pauli strings in a batch: 0 where a shot does not see a string."""

    signs: np.ndarray  # (m, strings): product of signs or values, 0 where not seen
    seen: np.ndarray  # (m, strings)


def pooled_estimates(
    outcomes: np.ndarray,
    settings: Settings,
    tfim: TFIM | None,
    batch_size: int = 16384,
    error: str = "strata",
    povm: POVM | SitePOVM | None = None,
) -> Pooled:
    """Return the observables of a chain from shots, shape (n, L), in labelled settings.

    Parameters
    ----------
    outcomes : ndarray or ShotFile, shape (n, L)
    settings : Settings
        The settings of these shots.
    tfim : TFIM, optional
        The Hamiltonian for the energy.
    batch_size : int
        Shots handled at a time.
    error : {"strata", "cluster"}
    povm : POVM, optional
        The measurement, made of bases; by default pauli-6.

    Returns
    -------
    Pooled
        Without values where no setting sees X or Z.
    """
    frame = povm or named_povm("pauli-6")
    pairs, table = (
        _pairs(settings.L, tfim),
        {p: basis_values(frame, settings.frame, p) for p in "XZ"},
    )
    total = {name: [0.0, 0] for name in ("x", "z", "zz", "bond")}
    for _, batch in _batches(outcomes, table, pairs, batch_size):
        for name, strings in batch.items():
            total[name][0] = total[name][0] + strings.signs.sum(axis=0)
            total[name][1] = total[name][1] + strings.seen.sum(axis=0)
    shots = {name: np.asarray(m) for name, (_, m) in total.items()}
    clusters = {name: _settings_seeing(settings, table, pairs, name) for name in total}
    enough = {
        name: (m >= 2) if error == "strata" else clusters[name] >= MIN_CLUSTERS
        for name, m in shots.items()
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = {
            name: np.where(enough[name], total[name][0] / shots[name], np.nan) for name in total
        }
        scale = {
            name: 1 / np.sqrt(m * (m - 1.0))
            if error == "strata"
            else np.sqrt(clusters[name] / (clusters[name] - 1.0)) / m
            for name, m in shots.items()
        }
    values = _observables(mean, tfim)
    kept = {name: value for name, value in values.items() if not np.isnan(value).all()}
    missing = _missing(settings, enough, tfim, pairs, error)
    square = {name: np.zeros(np.shape(value)) for name, value in kept.items()}
    n_sums = len(settings) if error == "cluster" else 0
    sums = {name: np.zeros((n_sums, *np.shape(value))) for name, value in kept.items()}
    for start, batch in _batches(outcomes, table, pairs, batch_size):
        residual = {
            name: np.where(s.seen, (s.signs - mean[name]) * scale[name], 0.0)
            for name, s in batch.items()
        }
        for name, r in _observables(residual, tfim).items():
            if name not in kept:
                continue
            if error == "strata":
                square[name] += (r**2).sum(axis=0)
            else:
                np.add.at(sums[name], settings.index[start : start + len(r)], r)
    if error == "cluster":
        square = {name: (s**2).sum(axis=0) for name, s in sums.items()}
    nan = {name: np.where(np.isnan(kept[name]), np.nan, s) for name, s in square.items()}
    errors = {name: np.sqrt(s) for name, s in nan.items()}
    return Pooled(kept, errors, missing, _ESTIMATORS[error])


def _pairs(L: int, tfim: TFIM | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the pairs of sites for ZZ: for the correlations, and for the energy."""
    i, r = central_pairs(L)
    bonds = np.array([] if tfim is None else tfim.bonds, dtype=int).reshape(-1, 2)
    return {"zz": (i, i + r), "bond": (bonds[:, 0], bonds[:, 1])}


def basis_values(
    povm: POVM | SitePOVM, bases: Bases, pauli: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values of outcomes for one Pauli matrix, which bases see it, which outcomes."""
    values = pair_values(povm.pauli_coefficients, bases, pauli)
    seen = ~np.isnan(values)
    return np.where(seen, values, 0.0), seen[..., list(bases.plus)], seen


def _batches(
    outcomes: np.ndarray,
    table: Table,
    pairs: dict[str, tuple[np.ndarray, np.ndarray]],
    batch_size: int,
) -> Iterator[tuple[int, dict[str, _Strings]]]:
    """Yield the first shot of every batch and its Pauli strings."""
    for start in range(0, len(outcomes), batch_size):
        batch = outcomes[start : start + batch_size]
        x, z = (of_outcomes(table[p][0], batch) for p in "XZ")
        seen_x, seen_z = (of_outcomes(table[p][2], batch) for p in "XZ")
        found = {"x": _Strings(x, seen_x), "z": _Strings(z, seen_z)}
        for name, (a, b) in pairs.items():
            found[name] = _Strings(z[:, a] * z[:, b], seen_z[:, a] & seen_z[:, b])
        yield start, found


def _observables(strings: dict[str, np.ndarray], tfim: TFIM | None) -> dict[str, np.ndarray]:
    """Combine the values of Pauli strings, shape (..., strings), into observables."""
    found = {name: strings[name] for name in ("x", "z", "zz")}
    found |= {f"{name}_mean": strings[name].mean(axis=-1) for name in ("x", "z")}
    if tfim is None:
        return found
    coupling, field = strings["bond"].sum(axis=-1), strings["x"].sum(axis=-1)
    # A term absent from H needs no setting that sees it.
    terms = [-c * term for c, term in ((tfim.J, coupling), (tfim.h, field)) if c != 0]
    return {"energy": np.sum(terms, axis=0) if terms else np.zeros(field.shape)} | found


def _settings_seeing(
    settings: Settings, table: Table, pairs: dict[str, tuple[np.ndarray, np.ndarray]], name: str
) -> np.ndarray:
    """Return how many settings see each string of a family."""
    seen_z = of_outcomes(table["Z"][1], settings.bases)
    if name == "x":
        return of_outcomes(table["X"][1], settings.bases).sum(axis=0)
    if name == "z":
        return seen_z.sum(axis=0)
    a, b = pairs[name]
    return (seen_z[:, a] & seen_z[:, b]).sum(axis=0)


def _missing(
    settings: Settings,
    enough: dict[str, np.ndarray],
    tfim: TFIM | None,
    pairs: dict[str, tuple[np.ndarray, np.ndarray]],
    error: str,
) -> str:
    """Name the missing observables, and the settings that they need."""
    told = []
    for name in ("x", "z"):
        if not enough[name].all():
            sites = ", ".join(map(str, np.flatnonzero(~enough[name])[:4]))
            more = ", ..." if (~enough[name]).sum() > 4 else ""
            told.append(f"{name} needs settings of {name.upper()} on site {sites}{more}")
    if not enough["zz"].all():
        a, b = pairs["zz"]
        lost = np.flatnonzero(~enough["zz"])
        listed = ", ".join(f"{a[k]} and {b[k]}" for k in lost[:4])
        told.append(f"zz needs settings of Z on sites {listed}{', ...' if len(lost) > 4 else ''}")
    if tfim is not None:
        lost = [
            name
            for name, c, family in (("Z Z on every bond", tfim.J, "bond"), ("X", tfim.h, "x"))
            if c != 0 and not enough[family].all()
        ]
        if lost:
            told.append(f"energy needs settings of {' and '.join(lost)}")
    if not told:
        return ""
    rule = "2 shots" if error == "strata" else f"{MIN_CLUSTERS} settings"
    return f"{'; '.join(told)} (at least {rule} each); measured: {_listed(settings)}"


def _listed(settings: Settings) -> str:
    names = list(dict.fromkeys(settings.names[:6]))
    return ", ".join(names) + (f", ... ({len(settings):,} settings)" if len(settings) > 6 else "")
