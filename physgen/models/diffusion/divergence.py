r"""Divergences of a vector field: in full, by coloured probes of a local one, and at random.

With the Jacobian J of a field f and probes v, :math:`v^T J` costs one pass there and back:

===========  ===============================================  =====================================
full         :math:`\sum_k e_k^T J e_k`                       n passes: small systems
coloured     :math:`\sum_c \sum_x (v_c^T J)_x M_{x y_c(x)}`   a pass a colour, if f is local
hutchinson   :math:`v^T J v` with random signs                one pass, unbiased, and **random**
===========  ===============================================  =====================================

A local field has :math:`J_{yx} \ne 0` only where y - x lies in its reach.  Sites have one colour
if no x reaches two of them.  Then the rows of J at the sites y of a colour c do not overlap in
:math:`v_c^T J`, :math:`v_c = \sum_{y \in c} e_y`, and :math:`y_c(x)` says whose row it is at x.
So not only the trace of J is known but the trace of J M for any matrix M, which is the divergence
between full-range filters, as those before and after the networks here.

An unbiased estimate of log q of variance v makes weights whose effective share is :math:`e^{-v}`:
random probes are for the plots of a training alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from physgen.models.diffusion.filters import Filters

__all__ = ["Colours", "coloured_trace", "full_trace", "random_trace", "reach_of"]

Vector = Callable[[torch.Tensor], torch.Tensor]  # (B, n) -> (B, n)
_NUMBERS = 2**17  # numbers in the passes of one chunk of probes


def full_trace(f: Vector, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return f(y) (B, n) and its divergence (B,), exact, at the price of n passes."""
    total = y.new_zeros(len(y))
    basis = torch.eye(y.shape[1], dtype=y.dtype, device=y.device)
    for rows in basis.split(_passes(y)):
        total = total + torch.einsum("pbn,pn->b", _pulled(f, y, rows), rows)
    return f(y), total


def random_trace(
    f: Vector, y: torch.Tensor, probe: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return f(y) and v^T J v (B,) with a probe v (B, n) of random signs: not for weights."""
    with torch.enable_grad():
        at = y.detach().requires_grad_()
        found = f(at)
        (pulled,) = torch.autograd.grad(found, at, probe)
    return found.detach(), (pulled * probe).sum(1)


def coloured_trace(
    f: Vector, x: torch.Tensor, colours: Colours, M: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return f(x) (B, n) of a local field of sites, and the trace of J M (B,), exact.

    Parameters
    ----------
    f : callable (B, n) -> (B, n)
        Its reach is not larger than the reach that the colours are made for.
    x : tensor (B, n)
    colours : Colours
    M : tensor (n_orbits,)
        Elements of the symmetric matrix M by the orbit of the displacement.
    """
    total = x.new_zeros(len(x))
    for probes, weight in colours.chunks(x, M):
        total = total + torch.einsum("pbn,pn->b", _pulled(f, x, probes), weight)
    return f(x), total


def _passes(x: torch.Tensor) -> int:
    """Return how many probes go through the field at once."""
    return max(1, _NUMBERS // max(1, x.numel()))


def _pulled(f: Vector, x: torch.Tensor, probes: torch.Tensor) -> torch.Tensor:
    """Return v^T J (P, B, n) of probes v (P, n), differentiable where gradients are enabled."""
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        many = x.repeat(len(probes), 1)
        if not many.requires_grad:
            many.requires_grad_()
        (pulled,) = torch.autograd.grad(
            f(many), many, probes.repeat_interleave(len(x), 0), create_graph=differentiable
        )
    return pulled.view(len(probes), *x.shape)


def reach_of(filters: Filters, steps: np.ndarray, times: int) -> np.ndarray:
    """Return which sites the origin reaches in a number of steps, each of the given displacements.

    Parameters
    ----------
    filters : Filters
    steps : ndarray of int (m, dim)
    times : int

    Returns
    -------
    ndarray of bool (n,)
    """
    d, extents = filters.places[0].displacements, np.array(filters.lattice.shape)
    number = {tuple(row): k for k, row in enumerate((d % extents).tolist())}
    reached = {tuple([0] * d.shape[1])}
    for _ in range(times):
        reached = {tuple(((np.array(r) + s) % extents).tolist()) for r in reached for s in steps}
    found = np.zeros(filters.n, dtype=bool)
    found[[number[r] for r in reached]] = True
    return found


class Colours:
    """A colouring of the sites of filters for fields of a given reach.

    Parameters
    ----------
    filters : Filters
    reach : ndarray of bool (n,)
        Whether f at the origin depends on a site; symmetric under reflections.

    Attributes
    ----------
    probes : ndarray of int8 (n_colours, n)
    owner : ndarray of int (n_colours, n)
        Number of the site of the colour that reaches a site, -1 if none does.
    """

    def __init__(self, filters: Filters, reach: np.ndarray) -> None:
        n, extents = filters.n, np.array(filters.lattice.shape)
        place, coordinates = filters.places[0], filters.lattice.coordinates[filters.sites]
        index = np.full(filters.lattice.n_sites, -1)
        index[filters.sites] = np.arange(n)
        strides = np.cumprod([1, *filters.lattice.shape[:0:-1]])[::-1]
        d = place.displacements[reach]
        reached = index[((coordinates[:, None] + d) % extents) @ strides]
        near = np.zeros((n, n), dtype=bool)
        near[np.arange(n)[:, None], reached] = True
        clash = (near.astype(np.float32) @ near.T.astype(np.float32)) > 0
        colour, taken = np.full(n, -1), []
        for x in self._order(coordinates):
            for c, blocked in enumerate(taken):
                if not blocked[x]:
                    colour[x] = c
                    blocked |= clash[x]
                    break
            else:
                colour[x] = len(taken)
                taken.append(clash[x].copy())
        self.n_colours = len(taken)
        self.probes = (colour == np.arange(self.n_colours)[:, None]).astype(np.int8)
        self.owner = np.full((self.n_colours, n), -1)
        self.owner[colour[:, None], reached] = np.arange(n)[:, None]
        between = (coordinates - coordinates[self.owner]) % extents
        between = np.where(2 * between > extents, between - extents, between)
        self._orbit = np.where(self.owner < 0, len(place.sizes), place.number(between))

    @staticmethod
    def _order(coordinates: np.ndarray) -> np.ndarray:
        """Return sites in the order in which they choose: coarse lattices before fine ones."""
        # Sites whose coordinates share a large power of two are far from each other.
        power = np.where(coordinates == 0, 1 << 30, coordinates & -coordinates).min(1)
        return np.lexsort((*coordinates.T[::-1], -power))

    def chunks(
        self, x: torch.Tensor, M: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Return probes (p, n) and the weights of what comes back, in parts that fit a cache."""
        padded = torch.cat([M, M.new_zeros(1)])  # the last one where no column reaches
        weight = padded[torch.as_tensor(self._orbit, device=x.device)].to(x)
        probes, size = torch.as_tensor(self.probes).to(x), _passes(x)
        yield from zip(probes.split(size), weight.split(size), strict=True)
