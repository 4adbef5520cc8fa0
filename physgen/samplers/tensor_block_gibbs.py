"""Block Gibbs chains of a restricted Boltzmann machine on a CUDA device, by torch.

The sweeps of :class:`~physgen.samplers.block_gibbs.BlockGibbsChains`, from the same random words
and in the same layout (:mod:`physgen.kernels.torch.units`): units agree but where a word falls
within rounding of a probability, and a run may continue on the other device.  Chains and weights
stay on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.cuda_arrays import TensorArray
from physgen.samplers.plain import default_observables, first_configurations

__all__ = ["TensorBlockGibbsChains", "require_cuda_of_torch"]

_DTYPES = {"spins": np.int8, "outcomes": np.uint8, "reals": np.float32}


@final
@dataclass(frozen=True, eq=False)
class TensorBlockGibbsChains:
    """Chains of one machine, with the weights that it has when they are bound.

    Parameters
    ----------
    target : Target
        With ``kernel`` ("rbm", (W, W^T, a, b, scale, codes)); see `kernels.cpu.rbm`.
    device : str
        Of torch.
    """

    target: Any
    device: str = "cuda"
    exactness: str = "asymptotic"

    @cached_property
    def layers(self) -> tuple[tuple[Any, ...], tuple[int, int]]:
        """(W, a, b, widths) on the device, and the codes of the units."""
        import torch

        W, _, a, b, scale, (visible, hidden) = self.target.kernel[1]
        weights = tuple(torch.tensor(array, device=self.device) for array in (W, a, b, scale))
        return weights, (int(visible), int(hidden))

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first visible units."""
        import torch

        x = first_configurations(self.target, rng, n_chains, start).astype(self._dtype)
        held: Any = TensorArray(torch.tensor(x, device=self.device), x.shape)
        return State(held)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n sweeps."""
        import torch

        from physgen.kernels.torch.units import labels_of, rows_of, sweeps

        check_positive_int("n", n)
        check_layout(state, self._dtype, *self.target.event_shape)
        weights, codes = self.layers
        given: Any = state.x
        x = given.data if isinstance(given, TensorArray) else torch.tensor(given)
        v = rows_of(x.to(self.device), codes[0]).T
        moved = labels_of(sweeps(weights, codes, v, n, rng), codes[0])
        held: Any = TensorArray(moved.contiguous(), tuple(given.shape))
        return State(held), Info()

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target, of a copy on the host."""
        return default_observables(self.target, self.configurations(state))

    def configurations(self, state: State) -> np.ndarray:
        """Return the visible units, shape (n_chains, *event_shape)."""
        return np.asarray(state.x)

    @property
    def _dtype(self) -> Any:
        return _DTYPES[self.target.support.kind]


def require_cuda_of_torch() -> None:
    """Raise :class:`InputError` if torch finds no CUDA device."""
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            f"device must name one that is there, got 'cuda' (torch {torch.__version__} finds no "
            "CUDA device); use device='cpu', or a machine and a torch that have one "
            "(`physgen info` says what is missing)"
        )
