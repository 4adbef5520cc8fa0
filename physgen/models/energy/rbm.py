r"""Restricted Boltzmann machines: visible units coupled to hidden units, which are summed over.

.. math::
    E(v, h) = -\sum_i a_i v_i - \sum_j b_j h_j - \sum_{ij} v_i W_{ij} h_j
              + \sum_i \frac{v_i^2}{2 s_i^2} + \sum_j \frac{h_j^2}{2} , \qquad
    e^{-S(v)} = \sum_h e^{-E(v, h)} ,

with squares of Gaussian units only.  With the input :math:`x_j = b_j + \sum_i v_i W_{ij}`,

.. math:: S(v) = -a \cdot v + \sum_i \frac{v_i^2}{2 s_i^2} - \sum_j
          \begin{cases}
          \log 2\cosh x_j & h_j = \pm 1 \\ \log(1 + e^{x_j}) & h_j \in \{0, 1\} \\
          x_j^2 / 2 + \tfrac12 \log 2\pi & h_j \in \mathbb{R}
          \end{cases}

No constant is dropped: hidden sums count states, and integrals have the measure dh.  A visible
outcome 0..K-1 with K > 2 is K numbers :math:`v_{ik}`, one of them 1, each with its own row of W;
with K = 2 it is one number, 0 or 1.

**Conventions.**  A machine of spins -1 and +1 and one of units 0 and 1, :math:`v = 2u - 1`, have
the same law with :math:`W_{01} = 4 W_\pm` if both layers change, and with :math:`W_{01} = 2 W_\pm`
if one does; :math:`a_{01} = 2 (a_\pm - \sum_j W_{\pm, ij})` if both change.  At W = 0 and b = 0 a
hidden unit, spin or 0 or 1, adds log 2 to log Z.

**Gauge.**  Shifting all K rows of a visible outcome by one vector, and b by its opposite, changes
no probability.  The gauge is not fixed; `features` refer to rows that sum to zero.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Support, outcomes
from physgen.core.random import Stream, as_stream
from physgen.kernels.cpu.rbm import BINARY
from physgen.models.energy.bipartite import HIDDEN_UNITS, Bipartite

__all__ = ["RBM"]

_SPREAD = 0.5  # of the largest singular value of fresh weights, about: below the ordering at 1
_BELOW_RATIO = 1e-3  # least width of a Gaussian unit, over the scale of the model
_NAMED = 5  # sites of a message


class RBM(Bipartite):
    """A restricted Boltzmann machine of spins, outcomes or real fields; a Target.

    Parameters
    ----------
    shape : tuple of int
        Of one configuration.
    boundary : {"periodic", "open"}, or one of them for each axis, or None
        Of the lattice, for observables; the weights do not know it.
    visible : {"spins", "outcomes", "reals"}
        -1 and +1; 0..K-1; Gaussian.
    K : int, optional
        Number of outcomes, >= 2, of visible outcomes only.
    n_hidden : int, optional
        Hidden units; by default as many as sites.
    hidden : {"spin", "binary", "gaussian"}
        -1 and +1; 0 and 1; real numbers of width 1 given v.
    even : bool
        S(-v) = S(v), of spins or reals: no biases.  Hidden units 0 and 1 cannot do it.
    scale : float
        Size of a typical real field: first widths, and hot configurations.
    rng : Stream or int
        Of the first weights.

    Attributes
    ----------
    W : tensor (n_rows, n_hidden)
    visible_bias, hidden_bias : tensors (n_rows,), (n_hidden,)
        Zero and not trained if `even`.
    log_width : tensor (n_sites,)
        log s of reals.

    Raises
    ------
    InputError
        If a kind of unit is unknown, K or `even` does not go with it, or there are no hidden
        units.

    Examples
    --------
    >>> rbm = RBM((4, 4), n_hidden=8, even=True)
    >>> x = rbm.hot(Stream(1), 100)
    >>> bool(np.allclose(rbm.action(x), rbm.action(-x)))
    True
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = None,
        *,
        visible: str = "spins",
        K: int | None = None,
        n_hidden: int | None = None,
        hidden: str = "spin",
        even: bool = False,
        scale: float = 1.0,
        rng: Stream | int = 0,
    ) -> None:
        check_choice("visible", visible, ("spins", "outcomes", "reals"))
        check_choice("hidden", hidden, tuple(HIDDEN_UNITS))
        if (K is None) == (visible == "outcomes"):
            raise InputError(
                f"K is the number of visible outcomes, and of nothing else, got K={K} of "
                f"{visible}; e.g. visible='outcomes', K=2 for units 0 and 1"
            )
        if even and (K is not None or hidden == "binary"):
            raise InputError(
                f"even needs spins or reals, and hidden units 'spin' or 'gaussian', got {visible} "
                f"and {hidden!r}"
            )
        supports = {"spins": SPINS, "reals": REALS}
        support = supports.get(visible) or outcomes(check_positive_int("K", K, 2))
        super().__init__(shape, support, boundary, even=even, scale=scale)
        self.visible, self.K, self.hidden = visible, support.K, hidden
        n_sites = math.prod(self.event_shape)
        self.n_hidden = check_positive_int("n_hidden", n_sites if n_hidden is None else n_hidden)
        n_rows = n_sites * self._rows_each
        size = _SPREAD / math.sqrt(n_sites + self.n_hidden) / self.scale
        draws = as_stream(rng).child("weights").numpy().standard_normal((n_rows, self.n_hidden))
        self.W = nn.Parameter(torch.tensor(size * draws, dtype=torch.float32))
        self._set("visible_bias", torch.zeros(n_rows))
        self._set("hidden_bias", torch.zeros(self.n_hidden))
        if support == REALS:
            self.log_width = nn.Parameter(torch.full((n_sites,), math.log(self.scale)))

    def _set(self, name: str, value: torch.Tensor) -> None:
        """Make a bias: a weight, or zeros that are none of an even machine."""
        if self.even:
            self.register_buffer(name, value, persistent=False)
        else:
            setattr(self, name, nn.Parameter(value))

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return shape, boundary, units, evenness and scale, as a source declares them."""
        kind = options.get("visible", source.support.kind)
        support = source.support if source.support.kind == kind else Support(kind)
        found = cls.lattice_arguments(source, support, rng)
        can = source.support.K is None and options.get("hidden", "spin") != "binary"
        return found | {"visible": kind, "K": source.support.K, "even": found["even"] and can}

    # --- the energy -------------------------------------------------------------------------

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64 of (B, *event_shape), differentiable in weights and fields.

        Products are in the type of the weights; `action` of arrays computes in float64.
        """
        return self._action_in(x, self.dtype)

    def _score(self, x: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return self._action_in(x.to(self.device), torch.float64).cpu().numpy()

    def _action_in(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        v = self._rows(x, dtype)
        inputs = self.hidden_bias.to(dtype) + v @ self.W.to(dtype)
        S = -(v @ self.visible_bias.to(dtype)).double() - _log_sums(inputs, self.hidden)
        if self.visible == "reals":
            S = S + 0.5 * (v * torch.exp(-self.log_width.to(dtype))).double().square().sum(1)
        return S

    def _check(self, x: torch.Tensor) -> None:
        try:
            super()._check(x)
        except InputError as error:
            if self.visible == "spins" and bool(((x == 0) | (x == 1)).all()):
                raise InputError(
                    "x must hold spins -1 and 1, got 0 and 1; give 2 * x - 1, or make the model "
                    "with visible='outcomes', K=2"
                ) from error
            if self.K == BINARY and bool((x.abs() == 1).all()):
                raise InputError(
                    "outcomes must lie in 0..1, got spins -1 and 1; give (x + 1) // 2, or make "
                    "the model with visible='spins'"
                ) from error
            raise

    def tempered(self, beta: float, reference_bias: Any = None) -> Any:
        """Return the machine on the way from independent sites (beta = 0) to this one (beta = 1).

        W and b are multiplied by beta, and the visible bias is beta a + (1 - beta) times the
        reference; widths stay.

        Parameters
        ----------
        beta : float
        reference_bias : array (n_rows,), optional
            Of the independent sites, e.g. the visible bias of `with_data_bias`; zeros by default,
            which is the only reference of an even machine.
        """
        beta, other = check_finite("beta", beta), copy.deepcopy(self)
        reference = torch.zeros_like(self.visible_bias)
        if reference_bias is not None:
            reference = torch.as_tensor(to_numpy(reference_bias)).to(reference)
        if reference.shape != self.visible_bias.shape or (self.even and bool(reference.any())):
            raise InputError(
                f"reference_bias must have shape {tuple(self.visible_bias.shape)}, and be zero if "
                f"the model is even, got shape {tuple(reference.shape)}"
            )
        with torch.no_grad():
            other.W.mul_(beta)
            other.hidden_bias.mul_(beta)
            other.visible_bias.copy_(beta * self.visible_bias + (1 - beta) * reference)
        return other

    # --- data -------------------------------------------------------------------------------

    def constant_sites(self, x: Any) -> list[tuple[int, ...]]:
        """Return the sites that have one value in all configurations x (n, *event_shape)."""
        flat = to_numpy(self._batch(x))
        return [tuple(map(int, at)) for at in np.argwhere((flat == flat[:1]).all(0))]

    def with_data_bias(self, x: Any) -> Any:
        """Return a copy whose visible biases (and widths) alone give the single-site data.

        The start of a fit.  Counts are raised by 1/2, and widths are at least a thousandth of the
        scale, so a site that is constant in the data gets finite weights; a warning names such
        sites.  An even machine keeps its zero biases.

        Parameters
        ----------
        x : array or tensor (n, *event_shape)
        """
        if dead := self.constant_sites(x):
            more = f" and {len(dead) - _NAMED} more" * (len(dead) > _NAMED)
            warnings.warn(
                f"sites {', '.join(map(str, dead[:_NAMED]))}{more} have one value in all "
                f"{len(x)} configurations; their weights are kept finite",
                stacklevel=2,
            )
        rows, other = self._rows(self._batch(x), torch.float64), copy.deepcopy(self)
        n, log_width = len(rows), None
        if self.visible == "reals":
            mean = torch.zeros_like(rows[0]) if self.even else rows.mean(0)
            spread = (rows - mean).square().mean(0).sqrt()
            spread = spread.clamp_min(_BELOW_RATIO * self.scale)
            bias, log_width = mean / spread**2, spread.log()
        elif self.visible == "spins":
            up = (rows > 0).sum(0)
            bias = 0.5 * torch.log((up + 0.5) / (n - up + 0.5))
        elif self.K == BINARY:
            ones = rows.sum(0)
            bias = torch.log((ones + 0.5) / (n - ones + 0.5))
        else:
            logs = torch.log(rows.sum(0) + 0.5).reshape(-1, self._rows_each)
            bias = (logs - logs.mean(1, keepdim=True)).flatten()
        with torch.no_grad():
            if not self.even:
                other.visible_bias.copy_(bias)
            if log_width is not None:
                other.log_width.copy_(log_width)
        return other

    # --- what was learned -------------------------------------------------------------------

    @property
    def features(self) -> np.ndarray:
        """Singular values of W, largest first, in units of the widths of Gaussian visible units.

        Rows of an outcome sum to zero.
        """
        return np.linalg.svd(self._scaled(), compute_uv=False)

    def projected(self, x: Any, n: int = 1) -> np.ndarray:
        """Return v along the first n left singular vectors of W, (B, n); signs are arbitrary."""
        left = np.linalg.svd(self._scaled(), full_matrices=False)[0]
        rows = self._rows(self._batch(x), torch.float64).numpy()
        return rows @ (left / self._numbers()[3][:, None])[:, : check_positive_int("n", n)]

    def _scaled(self) -> np.ndarray:
        W, _, _, width = self._numbers()
        if self._rows_each > 1:
            blocks = W.reshape(-1, self._rows_each, W.shape[1])
            return (blocks - blocks.mean(1, keepdims=True)).reshape(W.shape)
        return width[:, None] * W


def _log_sums(x: torch.Tensor, hidden: str) -> torch.Tensor:
    """Return the sum over hidden units (B, n) of the log of the sum over h, (B,) float64."""
    if hidden == "gaussian":
        return 0.5 * x.double().square().sum(1) + 0.5 * x.shape[1] * math.log(2 * math.pi)
    # Beyond the threshold softplus(x) = x, within the rounding of float64.
    each = softplus(2 * x, threshold=40) - x if hidden == "spin" else softplus(x, threshold=40)
    return each.sum(1, dtype=torch.float64)
