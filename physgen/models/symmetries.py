r"""Symmetries of strings: permutations of sites and of outcomes, and the group they generate.

An element g acts on a string a by

.. math:: (g a)_i = \sigma_g\big( a_{\pi_g(i)} \big)

with a permutation pi of the L sites and a permutation sigma of the K outcomes, the same at every
site.  The product gh (first h, then g) has :math:`\pi = \pi_h \circ \pi_g`,
:math:`\sigma = \sigma_g \circ \sigma_h`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["MAX_ELEMENTS", "SYMMETRIES", "Symmetry", "as_symmetry", "group"]

# A likelihood of the symmetrised model costs one of the base model per element.
MAX_ELEMENTS = 64
SYMMETRIES = ("reflection", "translation")


@dataclass(frozen=True)
class Symmetry:
    """A permutation of sites, of outcomes, or of both, that leaves the distribution invariant.

    Parameters
    ----------
    name : str
        ``"reflection"`` (i -> L-1-i) and ``"translation"`` (i -> i+1 on a ring) are known by name
        and take no permutation.
    sites : sequence of int, optional
        Position i of the new string holds the outcome of site ``sites[i]``.
    outcomes : sequence of int, optional
        Outcome k becomes ``outcomes[k]``, at every site.

    Raises
    ------
    InputError
        If a sequence is not a permutation, or an unknown name comes without one.

    Examples
    --------
    >>> Symmetry("flip", outcomes=[1, 0]).permutations(L=3, K=2)
    (array([0, 1, 2]), array([1, 0]))
    """

    name: str
    sites: tuple[int, ...] | None = None
    outcomes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for field in ("sites", "outcomes"):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, _permutation(f"{field} of {self.name!r}", value))
        named = self.name in SYMMETRIES
        if named and (self.sites, self.outcomes) != (None, None):
            raise InputError(
                f"the symmetry {self.name!r} is known by its name and takes no permutation; "
                "give yours another name"
            )
        if not named and (self.sites, self.outcomes) == (None, None):
            raise InputError(
                f"a symmetry must be one of {', '.join(map(repr, SYMMETRIES))} or come with a "
                f"permutation of sites or outcomes, got {self.name!r} alone"
            )

    @property
    def config(self) -> str | dict[str, Any]:
        """The symmetry in JSON types; :func:`as_symmetry` is the inverse."""
        if self.name in SYMMETRIES:
            return self.name
        given = {"sites": self.sites, "outcomes": self.outcomes}
        return {"name": self.name} | {k: list(v) for k, v in given.items() if v is not None}

    def permutations(self, L: int, K: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pi (L,) and sigma (K,) for a string of L sites with K outcomes each."""
        sites, outcomes = np.arange(L), np.arange(K)
        if self.name == "reflection":
            return sites[::-1].copy(), outcomes
        if self.name == "translation":
            return np.roll(sites, -1), outcomes
        for field, wanted in (("sites", L), ("outcomes", K)):
            given = getattr(self, field)
            if given is not None and len(given) != wanted:
                raise InputError(
                    f"{field} of the symmetry {self.name!r} must permute {wanted} {field}, "
                    f"got {len(given)}"
                )
        return (
            sites if self.sites is None else np.array(self.sites),
            outcomes if self.outcomes is None else np.array(self.outcomes),
        )


def as_symmetry(given: Symmetry | str | Mapping[str, Any]) -> Symmetry:
    """Return a symmetry from itself, its name, or the mapping of :attr:`Symmetry.config`."""
    if isinstance(given, Symmetry):
        return given
    if isinstance(given, str):
        return Symmetry(check_choice("symmetry", given, SYMMETRIES))
    unknown = set(given) - {"name", "sites", "outcomes"}
    if unknown or not isinstance(given.get("name"), str):
        raise InputError(
            "a symmetry must be a name, or a mapping with 'name' and 'sites' or 'outcomes', "
            f"got {dict(given)}"
        )
    return Symmetry(**given)


def group(symmetries: Iterable[Symmetry], L: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the group that the symmetries generate, the identity first.

    Returns
    -------
    sites : array (n, L) of int64
        pi of each element.
    outcomes : array (n, K) of int64
        sigma of each element.

    Raises
    ------
    InputError
        If a permutation has another length, or the group more than MAX_ELEMENTS elements.
    """
    symmetries = list(symmetries)
    generators = [s.permutations(L, K) for s in symmetries]
    identity = (tuple(range(L)), tuple(range(K)))
    found, fresh = {identity: None}, [identity]  # a dict keeps the order of discovery
    while fresh:
        pi, sigma = (np.array(p) for p in fresh.pop(0))
        # Every element of a finite group is a product of generators, so this closes it.
        for sites, outcomes in generators:
            product = (tuple(pi[sites].tolist()), tuple(outcomes[sigma].tolist()))
            if product in found:
                continue
            found[product] = None
            fresh.append(product)
            if len(found) > MAX_ELEMENTS:
                names = ", ".join(repr(s.name) for s in symmetries)
                raise InputError(
                    f"the symmetries must generate a group of at most {MAX_ELEMENTS} elements, as "
                    f"a likelihood costs one of the model for each, got more from {names} on "
                    f"{L} sites; name fewer, or a subgroup by its own permutation"
                )
    sites, outcomes = zip(*found)
    return np.array(sites, dtype=np.int64), np.array(outcomes, dtype=np.int64)


def _permutation(name: str, values: Any) -> tuple[int, ...]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu" or set(array) != set(range(array.size)):
        raise InputError(f"{name} must be a permutation of 0..n-1, got {values!r}")
    return tuple(array.tolist())
