r"""What families of models over a coupling share: weights that are polynomials of it.

.. math:: \theta(c) = \sum_{m=0}^{M} T_m(u) \, \theta_m , \qquad
          u = \frac{2c - c_- - c_+}{c_+ - c_-} \in [-1, 1]

with Chebyshev polynomials T_m, for every weight of a pattern model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Support

__all__ = ["Bound", "PolynomialFamily"]


class PolynomialFamily(nn.Module):
    """A family of models over an interval of one coupling.

    Parameters
    ----------
    pattern : nn.Module
        A model, whose weights are those of the whole interval at first.
    coupling : str
        Name of the coupling.
    low, high : float
        Ends of the interval, low < high.
    degree : int
        M >= 1.

    Raises
    ------
    InputError
        If the interval is empty or a number out of range.
    """

    plural = "models"  # what the members are called in errors

    def __init__(
        self, pattern: nn.Module, coupling: str, low: float, high: float, degree: int
    ) -> None:
        super().__init__()
        if not check_finite("low", low) < check_finite("high", high):
            raise InputError(f"low must be below high, got {coupling} in [{low}, {high}]")
        self.coupling, self.low, self.high = str(coupling), float(low), float(high)
        self.degree = check_positive_int("degree", degree)
        self.names = [name for name, _ in pattern.named_parameters()]
        self.coefficients = nn.ParameterList()
        for p in pattern.parameters():
            rest = torch.zeros(degree, *p.shape)
            self.coefficients.append(nn.Parameter(torch.cat([p.detach()[None], rest])))
        self._calls = [_Calls(pattern)]  # in a list, so that its weights are not parameters

    @property
    def pattern(self) -> Any:
        """The model whose weights are replaced."""
        return self._calls[0].pattern

    def using(self, value: float, use: Callable[[Any], Any]) -> Any:
        """Return use(the model at this value), differentiable in all weights of the family."""
        return self.using_weights(self.weights(value), use)

    def using_weights(self, weights: Mapping[str, torch.Tensor], use: Callable[[Any], Any]) -> Any:
        """Return use(the pattern with these weights), differentiable in them."""
        named = {f"pattern.{name}": w for name, w in weights.items()}
        return functional_call(self._calls[0], named, (use,))

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the range of the coupling."""
        return self.low, self.high

    def place(self, value: float) -> float:
        """Return u in [-1, 1] of a value of the coupling.

        Raises
        ------
        InputError
            If the value lies outside the interval, where polynomials cannot be trusted.
        """
        if not self.low <= check_finite(self.coupling, value) <= self.high:
            raise InputError(
                f"{self.coupling} must lie in [{self.low:g}, {self.high:g}], the range of this "
                f"family of {self.plural}, got {value:g}; train one for a wider range"
            )
        return (2 * value - self.low - self.high) / (self.high - self.low)

    def weights(self, value: float) -> dict[str, torch.Tensor]:
        """Return the weights at a value of the coupling, differentiable.

        Raises
        ------
        InputError
            If the value lies outside the interval.
        """
        u = np.clip(self.place(value), -1, 1)
        T = np.cos(np.arange(self.degree + 1) * np.arccos(u))
        pairs = zip(self.names, self.coefficients, strict=True)
        return {name: torch.tensordot(c.new_tensor(T), c, 1) for name, c in pairs}

    def value_of(self, couplings: Mapping[str, float]) -> float:
        """Return the value of the one coupling that may be named.

        Raises
        ------
        InputError
            If another one is.
        """
        if set(couplings) != {self.coupling}:
            raise InputError(
                f"this family of {self.plural} is one in {self.coupling}, got "
                f"{', '.join(couplings)}"
            )
        return couplings[self.coupling]


class _Calls(nn.Module):
    """A model, to be used with other weights than its own."""

    def __init__(self, pattern: nn.Module) -> None:
        super().__init__()
        self.pattern = pattern

    def forward(self, use: Callable[[Any], Any]) -> Any:
        """Return what `use` makes of the model."""
        return use(self.pattern)


class Bound:
    """A member of a family, with weights through which gradients flow to what they came from."""

    def __init__(self, family: PolynomialFamily, value: float) -> None:
        self._family, self._weights = family, family.weights(value)

    def parameters(self, recurse: bool = True) -> Iterator[torch.Tensor]:
        """Yield the weights in use."""
        del recurse
        yield from self._weights.values()

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self._family.pattern.event_shape

    @property
    def support(self) -> Support:
        """Support of the configurations."""
        return self._family.pattern.support

    def _with(self, use: Callable[[Any], Any]) -> Any:
        return self._family.using_weights(self._weights, use)
