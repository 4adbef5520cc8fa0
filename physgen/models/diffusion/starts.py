r"""Where samplers of a diffusion process begin: noised fields with the law of a time.

At a time at which the noise covers the slowest mode this is a Gaussian, of variance
:math:`\alpha^2 C + \sigma^2` in the plane waves.  Earlier it is not: there clean configurations
are noised, :math:`x_t = \alpha x_0 + \sigma z`.  The prior N(0, 1) is the law of neither.
"""

from __future__ import annotations

from typing import Any

import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import normal

__all__ = ["started"]


def started(
    model: Any, n: int, rng: Stream | int, start: float | None = None, configurations: Any = None
) -> tuple[torch.Tensor, float]:
    """Return noised fields (n, *event_shape) with the law of a time, and that time.

    Parameters
    ----------
    model : ScoreModel
    n : int
    rng : Stream or int
    start : float, optional
        In (0, T]; by default where the noise covers the slowest mode.
    configurations : array (m, *event_shape), optional
        Clean fields that are noised, drawn at random with replacement.  Without them the law is
        that of a Gaussian field, and `start` must not be earlier than the default.

    Raises
    ------
    InputError
        If start is out of range, or is so early that the law is not Gaussian.
    """
    process, first, shape = model.schedule, model.first_time, tuple(model.event_shape)
    t = first if start is None else check_positive("start", start)
    if t > process.end:
        raise InputError(f"start must lie in (0, {process.end:g}], got {start}")
    generator = as_stream(rng).torch(model.device)
    z, _ = normal(n, (model.geometry.n,), generator, model.dtype)
    if configurations is not None:
        x = torch.as_tensor(to_numpy(configurations)).to(model.device, model.dtype)
        if tuple(x.shape[1:]) != shape or not len(x):
            listed = ", ".join(map(str, shape))
            raise InputError(
                f"configurations must have shape (m, {listed}), m >= 1, got {tuple(x.shape)}"
            )
        rows = torch.randint(len(x), (n,), generator=generator, device=model.device)
        noised = float(process.alpha(t)) * x[rows].flatten(1) + float(process.sigma(t)) * z
        return noised.reshape(n, *shape), t
    if t < first * (1 - 1e-12):
        raise InputError(
            f"noise must cover the slowest mode where draws begin with a Gaussian law, from t = "
            f"{first:.3g}, got start = {t:g}; pass configurations=, which are noised to that time"
        )
    law = torch.as_tensor(process.variance(t, to_numpy(model.spectrum.double())))
    centre = float(process.alpha(t)) * model.centre
    return ((z * law.sqrt().to(z)) @ model.modes.t() + centre).reshape(n, *shape), t
