r"""Where a learned score is wrong: its residual by sector of momenta.

An effective share says that a score is wrong, not where.  At noise :math:`\lambda` the score s of
plane wave k is known on average through a regression goal g with :math:`E[g | x] = s`
(:mod:`physgen.training.denoising_diffusion`), so for any function f of the noised field
:math:`E[(s_\theta - g) f] = E[(s_\theta - s) f]`.  With :math:`D = C + \lambda^2`,
:math:`u_k = x_k / \sqrt{D_k}` and :math:`c_k` the mode of the cubes of the denoised field, less
its projection on u and of unit size,

.. math:: \text{linear} = - E[\sqrt{D_k} \, (s_\theta - s)_k \, u_k] , \qquad
          \text{cubic} = - E[\sqrt{D_k} \, (s_\theta - s)_k \, c_k] ,

averaged over the modes of a sector.  As :math:`E[x_k s_k] = -1` for every law, "linear" is the
share by which the score pulls too much: 0.1 where a mode is held 10 % too tightly.  Sectors are
the zero mode, the small momenta (the two lowest shells) and the rest: an error of the zero mode
hardly shows in a loss that sums over all modes, and spoils the susceptibility.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.orbits import PairOrbits
from physgen.models.decimated import learned
from physgen.models.diffusion.sampling import DELTA
from physgen.models.diffusion.score import ScoreModel
from physgen.training.denoising_diffusion import DenoisingDiffusion

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SECTORS", "score_residual", "sectors"]

SECTORS = ("zero mode", "small momenta", "rest")
_BLOCKS, _SHELLS = 32, 2


def sectors(model: ScoreModel) -> np.ndarray:
    """Return the number in SECTORS of every mode, (n,)."""
    lattice, even = model.geometry.lattice, model.geometry.halved
    k = PairOrbits(lattice, even, model.point_group).mode_momenta
    square = (4 * np.sin(k / 2) ** 2).sum(1)
    if even:  # k and k + (pi, pi, ...) are one wave
        square = np.minimum(square, (4 * np.cos(k / 2) ** 2).sum(1))
    shells = np.unique(np.round(square, 9))
    small = shells[min(_SHELLS, len(shells) - 1)]
    return np.where(square < 1e-9, 0, np.where(square < small + 1e-8, 1, 2))


@torch.no_grad()
def score_residual(
    model: Any,
    source: Any,
    samples: Any = None,
    n_times: int = 8,
    rng: Stream | int = 0,
) -> xr.Dataset:
    """Return the residual of a score model by sector and noise.

    Parameters
    ----------
    model : ScoreModel, or Decimated with one
    source : Target or Configurations
    samples : array (n, *event_shape), optional
        Configurations of a target, of converged chains; at least 64, those that were not trained
        on.
    n_times : int
        Noise levels, >= 1, evenly spaced in tau.
    rng : Stream or int
        Of the noise.

    Returns
    -------
    Dataset
        Dims (sector, noise): ``linear`` and ``cubic`` with errors; ``modes`` of each sector.  The
        coordinate ``noise`` is lambda in units of the field.

    Raises
    ------
    InputError
        If the model is no score model, or there are too few configurations.
    """
    import xarray as xr

    check_positive_int("n_times", n_times)
    q = learned(model)
    if not isinstance(q, ScoreModel):
        raise InputError(f"a score residual is that of a ScoreModel, got {type(q).__name__}")
    objective = DenoisingDiffusion(source, samples, 0.01, thermalised="ignore")
    x, force = objective.data.part(model)
    if len(x) < 2 * _BLOCKS:
        raise InputError(f"errors need at least {2 * _BLOCKS} configurations, got {len(x)}")
    where, n_blocks = sectors(q), _BLOCKS
    low, high = q.range
    share = np.linspace(0.02, 0.98, n_times)
    found = np.full((n_times, n_blocks, 2, len(SECTORS)), np.nan)  # of a sector without modes
    generator = as_stream(rng).torch()
    for t, s in enumerate(share):
        z = torch.randn(x.shape, generator=generator)
        linear, cubic = _products(objective, q, x, force, float(s), z)
        for kind, a in enumerate((linear, cubic)):
            rows = np.stack([b.mean(0) for b in np.array_split(a, n_blocks)])
            for number in range(len(SECTORS)):
                if (where == number).any():
                    found[t, :, kind, number] = rows[:, where == number].mean(1)
    mean, error = found.mean(1), found.std(1, ddof=1) / np.sqrt(n_blocks)
    tau = low + (high - low) * share
    data: dict[str, Any] = {}
    for kind, name in enumerate(("linear", "cubic")):
        data[name] = (("sector", "noise"), mean[:, kind].T, {"units": "1"})
        data[f"{name}_error"] = (("sector", "noise"), error[:, kind].T, {"units": "1"})
    data["modes"] = ("sector", np.bincount(where, minlength=len(SECTORS)))
    noise = np.sqrt(np.maximum(np.exp(2 * tau) - DELTA**2, 0))
    coords = {"sector": list(SECTORS), "noise": ("noise", noise, {"units": "field"})}
    about = {"regression": objective.regression, "n": len(x)}
    return xr.Dataset(data, coords, about)


def _products(
    objective: DenoisingDiffusion,
    q: ScoreModel,
    x: torch.Tensor,
    force: torch.Tensor | None,
    share: float,
    z: torch.Tensor,
) -> tuple[np.ndarray, np.ndarray]:
    """Return -sqrt(D) (s_theta - g) times u and times c, (n, modes) each."""
    c = to_numpy(q.units[1].double())
    low, high = q.range
    lam2 = max(np.exp(2 * (low + (high - low) * share)) - DELTA**2, 0.0)
    D = c + lam2
    u, off, cubes = [], [], []
    for rows in torch.arange(len(x)).split(q.block):
        part = None if force is None else force[rows].to(q.device)
        at = torch.full((len(rows),), share, device=q.device)
        now = objective.regression_at(q, x[rows].to(q.device), part, at, z[rows].to(q.device))
        left = to_numpy((q.network(now.x, now.weights) - now.goal / now.scale).double())
        off.append(np.sqrt(D) * (c / D) * left)  # s = -x/D - gamma N
        best = to_numpy(now.x.double())  # gamma x
        u.append(best * np.sqrt(D) / c)
        modes = to_numpy(q.modes.double())
        cubes.append((best @ modes.T) ** 3 @ modes)
    U, R, Q = (np.concatenate(parts) for parts in (u, off, cubes))
    Q = Q - U * ((Q * U).mean(0) / (U * U).mean(0))
    return R * U, R * Q / np.sqrt((Q * Q).mean(0))
