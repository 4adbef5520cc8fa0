r"""A score model of lattice fields whose likelihood is exact.

With the spectrum C of the data in plane waves k, :math:`\lambda = \sigma / \alpha` the ratio of an
affine process (:mod:`physgen.models.diffusion.process`) and :math:`D = C + \lambda^2`, the score
of :math:`x_t / \alpha = x_0 + \lambda z` is

.. math:: s_k = -\frac{x_k}{D_k} - \gamma_k N_k , \qquad \gamma_k = \frac{C_k}{D_k} , \qquad
          N \approx E[\, \partial S(x_0) - C^{-1} x_0 \,|\, x_t ] .

The first term is the score of a Gaussian field.  The network N
(:mod:`physgen.models.diffusion.network`) is only the force that is left, of the clean field; it
sees the Wiener estimate :math:`\gamma x_t / \alpha`.  In :math:`y_k = x_k / (\alpha \sqrt{D_k})`
the Gaussian part of the probability flow is at rest:

.. math:: \frac{dy_k}{d\tau} = (\lambda^2 + \delta^2) \frac{\gamma_k}{\sqrt{D_k}} N_k , \qquad
          \tau = \tfrac12 \ln (\lambda^2 + \delta^2) , \qquad
          \frac{d \log q}{d\tau} = -\nabla_y \cdot \frac{dy}{d\tau} ,

from y ~ N(0, 1) at :math:`\lambda = 5 \max \sqrt{C_k}` to :math:`x_k = \sqrt{C_k} y_k` at exactly
:math:`\lambda = 0`: even steps of tau are geometric in the noise and need no last step.  Nothing
depends on the clock of the process, a Gaussian field needs no network, and the divergence is in
closed form.  The model **is** the density of this flow: its weights are exact up to the error of
the steps, which `importance` measures by doubling them.
``as_density(tolerance=...)`` chooses the steps by the error of field and log q.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream
from physgen.models.configurations import as_tensor, field_size, normal, normal_log_prob
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.network import Kernels, Remainder, applied
from physgen.models.diffusion.process import Process, schedule_of
from physgen.models.diffusion.processes import process_of
from physgen.models.diffusion.reverse_path import reverse_path
from physgen.models.diffusion.sampling import DELTA, REACH, NoiseSampling
from physgen.models.diffusion.spectrum import check_covered, check_schedule, measured
from physgen.models.embedded_runge_kutta import solve
from physgen.models.geometry import Geometry, LatticeModel
from physgen.models.path import Path
from physgen.models.runge_kutta import NODES, State, step
from physgen.targets.angles import check_real_field
from physgen.targets.even import EvenTarget

__all__ = ["DELTA", "REACH", "ScoreModel"]


@final
class ScoreModel(NoiseSampling, LatticeModel):
    """A diffusion model of a real field on a periodic lattice; a Density.

    Parameters
    ----------
    shape : sequence of int
        Extents of the lattice.
    halved : bool
        Fields live on its even sublattice (n_sites / 2 numbers, in the order of
        ``lattice.split``) instead of the whole lattice.
    channels, times : int
        Hidden units a site, and filters in time that each of theirs is mixed from.
    n_steps : int
        Runge-Kutta steps of sixth order of draws and densities, >= 2.
    scale : float
        Size of a typical field, > 0: the spectrum before training, which measures it.
    odd : bool
        q(-phi) = q(phi), exactly.
    point_group : bool
        q is invariant under permutations of the axes as well as translations and reflections.
    process : str, mapping or Process
        Name of a process, or name and numbers: its clock is that of :meth:`score` and
        :meth:`diffuse`.  The density does not depend on it.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice does not have the symmetries.
    """

    spectrum: torch.Tensor
    centre: torch.Tensor
    modes: torch.Tensor

    def __init__(
        self,
        shape: Any,
        halved: bool = False,
        channels: int = 16,
        times: int = 5,
        n_steps: int = 8,
        scale: float = 1.0,
        odd: bool = True,
        point_group: bool = True,
        process: Process | str | Mapping[str, Any] = "ou",
        *,
        rng: Stream | int,
    ) -> None:
        geometry = Geometry.of(shape, halved=halved)
        filters = Filters(geometry.lattice, bool(halved), bool(point_group))
        super().__init__(geometry, REALS)
        self._filters = filters
        self.tolerance: float | None = None  # of steps of any length, see as_density
        self.channels = check_positive_int("channels", channels, 2)
        self.times = check_positive_int("times", times, 2)
        self.n_steps = check_positive_int("n_steps", n_steps, 2)
        self.scale, self.odd = check_positive("scale", scale), bool(odd)
        self.point_group, self._process = bool(point_group), process_of(process)
        self.network = Remainder(filters, channels, times, self.odd, rng)
        self.register_buffer("modes", as_tensor(filters.modes), persistent=False)
        self.register_buffer("spectrum", torch.full((geometry.n,), float(scale) ** 2))
        self.register_buffer("centre", torch.zeros(()))

    # --- for a target, and for data --------------------------------------------------------

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice and the symmetries of a target, and the size of its hot fields.

        Raises
        ------
        InputError
            If the target has spins or angles, declares no translations, or has several numbers a
            site.
        """
        check_real_field(target)
        symmetries = declared(target).symmetries
        if "translations" not in symmetries:
            raise InputError(
                f"a score model needs a target with translations, and {target!r} does not declare "
                "them; declare its lattice (periodic) and symmetries, or take 'coupling-flow'"
            )
        known = cls._lattice_arguments(target, even, REALS)
        del known["boundary"]  # the class takes periodic lattices only
        point_group = "point_group" in symmetries
        return known | {"scale": field_size(target, rng), "point_group": point_group}

    @property
    def block(self) -> int:
        """Draws in one block: as many as sites at least, or kernels cost more than they carry."""
        return max(super().block, self.geometry.n)

    def path(self, n: int, rng: Stream | int) -> Path:
        """Return n fields on their way from noise, at nine times."""
        return reverse_path(self, self._process, n, rng)

    @torch.no_grad()
    def standardise(self, x: Any) -> None:
        """Set the spectrum, and the mean where q is not odd, to those of configurations.

        Training calls it with its own data before the first step; the weights of the network
        have a meaning only together with the spectrum.

        Parameters
        ----------
        x : array or tensor (n, *event_shape)

        Raises
        ------
        InputError
            If a mode does not vary, or the process ends before its noise covers the slowest one.
        """
        spectrum, centre = measured(x, self._filters, odd=self.odd)
        check_covered(self._process, REACH * math.sqrt(spectrum.max()), REACH)
        self.spectrum.copy_(torch.as_tensor(spectrum))
        self.centre.fill_(centre)

    @property
    def process(self) -> Any:
        """Name and numbers of the process."""
        return self._process.spec

    def get_extra_state(self) -> torch.Tensor:
        """Return (t, alpha, sigma) at 33 times: stored models carry them with the weights."""
        return torch.tensor(schedule_of(self._process))

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Compare the schedule that is stored with weights.

        Raises
        ------
        InputError
            If the process of this model has another schedule: one name, two meanings.
        """
        check_schedule(self._process, to_numpy(state))

    def as_density(
        self, n_steps: int | None = None, divergence: str = "exact", tolerance: float | None = None
    ) -> ScoreModel:
        """Return the same model with another number of steps, or with steps of any length.

        Parameters
        ----------
        n_steps : int, optional
            >= 2: with one step nothing would show its error.
        divergence : {"exact"}
            "hutchinson", a random estimate, is refused.
        tolerance : float, optional
            Instead of a number of steps: the largest error of log q that one step makes, in nats
            (:mod:`physgen.models.embedded_runge_kutta`).

        Raises
        ------
        InputError
            If a number is out of range, both or neither are given, or the divergence would be
            random.
        """
        if divergence == "hutchinson":
            raise InputError(
                "weights need the exact divergence, got 'hutchinson': a random estimate of log q "
                "with variance v makes weights wrong by e^(v/2) and their share e^-v; this model "
                "has the divergence in closed form"
            )
        check_choice("divergence", divergence, ("exact",))
        if (n_steps is None) == (tolerance is None):
            raise InputError(
                f"a density takes n_steps or a tolerance, got {n_steps} and {tolerance}; give one"
            )
        new = copy.copy(self)
        if tolerance is None:
            new.n_steps = check_positive_int("n_steps", n_steps, 2)
        new.tolerance = None if tolerance is None else check_positive("tolerance", tolerance)
        return new

    def refined(self) -> ScoreModel:
        """Return the model with twice the steps, or a tenth of the tolerance: draws differ."""
        if self.tolerance is not None:
            return self.as_density(tolerance=0.1 * self.tolerance)
        return self.as_density(2 * self.n_steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and x."""
        y = (x.flatten(1) - self.centre) @ self.modes / self.spectrum.sqrt()
        zero = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        y, change = self._carried(y, zero, self.n_steps)
        return normal_log_prob(y) - change - 0.5 * self.spectrum.double().log().sum()

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        y, log_q = normal(n, (self.geometry.n,), generator, self.dtype)
        y, log_q = self._carried(y, log_q, -self.n_steps)
        x = (y * self.spectrum.sqrt()) @ self.modes.t() + self.centre
        log_q = log_q - 0.5 * self.spectrum.double().log().sum()
        return x.reshape(n, *self.event_shape), log_q

    def _carried(
        self, y: torch.Tensor, log_q: torch.Tensor, steps: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (y, log q) at the other end of tau; from noise to data for steps < 0."""
        first, last = self.range if steps > 0 else self.range[::-1]
        if self.tolerance is not None:

            def moved(at_y: torch.Tensor, at: Kernels) -> tuple[torch.Tensor, torch.Tensor]:
                dy, divergence = applied(at_y, at)
                return dy, -divergence

            return solve(moved, self.kernels_at, y, log_q, (first, last), self.tolerance)[:2]
        h = (last - first) / abs(steps)
        state: State = (y, log_q, None)
        for k in range(abs(steps)):
            at = self.kernels_at([first + (k + c) * h for c in NODES])

            def rates(s: State, i: int, at: list[Kernels] = at) -> Any:
                dy, divergence = applied(s[0], at[i])
                return dy, -divergence, None

            state = step(rates, state, h)
        return state[0], state[1]

    @property
    def units(self) -> tuple[float, torch.Tensor]:
        """Size of the field, sqrt(mean of C), and the spectrum in its units."""
        size = float(self.spectrum.double().mean().sqrt())
        return size, self.spectrum / size**2

    @property
    def range(self) -> tuple[float, float]:
        """Tau without noise and with the most, in units of the field."""
        top = REACH**2 * float(self.units[1].max())
        return math.log(DELTA), 0.5 * math.log(top + DELTA**2)

    def weights(self, tau: torch.Tensor) -> torch.Tensor:
        """Return the shares (S, times) of the filters at times tau (S,)."""
        low, high = self.range
        at = torch.linspace(low, high, self.times, dtype=tau.dtype, device=tau.device)
        width = (high - low) / (self.times - 1)
        return torch.softmax(-0.5 * ((tau[:, None] - at) / width) ** 2, 1)

    def kernels_at(self, tau: Sequence[float]) -> list[Kernels]:
        """Return the kernels of dy/dtau at times tau (:func:`.network.applied`)."""
        t = torch.tensor(list(tau), dtype=torch.float64, device=self.device)
        c, lam2 = self.units[1].double(), (torch.exp(2 * t) - DELTA**2).clamp(min=0)[:, None]
        D = c + lam2
        q, r = c / D.sqrt(), (lam2 + DELTA**2) * c / D**1.5
        return self.network.kernels(
            self.weights(t).to(self.dtype), q.to(self.dtype), r.to(self.dtype)
        )

    def score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the score of the noised field x_t (B, *event_shape), 0 <= t <= T."""
        found = self.mode_score(x.flatten(1) @ self.modes, t)
        return (found @ self.modes.t()).reshape(x.shape)

    def mode_score(self, y: torch.Tensor, t: float) -> torch.Tensor:
        """Return the score in plane waves, (B, n), of a noised field given in them."""
        size, c = self.units
        alpha, lam2 = float(self._process.alpha(t)), (float(self._process.ratio(t)) / size) ** 2
        z = (y.to(self.dtype) / alpha - self.centre * self.modes.sum(0)) / size
        D = c + lam2
        low, high = self.range
        tau = min(0.5 * math.log(lam2 + DELTA**2), high)
        weights = self.weights(torch.tensor([max(tau, low)], dtype=self.dtype, device=y.device))
        gamma = (c / D)[None].to(self.dtype)
        (at,) = self.network.kernels(weights, gamma, gamma)
        return -(z / D + applied(z, at)[0]) / (size * alpha)
