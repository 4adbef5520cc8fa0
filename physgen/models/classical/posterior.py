r"""Bayesian inference of a few couplings: the posterior as a target.

.. math:: p(\theta | x) \propto \Big[\prod_s p(x_s | \theta)\Big]^{1 / 2\tau} p(\theta) ,
          \quad S(\theta) = -\frac{1}{2\tau} \sum_s \log p(x_s | \theta) - \log p(\theta) ,

with :math:`\tau` the integrated autocorrelation time of the configurations (1/2 where they are
independent): n configurations of a chain count as :math:`n / 2\tau`.  As a target it runs under
emcee, whose chains ArviZ reads; its mode is the estimate of largest posterior (MAP), a likelihood
with a penalty :math:`-\log p(\theta)`.  The likelihood is a probability of x and none of
:math:`\theta`: only with a prior does it become one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.observables.observable import Observable

__all__ = ["CouplingPosterior"]

_STARTS = 64  # draws of the prior among which the search for the mode begins


@final
class CouplingPosterior:
    """The posterior of a few couplings; a Target of real numbers.

    Parameters
    ----------
    log_likelihood : callable(**couplings) -> float
        Of all the data, up to a constant.
    priors : mapping of name to frozen distribution of scipy.stats
        One for each coupling, e.g. ``{"beta": scipy.stats.uniform(0, 1)}``.
    tau_int : float
        Of the configurations in their order, >= 1/2: the likelihood counts 1 / (2 tau_int).

    Raises
    ------
    InputError
        If there is no prior, one is no distribution, or `tau_int` is below 1/2.

    Examples
    --------
    >>> from scipy import stats
    >>> x = np.array([1.2, 0.4, 2.0])
    >>> fit = CouplingPosterior(
    ...     lambda mean: stats.norm.logpdf(x, mean, 0.5).sum(), {"mean": stats.norm(0, 2)}
    ... )
    >>> round(fit.mode()["mean"], 4)
    1.1755
    """

    support: Support = REALS

    def __init__(
        self,
        log_likelihood: Callable[..., float],
        priors: Mapping[str, Any],
        *,
        tau_int: float = 0.5,
    ) -> None:
        if not priors:
            raise InputError("priors must hold one distribution a coupling, got none")
        for name, prior in priors.items():
            if not (hasattr(prior, "logpdf") and hasattr(prior, "rvs")):
                raise InputError(
                    f"the prior of {name} must be a frozen continuous distribution of "
                    f"scipy.stats, got {prior!r}; e.g. stats.uniform(0, 1)"
                )
        if check_finite("tau_int", tau_int) < 0.5:
            raise InputError(f"tau_int must be at least 0.5 (independent), got {tau_int}")
        self.log_likelihood, self.tau_int = log_likelihood, float(tau_int)
        self.priors = MappingProxyType(dict(priors))
        self.event_shape = (len(self.priors),)

    @classmethod
    def of_samples(
        cls,
        at: Callable[..., Any],
        samples: Any,
        priors: Mapping[str, Any],
        *,
        log_z: Callable[..., float] | None = None,
        tau_int: float = 0.5,
    ) -> CouplingPosterior:
        """Return the posterior of the couplings of densities, or of targets with a known log Z.

        Parameters
        ----------
        at : callable(**couplings) -> Density or Target
        samples : array (n, *event_shape)
        priors, tau_int
            As for the class.
        log_z : callable(**couplings) -> float
            Of the targets.

        Raises
        ------
        InputError
            If targets come without their log Z.
        """
        x = to_numpy(samples)

        def log_likelihood(**couplings: float) -> float:
            p = at(**couplings)
            if hasattr(p, "log_prob"):
                return float(to_numpy(p.log_prob(x)).sum())
            if log_z is None:
                raise InputError(
                    "a likelihood needs normalised densities, got a target; give its "
                    "log_z(**couplings), exact or of a trained density"
                )
            return -float(to_numpy(p.action(x)).sum()) - len(x) * float(log_z(**couplings))

        return cls(log_likelihood, priors, tau_int=tau_int)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the couplings, in the order of the last axis."""
        return tuple(self.priors)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The couplings themselves: chains record them under their names."""
        return {
            name: Observable(name, partial(_component, k=k)) for k, name in enumerate(self.names)
        }

    def log_prior(self, theta: Any) -> np.ndarray:
        """Return log p(theta) (...) of couplings (..., n_couplings)."""
        theta = np.asarray(theta, dtype=np.float64)
        return sum(
            (prior.logpdf(theta[..., k]) for k, prior in enumerate(self.priors.values())),
            np.zeros(theta.shape[:-1]),
        )

    def action(self, x: Any) -> np.ndarray:
        """Return S (...) of couplings (..., n_couplings); +inf outside the prior."""
        theta = to_numpy(x).astype(np.float64)
        flat = theta.reshape(-1, len(self.names))
        S = -self.log_prior(flat)
        for i in np.flatnonzero(np.isfinite(S)):
            given = dict(zip(self.names, map(float, flat[i])))
            found = float(self.log_likelihood(**given))
            if math.isnan(found):
                raise InputError(f"the log likelihood must be a number, got NaN at {given}")
            S[i] -= found / (2 * self.tau_int)
        return S.reshape(theta.shape[:-1])

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n draws of the prior (n, n_couplings)."""
        generator = as_stream(rng).child("prior").numpy()
        return np.stack([p.rvs(n, random_state=generator) for p in self.priors.values()], axis=1)

    def mode(self, rng: Stream | int = 0) -> dict[str, float]:
        """Return the couplings of the largest posterior (MAP).

        Raises
        ------
        InputError
            If the search does not converge, or the posterior is 0 wherever it began.
        """
        from scipy.optimize import minimize

        starts = self.hot(rng, _STARTS)
        S = self.action(starts)
        if not np.isfinite(S).any():
            raise InputError(
                f"the posterior is 0 at {_STARTS} draws of the prior; widen or move the prior"
            )
        found: Any = minimize(
            self.action, starts[np.argmin(S)], method="Nelder-Mead",
            options={"xatol": 1e-10, "fatol": 1e-10, "maxiter": 2000 * len(self.names)},
        )  # fmt: skip
        if not found.success:
            raise InputError(
                f"the search for the mode must converge, and did not: {found.message}"
            )
        return dict(zip(self.names, map(float, found.x)))


def _component(theta: Any, k: int) -> Any:
    return theta[..., k]
