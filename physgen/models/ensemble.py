r"""Several models as one: a mixture of distributions.

.. math:: q(a) = \sum_k w_k \, q_k(a), \qquad w_k \ge 0, \quad \sum_k w_k = 1 .

Models that were fitted from different starts, or to resampled shots, differ in what the shots
leave open.  Their mixture is never worse than their average,
:math:`D(P \| q) \le \sum_k w_k D(P \| q_k)`, and the spread of their values of an observable shows
the part of its error that sampling any one of them cannot show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.strings import StringModel

__all__ = ["Ensemble"]

WEIGHT_TOLERANCE = 1e-9


class Ensemble(StringModel):
    """A mixture of models of strings; a Density.

    Parameters
    ----------
    members : sequence of modules
        Models of the same L and K, at least one.
    weights : sequence of float, optional
        w_k >= 0 with sum 1; by default equal.

    Attributes
    ----------
    members : ModuleList
        The models, to be sampled or asked one by one.

    Raises
    ------
    InputError
        If there are no members, they differ in L or K, or the weights are invalid.

    Examples
    --------
    >>> from physgen.models import GRU, Ensemble
    >>> both = Ensemble([GRU(4, 2, hidden=8, rng=1), GRU(4, 2, hidden=8, rng=2)])
    >>> both.member_log_prob([[0, 1, 1, 0], [1, 1, 1, 1]]).shape
    (2, 2)
    """

    members: Any

    def __init__(self, members: Sequence[Any], weights: Sequence[float] | None = None) -> None:
        shapes = [(*m.event_shape, m.support.K) for m in members]
        if not shapes or len(set(shapes)) > 1:
            raise InputError(
                "members must be at least one model, all of one L and K, got "
                + (", ".join(f"L={L}, K={K}" for L, K in shapes) or "none")
            )
        (L,), K = members[0].event_shape, members[0].support.K
        super().__init__(L, K)
        self.members = nn.ModuleList(members)
        w = [1 / len(shapes)] * len(shapes) if weights is None else list(weights)
        if len(w) != len(shapes) or min(check_finite("weights", v) for v in w) < 0:
            raise InputError(
                f"weights must be {len(shapes)} numbers >= 0, one for each member, got {w}"
            )
        if abs(sum(w) - 1) > WEIGHT_TOLERANCE:
            raise InputError(f"weights must sum to 1, got {sum(w):.12g}; divide by their sum")
        self.weights = tuple(float(v) for v in w)

    @property
    def config(self) -> dict[str, Any]:
        """Configs of the members, and their weights."""
        members = [m.config for m in self.members]
        return {"family": "ensemble", "members": members, "weights": list(self.weights)}

    def extra_repr(self) -> str:
        """Weights, shown by ``repr``."""
        return f"L={self.L}, K={self.K}, weights={self.weights}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of strings (B, L), differentiable in the weights."""
        return self._mixture(torch.stack([m(x) for m in self.members]))

    def member_log_prob(self, x: Any) -> Any:
        """Return log q_k of each member, shape (n_members, ...) for x of shape (..., L)."""
        values = [m.log_prob(x) for m in self.members]
        return torch.stack(values) if isinstance(x, torch.Tensor) else np.stack(values)

    @torch.no_grad()
    def _score(self, x: torch.Tensor) -> np.ndarray:
        return self._mixture(self.member_log_prob(x.to(self.device))).cpu().numpy()

    def _draw_block(self, rng: Stream, size: int) -> tuple[torch.Tensor, None]:
        # Strings of a member are used in the order it draws them: fewer draws are the first ones.
        which = rng.child("member").numpy().choice(len(self.weights), size, p=self.weights)
        strings = torch.empty(size, self.L, dtype=torch.uint8, device=self.device)
        for k, member in enumerate(self.members):
            places = torch.from_numpy(np.flatnonzero(which == k)).to(self.device)
            if len(places):
                strings[places] = member.sample(len(places), rng.child("draws", k))
        return strings, None

    def _mixture(self, log_q: torch.Tensor) -> torch.Tensor:
        w = torch.tensor(self.weights, dtype=torch.float64, device=log_q.device)
        return torch.logsumexp(log_q + w.log()[:, None], 0)
