r"""A local lattice action whose weights are its couplings.

.. math:: S_g(x) = \sum_a g_a \, O_a(x)

with the sums of :mod:`physgen.targets.local_terms`.  S is linear in g, so score matching and
pseudo-likelihood have one minimum each, which training finds in closed form
(:mod:`physgen.training.linear_score_matching`, :mod:`physgen.training.pseudo_likelihood`).  The
fit leaves beside the couplings their errors, the covariance matrix, and the errors that maximum
likelihood would have on the same configurations; all are stored with the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_choice
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import REALS, SPINS
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.energy.base import Energy
from physgen.targets.checked import whole_source
from physgen.targets.local_action import LocalAction, local_kernel, local_symmetries
from physgen.targets.local_terms import POWERS, TERMS, LocalTerms, check_terms

__all__ = ["LocalActionEnergy"]

_DEFAULT = {"reals": ("nearest", "phi2", "phi4"), "spins": ("nearest",)}


class LocalActionEnergy(Energy):
    """An action of fields or spins on a hypercubic lattice, linear in its weights.

    Parameters
    ----------
    shape : tuple of int
        Of the lattice.
    boundary : {"periodic", "open"}, or one of them for each axis
    terms : sequence of str, optional
        Of field, nearest, diagonal, and phi2, phi4, phi6 (reals) or plaquettes (spins).  By
        default nearest, phi2, phi4 or nearest.  Without "field" the action is even.
    kind : {"reals", "spins"}
    scale : float
        Size of a typical field: a fresh model is a Gaussian of this size on every site.
    rng : Stream or int
        Not used: there is nothing random.

    Raises
    ------
    InputError
        If a term is unknown or the lattice has none, or no power holds a real field together.
    """

    _fitted: torch.Tensor
    _errors: torch.Tensor
    _bounds: torch.Tensor
    _covariance: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        terms: Any = None,
        kind: str = "reals",
        scale: float = 1.0,
        *,
        rng: Stream | int = 0,
    ) -> None:
        del rng
        self_kind = check_choice("kind", kind, tuple(TERMS))
        if boundary is None:
            raise InputError(
                "a local action needs neighbours, got boundary=None; give 'periodic' or 'open'"
            )
        lattice = Hypercubic(tuple(shape), boundary)
        names = check_terms(_DEFAULT[kind] if terms is None else terms, kind, lattice)
        if kind == "reals" and not set(names) & set(POWERS):
            raise InputError(
                f"an action of real fields needs one of {', '.join(POWERS)}, got "
                f"{', '.join(names)}: nothing holds the field together"
            )
        support = REALS if kind == "reals" else SPINS
        super().__init__(shape, support, boundary, even="field" not in names, scale=scale)
        self.kind, self.terms = self_kind, names
        self.local = LocalTerms(lattice, names, kind)
        n = len(names)
        fresh = torch.zeros(n, dtype=torch.float64)
        if kind == "reals":
            first = next(name for name in POWERS if name in names)
            p = POWERS[first]
            fresh[names.index(first)] = 1 / (p * self.scale**p)
        self.weights = nn.Parameter(fresh)
        for name, size in (("fitted", (n,)), ("errors", (n,)), ("bounds", (n,))):
            self.register_buffer(f"_{name}", torch.full(size, np.nan, dtype=torch.float64))
        self.register_buffer("_covariance", torch.full((n, n), np.nan, dtype=torch.float64))

    # --- for a target ---------------------------------------------------------------------

    @classmethod
    def for_target(
        cls, source: Any, *, rng: Stream | int = 0, **options: Any
    ) -> LocalActionEnergy:
        """Return a fresh action of the fields or spins of a target, or of given configurations.

        Of the source only shape, lattice, symmetries and the size of a field are used, never its
        couplings.

        Parameters
        ----------
        source : Target or Configurations
        rng : Stream or int
        **options
            Other arguments of the class, e.g. terms.

        Raises
        ------
        InputError
            If it has neither real fields nor spins, or no hypercubic lattice.
        """
        source = whole_source(source)
        kind = source.support.kind
        if kind not in TERMS:
            raise InputError(f"a local action is one of real fields or spins, got {kind}")
        return super().for_target(source, rng=rng, **{"kind": kind, **options})

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return shape, boundary, terms and scale, as a source declares them."""
        kind = check_choice("kind", options.get("kind", "reals"), tuple(TERMS))
        found = cls.lattice_arguments(source, REALS if kind == "reals" else SPINS, rng)
        if found["boundary"] is None and options.get("boundary") is None:
            raise InputError(
                f"a local action needs a hypercubic lattice, got {source!r} without one; give "
                "boundary='periodic' or 'open'"
            )
        even = found.pop("even")
        terms = _DEFAULT[kind] if even else ("field", *_DEFAULT[kind])
        return {**found, "terms": terms, "kind": kind}

    # --- the action -------------------------------------------------------------------------

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64 of (B, *shape), differentiable in couplings and fields."""
        return self.local.values(x) @ self.weights

    def force(self, x: Any) -> Any:
        """Return -dS/dx of real fields, with the shape, kind and type of x, without gradients."""
        if self.kind != "reals":
            raise InputError("a force needs real fields, got a model of spins")
        self._batch(x)
        g = self.couplings.values()
        found = -self.local.weighted_slope(x.detach() if isinstance(x, torch.Tensor) else x, g)
        return found.to(x.dtype) if isinstance(x, torch.Tensor) else found.astype(x.dtype)

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return self.local.lattice.n_sites

    @property
    def couplings(self) -> Mapping[str, float]:
        """The couplings g_a by name, with their sign in S: a ferromagnet has nearest < 0."""
        return self._named(self.weights)

    @property
    def numbers(self) -> Mapping[str, float]:
        """The couplings as labels of results: g_nearest, g_phi2, ... (phi2 is an observable)."""
        return MappingProxyType({f"g_{name}": g for name, g in self.couplings.items()})

    @property
    def coupling_errors(self) -> Mapping[str, float]:
        """Standard errors by name; NaN unless the couplings are those of a fit in closed form."""
        return self._named(self._of_fit(self._errors))

    @property
    def coupling_bounds(self) -> Mapping[str, float]:
        """Errors of maximum likelihood on the same configurations, by name.

        For independent configurations they are the Cramér-Rao bound.
        """
        return self._named(self._of_fit(self._bounds))

    @property
    def coupling_covariance(self) -> np.ndarray:
        """Covariance matrix of the couplings, in the order of `terms`."""
        return self._of_fit(self._covariance).cpu().numpy().copy()

    def set_fit(self, fit: Any) -> None:
        """Take couplings, errors, covariance and bounds.

        Parameters
        ----------
        fit : LinearFit
            Of the same terms.
        """
        if tuple(fit.terms) != self.terms:
            raise InputError(
                f"couplings must be of the terms {', '.join(self.terms)}, got "
                f"{', '.join(fit.terms)}"
            )
        with torch.no_grad():
            self.weights.copy_(torch.as_tensor(fit.couplings))
            self._fitted.copy_(self.weights)
            self._errors.copy_(torch.as_tensor(fit.errors))
            self._covariance.copy_(torch.as_tensor(fit.covariance))
            self._bounds.copy_(torch.as_tensor(fit.bounds))

    # --- as a target ------------------------------------------------------------------------

    @property
    def target(self) -> LocalAction:
        """The action as a target with these numbers, without weights.

        Raises
        ------
        UnboundedTargetError
            If e^{-S} cannot be normalised; names the coupling.
        """
        couplings: Any = self.couplings
        try:
            return LocalAction(self.local.lattice, kind=self.kind, **couplings)
        except UnboundedTargetError as error:
            raise UnboundedTargetError(
                f"{error}; the couplings of this model define no distribution: fit it to more "
                "configurations, fix a coupling or leave a term out"
            ) from None

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """The compiled loop and its arrays, as in :class:`~physgen.targets.LocalAction`.

        Spins with plaquettes have none.

        Raises
        ------
        UnboundedTargetError
            If e^{-S} cannot be normalised: every sampler of fields asks for the kernel.
        """
        return local_kernel(self.local, self.target.couplings)

    @property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2", "translations" and "point_group" leave S as it is, whatever g."""
        return local_symmetries(self.local.lattice, self.even)

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites, as in LocalAction."""
        return self.target.hot(rng, n)

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n copies of a minimum of S, as in LocalAction."""
        return self.target.cold(rng, n)

    def at(self, **couplings: float) -> LocalActionEnergy:
        """Return a copy with other couplings; they have no errors.

        Raises
        ------
        InputError
            If a name is none of the terms.
        """
        new = copy.deepcopy(self)
        with torch.no_grad():
            for name, g in couplings.items():
                check_choice("each coupling", name, self.terms)
                new.weights[self.terms.index(name)] = float(g)
            if couplings:
                new._fitted.fill_(np.nan)
        return new

    def _of_fit(self, values: torch.Tensor) -> torch.Tensor:
        """Return numbers of the fit, NaN if the couplings have changed since."""
        fitted = torch.equal(self.weights.detach(), self._fitted)
        return values if fitted else torch.full_like(values, np.nan)

    def _named(self, values: torch.Tensor) -> Mapping[str, float]:
        numbers = values.detach().cpu().tolist()
        return MappingProxyType(dict(zip(self.terms, numbers)))
