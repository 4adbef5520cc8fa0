r"""Where the Binder cumulants of two lattice sizes are equal.

Between two neighbouring points of the scan each curve is

.. math::
    U(\beta) = w\, U_j(\beta) + (1 - w)\, U_{j+1}(\beta), \qquad
    w = \frac{\beta_{j+1} - \beta}{\beta_{j+1} - \beta_j},

where :math:`U_j(\beta)` is the estimate from the chains at :math:`\beta_j`, reweighted to
:math:`\beta` by :math:`e^{-(\beta - \beta_j) E}` for the Ising model (Ferrenberg and Swendsen,
Phys. Rev. Lett. 61 (1988) 2635) and as it stands, so that U is linear in between, for others.  The
error is that of the jackknife over chains, or over blocks of fewer than 64: every one of the four
sets is left out once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.analysis.errors import choose_blocks

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Moments", "crossings", "moments"]

N_MESH = 33  # points between two of the scan, at which U is evaluated


class Moments(NamedTuple):
    """Sums over the draws of each block, on the mesh: shape (n_mesh, n_blocks) each.

    A block is a chain, or a stretch of one; `inflation` is the factor on errors for what
    neighbouring stretches share.
    """

    weight: np.ndarray
    m2: np.ndarray
    m4: np.ndarray
    inflation: float = 1.0

    def binder(self) -> np.ndarray:
        """Return U on the mesh: from all blocks (row 0), and without each of them in turn.

        The rows after the first are moved away from it by the factor `inflation`.
        """
        weight, m2, m4 = (
            np.concatenate([s.sum(1)[:, None], s.sum(1)[:, None] - s], 1) for s in self[:3]
        )
        U = (1 - m4 * weight / (3 * m2**2)).T
        return np.concatenate([U[:1], U[0] + self.inflation * (U[1:] - U[0])])


def moments(ds: xr.Dataset, shifts: np.ndarray) -> Moments:
    """Return the moments of the draws of a point, reweighted by ``e^{-shift E}``.

    Parameters
    ----------
    ds : Dataset
        ``magnetization`` and, unless all shifts are 0, ``energy`` (total), dims (chain, draw).
    shifts : ndarray
        beta - beta_j on the mesh.
    """
    m2 = ds["magnetization"].values ** 2
    blocks = choose_blocks([m2, m2 * m2])
    first = m2.shape[1] - blocks.per_chain * blocks.length
    energy = ds["energy"].values if np.any(shifts) else np.zeros_like(m2)
    m2, energy = (x[:, first:].reshape(-1, blocks.length) for x in (m2, energy))
    found: list[tuple[np.ndarray, ...]] = []
    centred = energy - energy.mean()
    for shift in shifts:
        exponent = -shift * centred
        w = np.exp(exponent - exponent.max())
        found.append((w.sum(1), (w * m2).sum(1), (w * m2 * m2).sum(1)))
    return Moments(*(np.array(column) for column in zip(*found)), inflation=blocks.inflation)


def crossings(
    extents: list[int],
    values: np.ndarray,
    binder: np.ndarray,
    error: np.ndarray,
    chains: Callable[[int, int], xr.Dataset],
    *,
    reweight: bool,
) -> xr.Dataset:
    """Return the crossings of every two neighbouring sizes.

    Parameters
    ----------
    extents : list of int
    values : ndarray
        The couplings of the scan, ascending, from the disordered phase to the ordered one (beta,
        kappa) or back (m2, without reweighting): U is larger at the ordered end.
    binder, error : ndarray, shape (L, coupling)
    chains : callable(i, j)
        The draws at extent i and coupling j.
    reweight : bool
        Whether the coupling is beta of an Ising model.

    Returns
    -------
    Dataset
        ``coupling`` with ``coupling_error`` and ``binder`` of dim ``pair``, coords ``L_small``
        and ``L_large``; both curves over ``at``, dims (pair, mesh).  Pairs whose curves do not
        cross are left out.
    """
    import xarray as xr

    if not reweight and binder[:, 0].mean() > binder[:, -1].mean():
        last = len(values) - 1
        turned = crossings(
            extents, -values[::-1], binder[:, ::-1], error[:, ::-1],
            lambda i, j: chains(i, last - j), reweight=False,
        )  # fmt: skip
        turned["coupling"], turned["at"] = -turned["coupling"], -turned["at"]
        return turned
    rows: list[tuple[Any, ...]] = []
    order: list[int] = np.argsort(extents).tolist()
    for a, b in itertools.pairwise(order):
        j = _interval(binder[b] - binder[a], np.hypot(error[a], error[b]))
        if j is None:
            continue
        mesh = np.linspace(float(values[j]), float(values[j + 1]), N_MESH)
        curves = {
            (i, k): moments(chains(i, k), (mesh - values[k]) * reweight).binder()
            for i in (a, b)
            for k in (j, j + 1)
        }
        found = _cross(mesh, curves, a, b, j)
        if found is not None:
            lines = [_curve(mesh, curves, i, j) for i in (a, b)]
            rows.append((extents[a], extents[b], *found, mesh, *lines))
    empty = [np.zeros(0)] * 5 + [np.zeros((0, N_MESH))] * 3
    columns = [np.array(column) for column in zip(*rows)] or empty
    return xr.Dataset(
        {
            "coupling": ("pair", columns[2]),
            "coupling_error": ("pair", columns[3]),
            "binder": ("pair", columns[4]),
            "at": (("pair", "mesh"), columns[5]),
            "binder_small": (("pair", "mesh"), columns[6]),
            "binder_large": (("pair", "mesh"), columns[7]),
        },
        {"L_small": ("pair", columns[0].astype(int)), "L_large": ("pair", columns[1].astype(int))},
        {"estimator": "Binder crossing, jackknife" + (", reweighted" * reweight)},
    )


def _interval(difference: np.ndarray, error: np.ndarray) -> int | None:
    """Return j such that the difference turns positive between j and j + 1, or None.

    Far from the transition both curves are flat and their difference is noise that changes sign
    often; the best place is where most standard errors lie on the right side.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = np.where(error > 0, difference / error, 0.0)
    if not np.isfinite(pulls).all() or len(pulls) < 2:
        return None
    below = -np.cumsum(pulls)[:-1]
    above = np.cumsum(pulls[::-1])[::-1][1:]
    best = int(np.argmax(below + above))
    near = [best, best - 1, best + 1]
    for j in near:
        if 0 <= j < len(pulls) - 1 and difference[j] <= 0 < difference[j + 1]:
            return j
    return None


