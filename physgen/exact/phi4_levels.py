r"""Scalar fields on tori up to 8 sites wide, by the leading eigenvalues of the transfer matrix.

With :math:`T = D^{1/2} K D^{1/2}` on rows of w fields (:mod:`physgen.exact.phi4_quadrature`), its
eigenvalues :math:`\lambda_0 > |\lambda_1| \ge \dots` and eigenvectors :math:`v_i`,

.. math:: Z = \sum_i \lambda_i^L, \qquad
          \langle O \rangle = \frac1Z \sum_i \lambda_i^L \langle v_i | O | v_i \rangle, \qquad
          \langle R_0 R_r \rangle
            = \frac1Z \sum_i \lambda_i^{L-r} \langle v_i | R\, T^r R | v_i \rangle ,

for functions O and R of a row.  If L is not small, a few levels give Z to many digits: an omitted
level changes it by :math:`(\lambda/\lambda_0)^L`, relatively.  The lowest excitation gives the
mass of the strip, :math:`m = \log \lambda_0/\lambda_1`, the inverse of its correlation length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr
from scipy.sparse.linalg import LinearOperator, eigsh

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.exact.labels import labelled
from physgen.exact.phi4_quadrature import Numbers, best_weight, gauss_rule, torus_extents

if TYPE_CHECKING:
    from physgen.targets.phi4 import Phi4

__all__ = ["MAX_WIDTH", "phi4_spectrum"]

MAX_WIDTH = 8
_MAX_STATES = 2**23  # largest number of states of a row; 64 MB a vector
_NODES = {1: 16, 2: 16, 3: 14, 4: 12, 5: 10, 6: 8, 7: 7, 8: 7}


def phi4_spectrum(target: Phi4, n_nodes: int | None = None, n_levels: int = 32) -> xr.Dataset:
    """Return log Z, expectation values and the mass of a scalar field on a torus.

    Parameters
    ----------
    target : Phi4
        On a periodic lattice of one or two dimensions, the narrower extent at most 8.
    n_nodes : int, optional
        Quadrature nodes for each field; by default 12 at width 4, 8 at 6 and 7 at 8 (some minutes
        and 3 GB).  n_nodes^width must not exceed 2^23.
    n_levels : int
        Number of eigenvalues included, >= 4.

    Returns
    -------
    xarray.Dataset
        ``log_z``, ``free_energy``, ``action_per_site``, ``phi2``, ``phi4``, ``magnetization`` (0),
        ``m2``, ``susceptibility`` and ``mass_gap``, each with ``*_error``: the change from one
        node fewer, and a bound on the levels left out.

    Raises
    ------
    InputError
        If the lattice is too wide, or n_nodes^width too large.

    Examples
    --------
    >>> from physgen.targets import Phi4
    >>> ds = phi4_spectrum(Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0), n_nodes=8)
    >>> round(float(ds.log_z), 6), round(float(ds.mass_gap), 4)
    (2.405139, 0.8044)
    """
    width, length = torus_extents(target, MAX_WIDTH)
    n_nodes = _NODES[width] if n_nodes is None else check_positive_int("n_nodes", n_nodes, 4)
    check_positive_int("n_levels", n_levels, minimum=4)
    if n_nodes**width > _MAX_STATES:
        raise InputError(
            f"n_nodes**width must be at most {_MAX_STATES}, got {n_nodes}**{width}; "
            "take fewer nodes, and mind the errors"
        )
    numbers = Numbers(target.hop, target.quad, target.quart, target.const)
    a = best_weight(numbers, min(width, 4), 4 if width > 1 else max(length, 4))
    fine = _observables(numbers, width, length, a, n_nodes, n_levels)
    coarse = _observables(numbers, width, length, a, n_nodes - 1, n_levels)
    tail = fine.pop("tail")
    ds = labelled(
        fine,
        target=repr(target),
        method=f"transfer matrix, {n_levels} levels, Gauss quadrature with {n_nodes} nodes",
        exactness="exact",
        error="change of the value from one node fewer, and a bound on the levels left out",
    )
    for name, value in fine.items():
        cut = 0.0 if name in ("mass_gap", "magnetization") else tail * max(abs(value), 1.0)
        error = abs(value - coarse[name]) + cut
        ds[f"{name}_error"] = ((), error, {"units": "1", "long_name": f"error of {name}"})
    return ds


class _Rows(NamedTuple):
    """The transfer matrix on rows of `width` fields with n nodes each."""

    x: np.ndarray  # nodes (n,)
    kernel: np.ndarray  # (n, n), symmetric
    root: np.ndarray  # D^{1/2} (n^width,), its largest entry 1
    log_scale: float  # log of the divisor of D
    width: int

    def apply(self, v: np.ndarray) -> np.ndarray:
        """Return T v."""
        v = self.root * v.ravel()
        for _ in range(self.width):  # acts on the last column, which moves to the front
            v = (self.kernel @ v.reshape(-1, len(self.x)).T).ravel()
        return self.root * v


class _Operator(LinearOperator):
    """T in the form that the eigensolver expects."""

    def __init__(self, rows: _Rows) -> None:
        super().__init__(np.dtype(np.float64), (len(rows.root),) * 2)
        self._rows = rows

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._rows.apply(x)


def _rows(numbers: Numbers, width: int, a: float, n: int) -> _Rows:
    hop, quad, quart, _ = numbers
    x, log_weight = gauss_rule(a, quart, n)
    kernel = np.exp(-0.5 * abs(hop) * (x[:, None] - np.sign(hop) * x[None, :]) ** 2)
    on_site = log_weight + (a - quad + abs(hop)) * x**2
    log_D = np.zeros((n,) * width)
    for c in range(width):
        log_D += _along(on_site, c, width)
        if width > 1:
            log_D += hop * _along(x, c, width) * _along(x, (c + 1) % width, width)
    largest = log_D.max()
    return _Rows(x, kernel, np.exp(0.5 * (log_D - largest)).ravel(), float(largest), width)


def _along(values: np.ndarray, axis: int, width: int) -> np.ndarray:
    return values.reshape([-1 if c == axis else 1 for c in range(width)])


def _observables(
    numbers: Numbers, width: int, length: int, a: float, n: int, n_levels: int
) -> dict[str, float]:
    """Return values with n nodes, and ``tail``, a bound on the omitted share of Z."""
    rows = _rows(numbers, width, a, n)
    n_states = len(rows.root)
    n_levels = min(n_levels, n_states // 2)
    levels, vectors = eigsh(
        _Operator(rows),
        k=n_levels,
        ncv=min(n_states, n_levels + max(16, n_levels // 2)),
        which="LM",
        v0=np.ones(n_states) + 0.01 * np.cos(np.arange(n_states)),  # no symmetry, no randomness
        tol=1e-12,  # pyright: ignore[reportArgumentType]
    )
    order = np.argsort(-np.abs(levels))  # odd rows have negative ones where hop < 0
    ground, levels = levels.max(), levels[order] / levels.max()
    # there are about as many levels beyond one as before it, and they fall off fast
    Z, tail = np.sum(levels**length), n_levels * abs(levels[-1]) ** length
    row_sum = sum(_along(rows.x, c, width) for c in range(width))
    phi2 = phi4 = 0.0
    correlation = np.zeros(length // 2 + 1)
    for level, k in zip(levels, order):
        v = vectors[:, k].reshape((n,) * width)
        density = v * v
        share = level**length / Z
        for c in range(width):
            site = density.sum(axis=tuple(b for b in range(width) if b != c))
            phi2 += share * (site @ rows.x**2) / width
            phi4 += share * (site @ rows.x**4) / width
        first = u = (v * row_sum).ravel()
        for r in range(length // 2 + 1):
            correlation[r] += level ** (length - r) / Z * (first @ u)
            if r < length // 2:
                u = rows.apply(u) / ground
    V = width * length
    m2 = sum(correlation[min(r, length - r)] for r in range(length)) / (V * width)
    log_z = float(np.log(Z) + length * (np.log(ground) + rows.log_scale)) - V * numbers.const
    return {
        "log_z": log_z,
        "free_energy": -log_z,
        "action_per_site": 0.5 - numbers.quart * phi4 + numbers.const,  # <phi dS/dphi> = 1
        "phi2": phi2,
        "phi4": phi4,
        "magnetization": 0.0,
        "m2": float(m2),
        "susceptibility": float(V * m2),
        "mass_gap": float(-np.log(abs(levels[1]))),
        "tail": float(tail),
    }
