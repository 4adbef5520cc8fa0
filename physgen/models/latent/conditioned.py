r"""One variational autoencoder for a range of a coupling: its weights are polynomials of it.

.. math:: \theta(c) = \sum_{m=0}^{M} T_m(u) \, \theta_m , \qquad
          u = \frac{2c - c_- - c_+}{c_+ - c_-} \in [-1, 1]

with Chebyshev polynomials, for every weight of encoder, decoder and prior, as in
:mod:`physgen.models.flows.conditioned`: q(x, z | c) for configurations that are labelled by c.
:meth:`ConditionedVAE.at` returns a :class:`~physgen.models.VAE` like any other, also at couplings
that no configuration was given for.  It describes all sites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.latent.vae import VAE

__all__ = ["ConditionedVAE"]


@final
class ConditionedVAE(nn.Module):
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
        super().__init__()
        if not check_finite("low", low) < check_finite("high", high):
            raise InputError(f"low must be below high, got {coupling} in [{low}, {high}]")
        self.coupling, self.low, self.high = str(coupling), float(low), float(high)
        self.degree = check_positive_int("degree", degree)
        pattern = VAE(**{k: v for k, v in vae.items() if k != "family"}, rng=rng)
        self.names = [name for name, _ in pattern.named_parameters()]
        self.coefficients = nn.ParameterList()
        for p in pattern.parameters():
            rest = torch.zeros(degree, *p.shape)
            self.coefficients.append(nn.Parameter(torch.cat([p.detach()[None], rest])))
        self._calls = [_Calls(pattern)]  # in a list, so that its weights are not parameters

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {
            "family": "conditioned-vae", "vae": self._calls[0].vae.config,
            "coupling": self.coupling, "low": self.low, "high": self.high, "degree": self.degree,
        }  # fmt: skip

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self._calls[0].vae.event_shape

    def weights(self, value: float) -> dict[str, torch.Tensor]:
        """Return the weights of the VAE at a value of the coupling, differentiable.

        Raises
        ------
        InputError
            If the value lies outside the interval, where polynomials cannot be trusted.
        """
        low, high = self.low, self.high
        if not low <= check_finite(self.coupling, value) <= high:
            raise InputError(
                f"{self.coupling} must lie in [{low:g}, {high:g}], the range of this family of "
                f"models, got {value:g}; train one for a wider range"
            )
        u = (2 * value - low - high) / (high - low)
        T = np.cos(np.arange(self.degree + 1) * np.arccos(np.clip(u, -1, 1)))
        pairs = zip(self.names, self.coefficients, strict=True)
        return {name: torch.tensordot(c.new_tensor(T), c, 1) for name, c in pairs}

    def using(self, value: float, use: Callable[[VAE], Any]) -> Any:
        """Return use(the VAE at this value), differentiable in all weights of the family."""
        weights = {f"vae.{name}": w for name, w in self.weights(value).items()}
        return functional_call(self._calls[0], weights, (use,))

    @torch.no_grad()
    def at(self, **couplings: float) -> VAE:
        """Return the VAE at a value of the coupling, e.g. ``family.at(beta=0.42)``.

        Raises
        ------
        InputError
            If another coupling is named, or the value lies outside the interval.
        """
        if set(couplings) != {self.coupling}:
            raise InputError(
                f"this family of models is one in {self.coupling}, got {', '.join(couplings)}"
            )
        pattern = self._calls[0].vae
        vae = VAE(**{"visible": pattern.visible, **pattern.arguments}, rng=0)
        vae.load_state_dict(self.weights(couplings[self.coupling]), strict=False)
        return vae.to(self.coefficients[0].dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> ConditionedVAE:
        # Training copies a model to average or try out weights.
        arguments = {k: v for k, v in self.config.items() if k != "family"}
        arguments["vae"] = {"visible": self._calls[0].vae.visible, **arguments["vae"]}
        new = ConditionedVAE(**arguments, rng=0)
        new.to(self.coefficients[0].dtype).load_state_dict(self.state_dict())
        return new


class _Calls(nn.Module):
    """A VAE, to be used with other weights than its own."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, use: Callable[[VAE], Any]) -> Any:
        """Return what `use` makes of the VAE."""
        return use(self.vae)
