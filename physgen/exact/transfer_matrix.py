r"""Ising models on strips by the transfer matrix, for any couplings and fields.

One axis is called time; its layers have w sites and :math:`2^w` states s.  With
:math:`T_t(s, s') = e^{-\beta [E_t(s') - \sum_x J_{t,x} s_x s'_x]}`, E_t the energy within a layer,

.. math:: Z &= \sum_{s, s'} e^{-\beta E_0(s)} (T_1 T_2 \cdots T_{n-1})(s, s')
             \quad \text{(open)}, \\
          Z &= \operatorname{Tr} T_1 T_2 \cdots T_n \quad \text{(periodic)} .

T is never built: it is a product of sparse factors, one for each site, so a step costs
:math:`w\,2^w`.  An open time axis needs one vector (w <= 20), a periodic one :math:`2^w` of them
(w <= 12).  Energy and specific heat are the derivatives of log Z in beta, carried along exactly
(:mod:`physgen.kernels.cpu.transfer`).  Works in any dimension; 1-d chains have w = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.exact.labels import ising_dataset
from physgen.kernels.cpu.transfer import couple_layers, weigh_layer
from physgen.lattice.hypercubic import Hypercubic

if TYPE_CHECKING:
    from physgen.targets.ising import Ising

__all__ = ["MAX_WIDTH_OPEN", "MAX_WIDTH_PERIODIC", "strip_observables", "time_axis"]

MAX_WIDTH_OPEN, MAX_WIDTH_PERIODIC = 20, 12
_ENTRIES = 2**21  # entries of the vectors treated together, 50 MB


def strip_observables(target: Ising) -> xr.Dataset:
    """Return log Z, energy and specific heat of an Ising model on a strip or small torus.

    Parameters
    ----------
    target : Ising
        On a Hypercubic lattice with layers of at most 20 sites across an open axis, or of at most
        12 across a periodic one; the cheapest suitable axis is taken as time.

    Returns
    -------
    xarray.Dataset
        ``log_z``, ``energy_per_site``, ``specific_heat`` and derived quantities (see
        :func:`physgen.exact.exact_ising`).  Rounding errors are about 1e-14 relative.

    Raises
    ------
    InputError
        If the layers are too wide, or the lattice is a Graph.
    """
    axis = time_axis(target.lattice)
    if axis is None:
        raise InputError(
            f"a transfer matrix must have layers of at most {MAX_WIDTH_OPEN} sites across an open "
            f"axis or {MAX_WIDTH_PERIODIC} across a periodic one, got {target.lattice}; "
            "use a sampler"
        )
    strip = _strip(target, axis)
    scale, moments = (_trace if strip.periodic else _open)(strip, target.beta)
    mean = moments[1] / moments[0]
    return ising_dataset(
        target,
        method=f"transfer matrix along axis {axis}",
        log_z=scale - target.beta * strip.offset + np.log(moments[0]),
        energy=strip.offset + mean,
        energy_variance=max(moments[2] / moments[0] - mean**2, 0.0),
        moments={"m": None if np.any(target.h) else 0.0},
    )


def time_axis(lattice: Any) -> int | None:
    """Return the axis along which the transfer matrix is cheapest, None if none is suitable."""
    if not isinstance(lattice, Hypercubic):
        return None
    cost = {}
    for axis, (extent, boundary) in enumerate(zip(lattice.shape, lattice.boundaries)):
        width = lattice.n_sites // extent
        periodic = boundary == "periodic" and extent > 1
        if width <= (MAX_WIDTH_PERIODIC if periodic else MAX_WIDTH_OPEN):
            cost[axis] = width * (2 if periodic else 1)
    return min(cost, key=lambda axis: cost[axis]) if cost else None


@dataclass(frozen=True)
class _Strip:
    """An Ising model in layers; energies are counted from `offset` up."""

    periodic: bool
    symmetric: bool  # under flipping all spins
    along: np.ndarray  # couplings (n, w) from each layer to the next
    within: np.ndarray  # index (n,) of the table of each layer
    tables: list[np.ndarray]  # energies of the 2^w states within a layer, the lowest 0
    offset: float


def _strip(target: Ising, axis: int) -> _Strip:
    """Sort bonds into those along time and those within layers."""
    lattice = target.lattice
    n = lattice.shape[axis]
    w = lattice.n_sites // n
    sites = np.moveaxis(np.arange(lattice.n_sites).reshape(lattice.shape), axis, 0).reshape(n, w)
    layer, place = np.empty((2, lattice.n_sites), dtype=np.int64)
    layer[sites], place[sites] = np.indices((n, w))
    start, end = lattice.bonds.astype(np.int64).T
    is_along = place[start] == place[end]

    along = np.zeros((n, w))
    J = target.bond_couplings
    np.add.at(along, (layer[start[is_along]], place[start[is_along]]), J[is_along])
    inside = [
        [(place[start[b]], place[end[b]], J[b]) for b in np.flatnonzero(~is_along & here)]
        for here in (layer[start] == t for t in range(n))
    ]
    fields = target.site_fields[sites]
    keys = [(tuple(bonds), tuple(h)) for bonds, h in zip(inside, fields)]
    distinct = list(dict.fromkeys(keys))
    tables = [_layer_energies(w, bonds, h) for bonds, h in distinct]
    within = np.array([distinct.index(key) for key in keys])
    lowest = [float(table.min()) for table in tables]
    return _Strip(
        periodic=lattice.boundaries[axis] == "periodic" and n > 1,
        symmetric=not np.any(target.h),
        along=along,
        within=within,
        tables=[table - low for table, low in zip(tables, lowest)],
        offset=sum(lowest[k] for k in within) - float(np.abs(along).sum()),
    )


def _layer_energies(w: int, bonds: Any, h: Any) -> np.ndarray:
    """-sum J s s' - sum h s of every state of a layer; site 0 is the most significant bit."""
    states = np.arange(2**w)
    spin = [1.0 - 2.0 * ((states >> (w - 1 - x)) & 1) for x in range(w)]
    energy = np.zeros(2**w)
    for x, y, J in bonds:
        energy -= J * spin[x] * spin[y]
    for x in np.flatnonzero(h):
        energy -= h[x] * spin[x]
    return energy


