r"""One variational autoencoder for a range of a coupling: its weights are polynomials of it.

Chebyshev polynomials (:mod:`physgen.models.polynomial_family`), for every weight of encoder,
decoder and prior: q(x, z | c) for configurations that are labelled by c.
:meth:`ConditionedVAE.at` returns a :class:`~physgen.models.VAE` like any other, also at couplings
that no configuration was given for.  It describes all sites.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from physgen.core.random import Stream
from physgen.models.latent.vae import VAE
from physgen.models.polynomial_family import PolynomialFamily

__all__ = ["ConditionedVAE"]


@final
class ConditionedVAE(PolynomialFamily):
    """A family of VAEs over an interval of one coupling; a Conditional.

    Parameters
    ----------
    vae : mapping
        Arguments of the VAEs, ``{"shape": ..., ...}``.
    coupling : str
        Name of the coupling, e.g. "beta".
    low, high : float
        Ends of the interval, low < high.
    degree : int
        M >= 1.
    rng : Stream or int

    Raises
    ------
    InputError
        If the interval is empty or a number out of range.
    """

    def __init__(
        self,
        vae: Mapping[str, Any],
        coupling: str,
        low: float,
        high: float,
        degree: int = 3,
        *,
        rng: Stream | int = 0,
    ) -> None:
        pattern = VAE(**{k: v for k, v in vae.items() if k != "family"}, rng=rng)
        super().__init__(pattern, coupling, low, high, degree)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {
            "family": "conditioned-vae", "vae": self.pattern.config,
            "coupling": self.coupling, "low": self.low, "high": self.high, "degree": self.degree,
        }  # fmt: skip

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.pattern.event_shape

    @torch.no_grad()
    def at(self, **couplings: float) -> VAE:
        """Return the VAE at a value of the coupling, e.g. ``family.at(beta=0.42)``.

        Raises
        ------
        InputError
            If another coupling is named, or the value lies outside the interval.
        """
        pattern = self.pattern
        vae = VAE(**{"visible": pattern.visible, **pattern.arguments}, rng=0)
        vae.load_state_dict(self.weights(self.value_of(couplings)), strict=False)
        return vae.to(self.coefficients[0].dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConditionedVAE:
        # Training copies a model to average or try out weights.
        arguments = {k: v for k, v in self.config.items() if k != "family"}
        arguments["vae"] = {"visible": self.pattern.visible, **arguments["vae"]}
        new = ConditionedVAE(**arguments, rng=0)
        new.to(self.coefficients[0].dtype).load_state_dict(self.state_dict())
        return new
