r"""Scalar fields on small tori by transfer matrix and Gauss quadrature.

On T x w sites, w <= 4, with rows :math:`s = (\phi_0, \dots, \phi_{w-1})`,

.. math:: Z = \operatorname{Tr} (D K)^T, \qquad
          K(s, s') = \prod_c e^{-\frac{|{\rm hop}|}{2} (\phi_c \mp \phi'_c)^2}, \qquad
          D(s) = \prod_c e^{{\rm hop}\,\phi_c\phi_{c+1} - ({\rm quad} - |{\rm hop}|)\phi_c^2
                 - {\rm quart}\,\phi_c^4 - {\rm const}} ,

where every integral over a field uses Gauss quadrature with the weight
:math:`e^{-a\phi^2 - {\rm quart}\,\phi^4}`.  The constant a moves the nodes to the region of the
interacting field; it is chosen such that low orders agree best, and the error then falls by a
factor of about ten with each node.  Rows related by rotation, reflection or sign are summed once.
With :math:`v_r = K (D K)^{r-1} e_s`,

.. math:: Z = \sum_s D(s) \sum_{s'} D(s')\, v_a(s')\, v_b(s'), \qquad a + b = T,

and functions of rows inserted at s and s' give the correlations at distance a.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.exact.labels import labelled
from physgen.lattice.hypercubic import Hypercubic

if TYPE_CHECKING:
    from physgen.targets.phi4 import Phi4

__all__ = ["Numbers", "best_weight", "gauss_rule", "phi4_torus", "torus_extents"]

_MAX_WIDTH, _MAX_LENGTH = 4, 32
_MAX_NODES = 24
_STEPS_DOWN = 2  # difference of order between the result and the check of its error
_PROBE = 7  # order at which the weight of the quadrature is chosen
_FRACTIONS = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)  # of the neighbours' pull included in a


class Numbers(NamedTuple):
    """The action, see :class:`physgen.targets.Phi4`."""

    hop: float
    quad: float
    quart: float
    const: float


def phi4_torus(target: Phi4, n_nodes: int = 12) -> xr.Dataset:
    """Return log Z and expectation values of a scalar field on a torus up to 4 sites wide.

    Parameters
    ----------
    target : Phi4
        On a periodic lattice of one or two dimensions, the narrower extent at most 4.
    n_nodes : int
        Nodes for each field, 6 to 24.  The cost grows as n_nodes^(2 width + 1): at width 4, one
        second for 12, ten for 16.

    Returns
    -------
    xarray.Dataset
        ``log_z``, ``free_energy``, ``action_per_site``, ``phi2``, ``phi4``, ``m2`` =
        <(sum phi / V)^2>, ``magnetization`` (0), ``susceptibility`` = V m2, each with ``*_error``:
        the change from n_nodes - 2 to n_nodes, well above the remaining error.

    Raises
    ------
    InputError
        If the lattice is not a small torus, or n_nodes is out of range.

    Examples
    --------
    >>> from physgen.targets import Phi4
    >>> ds = phi4_torus(Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0), n_nodes=10)
    >>> round(float(ds.log_z), 8), round(float(ds.phi2), 8)
    (2.40513896, 0.14774621)
    """
    width, length = torus_extents(target, _MAX_WIDTH)
    if check_positive_int("n_nodes", n_nodes, minimum=6) > _MAX_NODES:
        raise InputError(f"n_nodes must be at most {_MAX_NODES}, got {n_nodes}")
    numbers = Numbers(target.hop, target.quad, target.quart, target.const)
    a = best_weight(numbers, width, length)
    fine = _observables(numbers, width, length, a, n_nodes)
    coarse = _observables(numbers, width, length, a, n_nodes - _STEPS_DOWN)
    ds = labelled(
        fine,
        target=repr(target),
        method=f"transfer matrix, Gauss quadrature with {n_nodes} nodes",
        exactness="exact",
        error="change of the value from two nodes fewer",
    )
    for name, value in fine.items():
        error = abs(value - coarse[name])
        ds[f"{name}_error"] = ((), error, {"units": "1", "long_name": f"error of {name}"})
    return ds


def gauss_rule(a: float, quart: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and log weights of the n-point Gauss rule for e^{-a x^2 - quart x^4}.

    By Stieltjes' recurrence on a fine grid (the trapezoid rule is exact to rounding for such
    weights) and the eigenvalues of the Jacobi matrix (Golub and Welsch 1969).
    """
    depth = a**2 / (4 * quart) if a < 0 else 0.0  # depth of the wells below the origin
    reach = 1.0
    while a * reach**2 + quart * reach**4 < 60.0 - depth or (a < 0 and reach**2 < -a / quart):
        reach *= 1.05
    x = np.linspace(-reach, reach, 4001)
    exponent = -a * x**2 - quart * x**4 - depth
    weight = np.exp(exponent) * (x[1] - x[0])
    total = weight.sum()
    before, now = np.zeros_like(x), np.full_like(x, 1 / np.sqrt(total))
    off = [0.0]
    for _ in range(n):
        following = x * now - off[-1] * before
        off.append(np.sqrt(weight @ following**2))
        before, now = now, following / off[-1]
    jacobi = np.diag(off[1:n], 1)
    nodes, vectors = np.linalg.eigh(jacobi + jacobi.T)
    share = vectors[0] ** 2
    nodes, share = (nodes - nodes[::-1]) / 2, (share + share[::-1]) / 2  # even weight
    return nodes, np.log(share) + np.log(total) + depth


