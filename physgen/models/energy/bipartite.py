r"""Energies of visible units whose hidden units are coupled to them alone: what the layers share.

Given one layer, the units of the other are independent.  This class turns weights into the arrays
of compiled sweeps, draws either layer given the other, and sums over the smaller one.  Units and
their laws: :mod:`physgen.kernels.cpu.rbm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like, to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact import rbm as exact
from physgen.kernels.cpu.rbm import BINARY, GAUSSIAN, HIDDEN, SPIN, VISIBLE
from physgen.kernels.torch.units import draw_units, labels_of, rows_of, sweeps
from physgen.models.energy.base import Energy
from physgen.samplers.block_gibbs import swept

__all__ = ["HIDDEN_UNITS", "Bipartite"]

HIDDEN_UNITS = {"spin": SPIN, "binary": BINARY, "gaussian": GAUSSIAN}


class Bipartite(Energy):
    """Two layers of units; a subclass sets the attributes and `forward`.

    Attributes
    ----------
    visible : {"spins", "outcomes", "reals"}
    K : int or None
        Number of visible outcomes.
    hidden : {"spin", "binary", "gaussian"}
    W : tensor (n_rows, n_hidden)
        K rows for each visible outcome with K > 2.
    visible_bias, hidden_bias : tensors (n_rows,), (n_hidden,)
    log_width : tensor (n_sites,)
        log s of reals.
    """

    visible: str
    K: int | None
    hidden: str
    W: nn.Parameter
    visible_bias: torch.Tensor
    hidden_bias: torch.Tensor
    log_width: nn.Parameter

    @property
    def _rows_each(self) -> int:
        """Rows of W of each visible unit: K of an outcome with K > 2."""
        return self.K if self.K is not None and self.K > BINARY else 1

    @property
    def units(self) -> tuple[int, int]:
        """Codes of visible and hidden units (:mod:`physgen.kernels.cpu.rbm`)."""
        codes = {"spins": SPIN, "reals": GAUSSIAN}
        return codes.get(self.visible, int(self.K or 0)), HIDDEN_UNITS[self.hidden]

    @property
    def width(self) -> torch.Tensor:
        """Widths s of Gaussian visible units (n_rows,); ones for others."""
        if self.visible == "reals":
            return torch.exp(self.log_width.detach())
        return torch.ones_like(self.visible_bias.detach())

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """("rbm", (W, W^T, a, b, widths, codes)), float32, as `BlockGibbs` takes them.

        Raises
        ------
        InputError
            If a weight is not finite, or e^-S cannot be normalised.
        """
        W, a, b, width = (to_numpy(tensor) for tensor in self._layers())
        return "rbm", (W, np.ascontiguousarray(W.T), a, b, width, np.array(self.units))

    def _layers(self) -> tuple[torch.Tensor, ...]:
        """Return W, a, b and widths, float32, that can be sampled."""
        tensors = (self.W, self.visible_bias, self.hidden_bias, self.width)
        found = tuple(tensor.detach().float().contiguous() for tensor in tensors)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in found):
            raise InputError(
                "the weights must be finite numbers, got NaN or infinity; lower the learning rate"
            )
        if self.units == (GAUSSIAN, GAUSSIAN):
            exact.require_normalizable(to_numpy(found[0]), to_numpy(found[3]), *self.units)
        return found

    def moved(self, x: Any, n: int, rng: Stream) -> Any:
        """Return configurations after n block Gibbs sweeps, without gradients.

        They leave e^{-S} invariant and are reversible.  On a CPU they are compiled, on other
        devices torch runs them; both draw the same words.

        Parameters
        ----------
        x : array or tensor (B, *event_shape)
        n : int
        rng : Stream

        Returns
        -------
        array or tensor of the shape, kind and type of x
        """
        check_positive_int("n", n)
        flat = self._batch(x).detach()
        if self.device.type == "cpu":
            found = torch.from_numpy(swept(self.kernel[1], to_numpy(flat), n, rng))
        else:
            v = self._rows(flat.to(self.device), torch.float32).T
            found = self._labels(sweeps(self._layers(), self.units, v, n, rng))
        return _as(found, x)

    def hidden_mean(self, v: Any) -> Any:
        """Return <h> given v, (B, n_hidden): the mean under p(h | v) of these very v."""
        x = self._inputs(v)
        found = {"spin": torch.tanh, "binary": torch.sigmoid, "gaussian": torch.clone}
        return like(to_numpy(found[self.hidden](x)), v)

    def hidden_given(self, v: Any, rng: Stream) -> Any:
        """Return hidden units drawn given v, (B, n_hidden): of the first sweep of `moved`."""
        ones = torch.ones_like(self.hidden_bias)
        h = draw_units(self._inputs(v).T, ones, self.units[1], rng, 0, HIDDEN)
        return like(to_numpy(h.T), v)

    def visible_given(self, h: Any, rng: Stream) -> Any:
        """Return visible units drawn given h (B, n_hidden), (B, *event_shape)."""
        given = torch.as_tensor(to_numpy(h)).to(self.device, self.dtype)
        with torch.no_grad():
            y = self.visible_bias[:, None] + self.W @ given.T
        return like(
            to_numpy(self._labels(draw_units(y, self.width, self.units[0], rng, 0, VISIBLE))), h
        )

    def _inputs(self, v: Any) -> torch.Tensor:
        """Return the inputs (B, n_hidden) of hidden units."""
        with torch.no_grad():
            rows = self._rows(self._batch(v).to(self.device), self.dtype)
            return self.hidden_bias + rows @ self.W

    def _labels(self, v: torch.Tensor) -> torch.Tensor:
        """Return rows (n_rows, B) as configurations (B, *event_shape) of the support's type."""
        return labels_of(v, self.units[0]).reshape(-1, *self.event_shape)

    # --- partition functions ------------------------------------------------------------------

    def log_z_exact(self) -> float:
        """Return log Z by summing over the smaller layer, which has at most 2^22 states.

        Raises
        ------
        InputError
            If both layers are larger.
        UnboundedTargetError
            If both layers are Gaussian and e^-S cannot be normalised.
        """
        W, a, b, width = self._numbers()
        return exact.log_z(W, a, b, width, *self.units)

    def log_z_independent(self) -> float:
        """Return log Z of this machine with W = 0: independent sites, of any number."""
        _, a, b, width = self._numbers()
        return exact.log_z_independent(a, b, width, *self.units)

    def _numbers(self) -> list[np.ndarray]:
        tensors = (self.W, self.visible_bias, self.hidden_bias, self.width)
        return [to_numpy(tensor).astype(np.float64) for tensor in tensors]

    def _rows(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return visible units (B, n_rows), outcomes one-hot."""
        return rows_of(x, self.units[0], dtype)


def _as(found: torch.Tensor, x: Any) -> Any:
    """Return a tensor as the kind of array that x is, with its type, on its device."""
    if isinstance(x, torch.Tensor):
        return found.to(x.device, x.dtype)
    return to_numpy(found).astype(x.dtype)
