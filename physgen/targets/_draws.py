"""Random numbers of the same kind as a given array."""

from __future__ import annotations

from typing import Any

from physgen.core.random import Stream, as_stream

__all__ = ["Draws"]


class Draws:
    """Uniform and normal deviates beside an array: NumPy for NumPy, torch on its device.

    The two libraries give different numbers from the same stream.
    """

    def __init__(self, rng: Stream | int, beside: Any) -> None:
        stream = as_stream(rng)
        self._beside = beside
        self._is_torch = hasattr(beside, "detach")
        self._generator: Any = stream.torch(beside.device) if self._is_torch else stream.numpy()

    def uniform(self, shape: tuple[int, ...]) -> Any:
        """Return deviates in [0, 1), float64."""
        if self._is_torch:
            return self._new(shape).uniform_(generator=self._generator)
        return self._generator.random(shape)

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Return deviates with zero mean and unit variance, float64."""
        if self._is_torch:
            return self._new(shape).normal_(generator=self._generator)
        return self._generator.standard_normal(shape)

    def _new(self, shape: tuple[int, ...]) -> Any:
        # A method of the tensor at hand, so that torch need not be imported here.
        return self._beside.detach().new_empty(shape).double()
