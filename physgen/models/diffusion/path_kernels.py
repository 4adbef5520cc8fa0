r"""Reverse steps with noise, and their weight against the forward noising that they undo.

From t to s < t a step draws :math:`x_s = A x_t + p \, s_\theta(x_t, t) + r \xi` with normal
deviates :math:`\xi`, and the forward process would have made :math:`x_t = x_s / A + \sqrt v \, z`.
With :math:`A = \alpha_s / \alpha_t` and :math:`\Delta = \lambda_t^2 - \lambda_s^2`,
:math:`\lambda = \sigma / \alpha`,

.. math:: v = \alpha_t^2 \Delta , \qquad
          \log \frac{p(x_t | x_s)}{q_\theta(x_s | x_t)} =
          - \frac{|x_t - x_s / A|^2}{2 v} + \frac{|\xi|^2}{2} + \sum_k \ln \frac{r_k}{\sqrt v} .

==============  ==================================  =============================================
method          p                                   r, one a plane wave
==============  ==================================  =============================================
posterior       :math:`\alpha_s \alpha_t \Delta`    :math:`\alpha_s (D_s \Delta / D_t)^{1/2}`,
                                                    :math:`D = C + \lambda^2`
frozen          see :mod:`.samplers`                :math:`\alpha_s \Delta^{1/2}`
euler-maruyama  :math:`h g^2`                       :math:`h^{1/2} g`
==============  ==================================  =============================================

"posterior" has the exact mean of :math:`x_s` given :math:`x_t`, by Tweedie's formula, and the
variance of a Gaussian field of spectrum C: for such a field it is exact, whatever the step.  The
other two forget C, so their weights need small steps in every mode.  Their A is also exact only
for "frozen".  The ancestral sampler makes its last step without noise, and has no weight;
"posterior" is what it becomes with a spectrum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.models.diffusion.process import Process
from physgen.models.diffusion.samplers import coefficients

__all__ = ["PATHS", "Kernel", "kernels"]

PATHS = ("posterior", "frozen", "euler-maruyama")


class Kernel(NamedTuple):
    """One step from t to s.

    Attributes
    ----------
    t, s : float
    keep, pull : float
        Factors of x and of the score in the reverse step.
    noise : tensor (n,)
        Standard deviations of the reverse step in modes, float64.
    back, variance : float
        1/A, and v of the forward step.
    """

    t: float
    s: float
    keep: float
    pull: float
    noise: torch.Tensor
    back: float
    variance: float

    def drawn(self, x: torch.Tensor, score: torch.Tensor, xi: torch.Tensor) -> torch.Tensor:
        """Return x_s (B, n) float64 in modes."""
        return self.keep * x + self.pull * score.double() + self.noise * xi

    def log_ratio(self, x: torch.Tensor, new: torch.Tensor, xi: torch.Tensor) -> torch.Tensor:
        """Return log p(x_t | x_s) - log q(x_s | x_t), (B,) float64, of a step with noise xi."""
        away = (x - self.back * new).square().sum(1) / (2 * self.variance)
        scale = float(self.noise.log().sum()) - 0.5 * x.shape[1] * math.log(self.variance)
        return 0.5 * xi.square().sum(1) - away + scale

    def deviates(self, x: torch.Tensor, score: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """Return the noise xi with which a step leads from x_t to x_s; differentiable."""
        return (new - self.keep * x - self.pull * score.double()) / self.noise


def kernels(
    process: Process, spectrum: torch.Tensor, grid: np.ndarray, method: str = "posterior"
) -> list[Kernel]:
    """Return the steps along a grid of falling times.

    Parameters
    ----------
    process : Process
    spectrum : tensor (n,)
        C, the variances of the modes of the clean field.
    grid : array (n_steps + 1,)
    method : {"posterior", "frozen", "euler-maruyama"}

    Raises
    ------
    InputError
        If the method is unknown, or has no noise in its last step.
    """
    if method == "ancestral":
        raise InputError(
            "weights of paths need noise in every step, and 'ancestral' makes the last one "
            "without; take 'posterior', which is ancestral with the spectrum"
        )
    check_choice("method", method, PATHS)
    c, t, s = spectrum.double(), grid[:-1], grid[1:]
    alpha_t, alpha_s = process.alpha(t), process.alpha(s)
    lam_t, lam_s = process.ratio(t) ** 2, process.ratio(s) ** 2
    gap = lam_t - lam_s
    if method == "posterior":
        rows = np.stack([alpha_s / alpha_t, alpha_s * alpha_t * gap, alpha_s * np.sqrt(gap)], 1)
    else:
        rows = np.array(coefficients(process, grid, method))
    found = []
    for k, (keep, pull, noise) in enumerate(rows.tolist()):
        r = torch.full_like(c, noise)
        if method == "posterior":
            r = r * ((c + lam_s[k]) / (c + lam_t[k])).sqrt()
        back, v = float(alpha_t[k] / alpha_s[k]), float(alpha_t[k] ** 2 * gap[k])
        found.append(Kernel(float(t[k]), float(s[k]), keep, pull, r, back, v))
    return found
