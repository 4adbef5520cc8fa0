r"""How much the errors of a score count at each noise: the weightings of denoising.

In units of the field, with :math:`\lambda` the ratio of noise and signal,

==========  ============================================  =======================================
likelihood  :math:`h = 1`                                 bounds the divergence of the reverse SDE
                                                          (Song et al. 2021); g^2, and the noise
                                                          predicted at geometric times
balanced    :math:`h = (1 + 1/(\lambda^2 + \delta^2)      more weight on weak noise
            )^{1/2}`
flow        :math:`h = \lambda`                           the velocity of the straight line
                                                          (Lipman et al. 2023)
edm         :math:`h = (1 + \lambda^2) \, p`              denoisers (Karras et al. 2022), p the
                                                          normal density of
                                                          :math:`(\ln\lambda + 1.2) / 1.2`
==========  ============================================  =======================================
"""

from __future__ import annotations

import torch

from physgen.models.diffusion.sampling import DELTA

__all__ = ["WEIGHTINGS", "weight_of"]

WEIGHTINGS = ("likelihood", "balanced", "flow", "edm")


def weight_of(weighting: str, lam2: torch.Tensor) -> torch.Tensor:
    """Return h of lambda^2, of any shape, float64.

    Parameters
    ----------
    weighting : str
        One of WEIGHTINGS.
    lam2 : tensor
        lambda^2 >= 0.
    """
    if weighting == "likelihood":
        return torch.ones_like(lam2)
    if weighting == "balanced":
        return (1 + 1 / (lam2 + DELTA**2)).sqrt()
    lam = lam2.sqrt()
    if weighting == "flow":
        return lam
    u = (lam.clamp(min=1e-12).log() + 1.2) / 1.2
    return (1 + lam2) * torch.exp(-0.5 * u * u)
