r"""Filters and spectra on a lattice, from those on another one.

A filter is a function a(d) of displacements d.  On another lattice the same function holds,

.. math:: a'(d') = \sum_{d \equiv d'} a(d) \, w(d) ,

summed over displacements that agree modulo the new extents L'.  On a lattice of extent L the
displacement L/2 has an image at -L/2: either has the weight w = 1/2.  Displacements that only the
larger lattice has begin at zero.  So a filter of bounded reach acts on a large lattice as on a
small one, and a function of the momentum is interpolated between the momenta of the small one,

.. math:: \hat a'_{k'} = \sum_d a(d) \, w(d) \cos k' \cdot d , \qquad
          a(d) = \frac1n \sum_k \hat a_k \cos k \cdot d .

A spectrum is carried over by its inverse: the inverse propagator of a local action is a short sum,
:math:`m^2 + \hat k^2` of a free field, while the propagator reaches as far as its correlations.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.models.diffusion.filters import Filters, Place

__all__ = ["carried_over", "moved", "spectrum_over"]


def carried_over(old: Filters, new: Filters, place: int) -> np.ndarray:
    """Return the matrix (orbits of new, orbits of old) that carries filters to a place over."""
    a, b = old.places[place], new.places[place]
    here, there = np.array(old.lattice.shape), np.array(new.lattice.shape)
    T = np.zeros((len(b.sizes), len(a.sizes)))
    for d, o in zip(a.displacements, a.orbits, strict=True):
        signs = [(1, -1) if 2 * abs(i) == L else (1,) for i, L in zip(d, here, strict=True)]
        images = np.array([d * s for s in product(*signs)])
        to = images % there
        to = np.where(2 * to > there, to - there, to)
        np.add.at(T[:, o], b.number(to), 1 / len(images))
    return T / np.sqrt(b.sizes)[:, None] / np.sqrt(a.sizes)


def spectrum_over(old: Filters, new: Filters, spectrum: np.ndarray) -> np.ndarray:
    """Return a spectrum (n,) of `old` on the modes of `new`.

    Raises
    ------
    InputError
        If it is not positive there: the small lattice is smaller than what it describes.
    """
    filters = _filter_of(old.places[0], 1 / spectrum)
    found = (carried_over(old, new, 0) @ filters) @ new.places[0].characters
    if not found.min() > 0:
        raise InputError(
            f"the inverse spectrum of the lattice {old.lattice.shape}, interpolated in the "
            f"momentum, must be positive on {new.lattice.shape}, got {found.min():.3g}; train on "
            "a larger lattice first"
        )
    return 1 / found


def _filter_of(place: Place, numbers: np.ndarray) -> np.ndarray:
    """Return the filter (n_orbits,) with given numbers (n,) of the modes."""
    return place.characters @ numbers / len(numbers)


@torch.no_grad()
def moved(model: Any, shape: Any) -> Any:
    """Return a score model on another lattice with the weights and units of a given one.

    Raises
    ------
    InputError
        If the number of axes differs, the network does not fit the lattice, or the spectrum is
        not positive there.
    """
    extents = tuple(shape)
    if len(extents) != len(model.shape):
        raise InputError(
            f"weights transfer between lattices of {len(model.shape)} axes, got shape {extents}"
        )
    square = len(set(extents)) == 1 and model.point_group
    changed = {"shape": extents, "point_group": square}
    new = type(model)(**model.arguments | changed, rng=0).to(model.device, model.dtype)
    new.network.carry_over(model.network)
    old = to_numpy(model.spectrum.double())
    spectrum = spectrum_over(model._filters, new._filters, old)
    new.spectrum.copy_(torch.as_tensor(spectrum))
    new.centre.copy_(model.centre)
    new.scales.copy_(model.scales)
    return new
