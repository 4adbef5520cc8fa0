r"""The map of a coupling flow without its base: a layer between two targets.

.. math:: T = C_n \circ \dots \circ C_1

(:mod:`physgen.models.flows.checkerboard`), which begins as the identity.  Its determinant is
exact.  The determinant of a continuous flow has an error, which training for the least work would
learn to exploit.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import nn

from physgen.core.arrays import to_numpy
from physgen.core.random import Stream
from physgen.models.flows.checkerboard import CouplingFlow

__all__ = ["FlowLayer"]


@final
class FlowLayer(nn.Module):
    """A few couplings of a checkerboard; a Transform.

    Parameters
    ----------
    shape : sequence of int
        Extents of the lattice.
    rng : Stream or int
    **options
        Arguments of :class:`~physgen.models.CouplingFlow`; by default two affine couplings.

    Raises
    ------
    InputError
        If the lattice has no checkerboard, or an argument is out of range.
    """

    def __init__(self, shape: Any, *, rng: Stream | int, **options: Any) -> None:
        super().__init__()
        self.flow = CouplingFlow(shape, **{"layers": 2, "hidden": 8, **options}, rng=rng)
        self.flow.base.requires_grad_(False)  # of another density, not trained here

    def forward(self, x: Any) -> Any:
        """Return T(x), the kind and shape of x."""
        return self._outside(x, inverse=False)[0]

    def inverse(self, y: Any) -> Any:
        """Return x with T(x) = y."""
        return self._outside(y, inverse=True)[0]

    def log_abs_det(self, x: Any) -> Any:
        """Return log |det dT/dx| (...) float64."""
        return self._outside(x, inverse=False)[1]

    def mapped(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return T(x) and log |det dT/dx| of a batch, differentiable."""
        return self.flow.mapped(x.flatten(1))

    @torch.no_grad()
    def _outside(self, x: Any, inverse: bool) -> tuple[Any, Any]:
        given, shape = torch.as_tensor(x), self.flow.event_shape
        flat = given.to(self.flow.dtype).reshape(-1, math.prod(shape))
        map_ = self.flow.unmapped if inverse else self.flow.mapped
        done = [map_(part) for part in flat.split(self.flow.block)]
        y = torch.cat([part.reshape(len(part), -1) for part, _ in done]).reshape(given.shape)
        log_det = torch.cat([change for _, change in done])
        log_det = log_det.reshape(given.shape[: given.ndim - len(shape)])
        if isinstance(x, torch.Tensor):
            return y.to(x.dtype), log_det
        return to_numpy(y).astype(x.dtype), to_numpy(log_det)