def torus_extents(target: Phi4, max_width: int) -> tuple[int, int]:
    """Return the narrower and the wider extent (1 and L in one dimension), or raise."""
    lattice = target.lattice
    ok = isinstance(lattice, Hypercubic) and lattice.is_periodic and lattice.dim <= 2
    width, length = sorted((1, *lattice.shape))[-2:] if ok else (0, 0)
    if not ok or width > max_width or not 2 <= length <= _MAX_LENGTH:
        raise InputError(
            f"a transfer matrix of fields must have a torus at most {max_width} sites wide and "
            f"{_MAX_LENGTH} long, got {lattice}; up to 8 wide: phi4_spectrum; else a sampler"
        )
    return width, length


def best_weight(numbers: Numbers, width: int, length: int) -> float:
    """Return the constant a for which neighbouring low orders agree best."""
    spread = {}
    for fraction in _FRACTIONS:
        a = numbers.quad - fraction * abs(numbers.hop) * (2 if width == 1 else 4) / 2
        if numbers.quart > 0 or a > 0:
            low, high = (
                _observables(numbers, width, length, a, n)["log_z"] for n in (_PROBE, _PROBE + 1)
            )
            spread[a] = abs(high - low)
    return min(spread, key=lambda a: spread[a])


def _observables(numbers: Numbers, width: int, length: int, a: float, n: int) -> dict[str, float]:
    """Return log Z and expectation values with n nodes for the weight with constant a."""
    hop, quad, quart, const = numbers
    x, log_weight = gauss_rule(a, quart, n)
    kernel = np.exp(-0.5 * abs(hop) * (x[:, None] - np.sign(hop) * x[None, :]) ** 2)
    digits = np.indices((n,) * width).reshape(width, -1)
    field = x[digits]  # of every row, (width, n^width)
    log_D = (log_weight + (a - quad + abs(hop)) * x**2)[digits].sum(axis=0)
    if width > 1:
        log_D += hop * (field * np.roll(field, -1, 0)).sum(axis=0)
    scale = log_D.max()
    D = np.exp(log_D - scale)

    total, correlation = np.zeros(4), np.zeros(length + 1)
    rows, multiplicity = _distinct_rows(digits, n)
    row_sum = field.sum(axis=0)
    half = length // 2
    link = 0.0
    for row, count in zip(rows, multiplicity):
        vectors = [_product_vector(kernel[:, digits[:, row]])]
        for _ in range(length - 2):
            vectors.append(_apply(kernel, D * vectors[-1], width))
        mine = count * D[row]
        # v_r e_s and v_{T-r} e_s, r = 1..T/2: rows s and s' at distance r
        for r in range(1, half + 1):
            joint = D * vectors[r - 1] * vectors[length - r - 1]
            correlation[r] += mine * row_sum[row] * (row_sum @ joint)
            if r == 1:
                weight = mine * joint.sum()
                link += mine * (field[:, row] @ (field @ joint))
        here = field[:, row]
        total += weight * np.array(
            [1.0, np.mean(here**2), np.mean(here**4), here @ np.roll(here, -1)]
        )
        correlation[0] += weight * row_sum[row] ** 2
    Z, phi2, phi4, bonds = total
    phi2, phi4, bonds, link = phi2 / Z, phi4 / Z, bonds / Z, link / Z
    sums = correlation / Z
    chain = sum(sums[min(r, length - r)] for r in range(length))
    per_row = link + (bonds if width > 1 else 0.0)
    V = width * length
    m2 = chain / (V * width)
    return {
        "log_z": float(np.log(Z) + length * scale) - V * const,
        "free_energy": -float(np.log(Z) + length * scale) + V * const,
        "action_per_site": -hop * per_row / width + quad * phi2 + quart * phi4 + const,
        "phi2": float(phi2),
        "phi4": float(phi4),
        "magnetization": 0.0,
        "m2": float(m2),
        "susceptibility": float(V * m2),
    }


def _distinct_rows(digits: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that differ by more than rotation, reflection and sign, and their multiplicities.

    The sign is a common sign of all fields: the nodes are symmetric about 0.
    """
    place = n ** np.arange(len(digits) - 1, -1, -1)
    smallest = place @ digits
    for image in (digits, n - 1 - digits):
        for turn in range(len(digits)):
            turned = np.roll(image, turn, 0)
            smallest = np.minimum(smallest, place @ turned)
            smallest = np.minimum(smallest, place @ turned[::-1])
    return np.unique(smallest, return_counts=True)


def _product_vector(columns: np.ndarray) -> np.ndarray:
    """Outer product of the w columns of an (n, w) array, shape (n^w,)."""
    vector = columns[:, 0]
    for c in range(1, columns.shape[1]):
        vector = np.outer(vector, columns[:, c]).ravel()
    return vector


def _apply(kernel: np.ndarray, vector: np.ndarray, width: int) -> np.ndarray:
    """Apply the (n, n) kernel to every column of a row vector of n^width entries."""
    for _ in range(width):  # acts on the last column, which moves to the front
        vector = (kernel @ vector.reshape(-1, len(kernel)).T).ravel()
    return vector