def _cross(
    mesh: np.ndarray, curves: dict[tuple[int, int], np.ndarray], a: int, b: int, j: int
) -> tuple[float, float, float] | None:
    """Return the crossing, its error, and U there."""
    difference = _curve(mesh, curves, b, j) - _curve(mesh, curves, a, j)
    (at,) = _roots(mesh, difference[None])
    if np.isnan(at):
        return None
    variance = 0.0
    for (i, k), all_rows in curves.items():
        n = len(all_rows) - 1
        share = (mesh[-1] - mesh if k == j else mesh - mesh[0]) / (mesh[-1] - mesh[0])
        change = share * (all_rows[1:] - all_rows[0])  # of the curve, without each block in turn
        moved = _roots(mesh, difference + (change if i == b else -change))
        moved = np.where(np.isnan(moved), at, moved)
        variance += (n - 1) / n * float(np.sum((moved - moved.mean()) ** 2)) if n > 1 else np.nan
    height = np.interp(float(at), mesh, _curve(mesh, curves, b, j))
    return at, float(np.sqrt(variance)), float(height)


def _curve(
    mesh: np.ndarray, curves: dict[tuple[int, int], np.ndarray], i: int, j: int
) -> np.ndarray:
    """Return U of size i on the mesh."""
    w = (mesh[-1] - mesh) / (mesh[-1] - mesh[0])
    return w * curves[i, j][0] + (1 - w) * curves[i, j + 1][0]


def _roots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the first zero from below of every row of y, linear between the points of x."""
    up = (y[:, :-1] <= 0) & (y[:, 1:] > 0)
    i = np.argmax(up, axis=1)
    rows = np.arange(len(y))
    low, high = y[rows, i], y[rows, i + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x[i] - low * (x[i + 1] - x[i]) / (high - low)
    return np.where(up.any(axis=1), at, np.nan)