def _open(strip: _Strip, beta: float) -> tuple[float, np.ndarray]:
    """Log of a common factor, and the moments M_0, M_1, M_2, summed over everything."""
    vector = np.zeros((3, len(strip.tables[0]), 1))
    vector[0] = 1.0
    scale = _sweep(vector, strip, beta)
    return scale, vector.sum(axis=(1, 2))


def _trace(strip: _Strip, beta: float) -> tuple[float, np.ndarray]:
    """As `_open`, for the trace: one vector for each state of layer 0, in chunks."""
    states = len(strip.tables[0])
    starts = np.arange(states // 2 if strip.symmetric else states)
    columns = max(1, _ENTRIES // states)
    parts = []
    for first in range(0, len(starts), columns):
        chunk = starts[first : first + columns]
        vector = np.zeros((3, states, len(chunk)))
        vector[0, chunk, np.arange(len(chunk))] = 1.0
        scale = _sweep(vector, strip, beta)
        _couple(vector, strip.along[-1], beta)
        parts.append((scale, vector[:, chunk, np.arange(len(chunk))].sum(axis=1)))
    largest = max(scale for scale, _ in parts)
    total = sum(np.exp(scale - largest) * moments for scale, moments in parts)
    return largest, (2.0 if strip.symmetric else 1.0) * np.asarray(total)


def _sweep(vector: np.ndarray, strip: _Strip, beta: float) -> float:
    """Carry the vectors from the first layer to the last, in place; return the log of a factor."""
    weights = [np.exp(-beta * table) for table in strip.tables]
    scale = 0.0
    for t, k in enumerate(strip.within):
        if t > 0:
            _couple(vector, strip.along[t - 1], beta)
        weigh_layer(vector, weights[k], strip.tables[k])
        largest = vector[0].max()
        vector /= largest
        scale += float(np.log(largest))
    return scale


def _couple(vector: np.ndarray, along: np.ndarray, beta: float) -> None:
    """Replace the spins of one layer by those of the next, in place."""
    w, columns = len(along), vector.shape[2]
    for x, J in enumerate(along):
        view = vector.reshape(3, 2**x, 2, 2 ** (w - 1 - x) * columns)
        excess = 2.0 * abs(J)
        couple_layers(view, np.exp(-beta * excess), excess, bool(J >= 0))
