r"""States of quimb, converted to :class:`~physgen.quantum.MPS`.

quimb keeps the tensors of a network in the order in which they were put in, which is not the order
of the sites once gates have acted, and a tensor may hold several sites or none:

.. math:: \psi_{s_0 \dots s_{L-1}} = \sum_\text{bonds} \prod_t T_t .

So tensors are found by the names of their indices.  Sites are taken from left to right; at each,
the tensors that belong to it are contracted into one matrix, and a QR decomposition without
truncation splits the site off:

.. math:: F_{l s_i \dots} = \sum_m Q_{(l s_i) m} \, R_{m \dots} , \qquad A_i = Q .

The state is exact whatever the network; only the cost depends on the network.  quimb is not
imported: its objects are enough.  0 is the +1 eigenstate of Z.  Its Ising chain is
+ j sum S^z S^z - bx sum S^x with S = sigma / 2: j = -4 J, bx = 2 h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.mps import MPS

__all__ = ["mps_from_quimb"]

LARGEST = 1 << 26  # entries of a contracted tensor


def mps_from_quimb(psi: Any, attrs: Mapping[str, Any] | None = None) -> MPS:
    """Return a state of quimb: qubits in a row, with open ends.

    Parameters
    ----------
    psi : quimb.tensor.MatrixProductState
        Or any network of quimb with one index a site, such as ``circuit.psi``: gates may be
        unapplied (``contract=False``) or merged with their sites (``contract=True``).  Sites that
        were measured out (``isel``, ``measure(remove=True)``) are absent from the state.
    attrs : mapping, optional
        Description of the state.

    Raises
    ------
    InputError
        If it is no state (an operator, say), has periodic ends or sites that are no qubits, or if
        its contraction would take more than 2^26 numbers.
    """
    if not all(hasattr(psi, name) for name in ("tensors", "site_ind", "sites")):
        raise InputError(
            f"a state of quimb must be a MatrixProductState, got {type(psi).__name__}; of a "
            "circuit give circuit.psi, of an operator its application to a state, and for plain "
            "arrays use mps_from_arrays"
        )
    if getattr(psi, "cyclic", False):
        raise InputError(
            "a state of quimb must have open ends, got cyclic=True; for a ring of few sites give "
            "MPS.from_dense(psi.to_dense().ravel())"
        )
    tensors = [_Tensor(tuple(t.inds), _array(t.data)) for t in psi.tensors]
    site_of = _sites(psi, tensors)
    chain = _chain(tensors, site_of)
    kept = sorted(site_of.values())
    told = {} if kept == list(range(len(kept))) else {"quimb_sites": ", ".join(map(str, kept))}
    return MPS(chain, told | dict(attrs or {}))


@dataclass(frozen=True)
class _Tensor:
    """An array with a name for each axis."""

    inds: tuple[str, ...]
    data: np.ndarray

    def times(self, other: _Tensor) -> _Tensor:
        """Return the sum over the indices that both have."""
        shared = [name for name in self.inds if name in other.inds]
        axes = ([self.inds.index(n) for n in shared], [other.inds.index(n) for n in shared])
        left = [(n, d) for n, d in zip(self.inds, self.data.shape) if n not in shared]
        left += [(n, d) for n, d in zip(other.inds, other.data.shape) if n not in shared]
        size = np.prod([float(d) for _, d in left])
        if size > LARGEST:
            raise InputError(
                f"a state of quimb must contract in tensors of at most {LARGEST:,} numbers, got "
                f"one of {size:.3g}; apply its gates with contract='swap+split', or compress it"
            )
        return _Tensor(tuple(n for n, _ in left), np.tensordot(self.data, other.data, axes))


def _array(data: Any) -> np.ndarray:
    """Return the numbers of a tensor: NumPy, torch (also with gradients) or JAX."""
    for name in ("detach", "cpu", "resolve_conj", "resolve_neg"):
        data = getattr(data, name)() if hasattr(data, name) else data
    try:
        array = np.asarray(data)
    except (TypeError, ValueError) as error:
        raise InputError(f"tensors of quimb must be dense arrays, got {error}") from None
    if array.dtype.kind not in "biufc":
        raise InputError(f"tensors of quimb must hold numbers, got {type(data).__name__}")
    return array.astype(complex if array.dtype.kind == "c" else float, copy=False)


def _sites(psi: Any, tensors: list[_Tensor]) -> dict[str, int]:
    """Return the site of each open index."""
    times: dict[str, int] = {}
    for tensor in tensors:
        for name in tensor.inds:
            times[name] = times.get(name, 0) + 1
    many = [name for name, k in times.items() if k > 2]
    twice = [t for t in tensors if len(set(t.inds)) < len(t.inds)]
    if many or twice:
        raise InputError(
            "an index of a state of quimb must join two tensors, got "
            f"{many[0] if many else twice[0].inds} with more; contract the network first"
        )
    sites = list(psi.sites)
    if not all(isinstance(site, (int, np.integer)) for site in sites):
        raise InputError(
            f"a state of quimb must be a chain, with integers as sites, got {sites[:1]}; a small "
            "state goes through MPS.from_dense(psi.to_dense().ravel())"
        )
    named = {psi.site_ind(site): int(site) for site in sites}
    shape = {n: d for t in tensors for n, d in zip(t.inds, t.data.shape)}
    strange = [name for name, k in times.items() if k == 1 and name not in named]
    if any(shape[name] > 1 for name in strange):
        raise InputError(
            "a state of quimb must have one open index a site and no others, got "
            f"{', '.join(strange[:4])}; an operator or a density matrix is no state"
        )
    found = {name: site for name, site in named.items() if times.get(name, 0) == 1}
    if not found:
        raise InputError("a state of quimb must have at least one site, got none")
    wrong = [name for name in found if shape[name] != 2]
    if wrong:
        raise InputError(
            f"sites of quimb must be qubits, got dimension {shape[wrong[0]]} at site "
            f"{found[wrong[0]]}"
        )
    return found


def _chain(tensors: list[_Tensor], site_of: dict[str, int]) -> list[np.ndarray]:
    """Return arrays (left, 2, right), one a site, whose product is the network."""
    order = sorted(site_of, key=site_of.__getitem__)
    waiting = dict(enumerate(tensors))
    place = _places(tensors, {name: k for k, name in enumerate(order)})
    front, arrays = _Tensor(("left",), np.ones(1)), []
    for k, name in enumerate(order):
        for t in [t for t in waiting if place[t] <= k]:
            front = front.times(waiting.pop(t))
        rest = [n for n in front.inds if n not in ("left", name)]
        axes = [front.inds.index(n) for n in ("left", name, *rest)]
        whole = front.data.transpose(axes)
        if k == len(order) - 1:  # open indices of dimension 1 may be left
            arrays.append(whole.reshape(-1, 2, 1))
            break
        shape = whole.shape[2:]
        Q, R = np.linalg.qr(whole.reshape(whole.shape[0] * 2, -1))
        arrays.append(Q.reshape(-1, 2, Q.shape[1]))
        scale = float(np.abs(R).max())  # keeps long products finite
        R = R / scale if scale > 0 else R
        front = _Tensor(("left", *rest), R.reshape(-1, *shape))
    return arrays


def _places(tensors: list[_Tensor], position: dict[str, int]) -> list[int]:
    """Return the site at which each tensor is contracted: its first, or of those it touches."""
    place: list[int | None] = [
        min((position[n] for n in t.inds if n in position), default=None) for t in tensors
    ]
    holders: dict[str, list[int]] = {}
    for k, t in enumerate(tensors):
        for name in t.inds:
            holders.setdefault(name, []).append(k)
    known = [k for k, p in enumerate(place) if p is not None]
    while known:
        layer: dict[int, int] = {}
        for k in known:
            for other in (o for name in tensors[k].inds for o in holders[name]):
                if place[other] is None:
                    here = place[k] or 0
                    layer[other] = min(layer.get(other, here), here)
        for k, p in layer.items():
            place[k] = p
        known = list(layer)
    return [0 if p is None else p for p in place]  # a number, joined to nothing
