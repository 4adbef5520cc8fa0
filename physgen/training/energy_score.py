r"""The energy score of points under a law that only draws: a loss per item without a density.

.. math:: \mathrm{ES}(q, x) = E_q |y - x| - \tfrac12 E_q |y - y'| , \qquad
          E_p\, \mathrm{ES}(q, x) - E_p\, \mathrm{ES}(p, x) = \tfrac12 \mathcal E(p, q) \ge 0

with the energy distance, which is zero at q = p alone: the score is strictly proper.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["energy_scores"]

_AT_ONCE = 1024


def energy_scores(draws: torch.Tensor, points: torch.Tensor) -> np.ndarray:
    """Return the energy score of each of the points (n, F), given draws (m, F) with m >= 2.

    The spread of the draws is the mean over different pairs: unbiased.
    """
    n = len(draws)
    parts = draws.split(_AT_ONCE)
    own = sum(float(torch.cdist(part, draws).sum()) for part in parts) / (n * (n - 1))
    near = torch.cat([torch.cdist(part, draws).mean(1) for part in points.split(_AT_ONCE)])
    return (near - 0.5 * own).cpu().numpy()
