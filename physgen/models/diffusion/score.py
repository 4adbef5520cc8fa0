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
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, final

import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import as_tensor, field_size, normal, normal_log_prob
from physgen.models.diffusion.divergence import random_trace
from physgen.models.diffusion.field import Field, check_exact
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.networks import network_of
from physgen.models.diffusion.process import Process, schedule_of
from physgen.models.diffusion.processes import process_of
from physgen.models.diffusion.samplers import LEAST, diffused, times
from physgen.models.diffusion.spectrum import check_covered, check_schedule, measured, scales_of
from physgen.models.diffusion.transfer import moved
from physgen.models.geometry import Geometry, LatticeModel
from physgen.models.runge_kutta import NODES, State, step
from physgen.targets.even import EvenTarget

__all__ = ["ScoreModel"]

DELTA = 0.1  # noise, in units of the field, below which tau is quadratic in it
REACH = 5.0  # largest noise, in units of the slowest mode


@final
class ScoreModel(LatticeModel):
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
    net : {"filters", "local", "unet"}
        Filters of full range with a divergence in closed form; a local network, whose divergence
        takes coloured probes; a U-Net, whose density is one of small systems.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice does not have the symmetries.
    """

    spectrum: torch.Tensor
    centre: torch.Tensor
    scales: torch.Tensor
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
        net: str = "filters",
        *,
        rng: Stream | int,
    ) -> None:
        geometry = Geometry.of(shape, halved=halved)
        filters = Filters(geometry.lattice, bool(halved), bool(point_group))
        super().__init__(geometry, REALS)
        self._filters = filters
        self.channels = check_positive_int("channels", channels, 2)
        self.times = check_positive_int("times", times, 2)
        self.n_steps = check_positive_int("n_steps", n_steps, 2)
        self.scale, self.odd = check_positive("scale", scale), bool(odd)
        self.point_group, self._process = bool(point_group), process_of(process)
        self.net, self._divergence = net, "exact"
        self.network = network_of(net, filters, channels, times, self.odd, rng)
        self.register_buffer("modes", as_tensor(filters.modes), persistent=False)
        self.register_buffer("spectrum", torch.full((geometry.n,), float(scale) ** 2))
        self.register_buffer("centre", torch.zeros(()))
        # Units of the network: they stay when the weights go to another lattice or coupling.
        self.register_buffer("scales", scales_of(self.spectrum))

    # --- for a target, and for data --------------------------------------------------------

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice and the symmetries of a target, and the size of its hot fields.

        Raises
        ------
        InputError
            If the target has spins, declares no translations, or has several numbers a site.
        """
        if target.support.kind != "reals":
            raise InputError(
                f"diffusion adds Gaussian noise and needs real fields, got {target!r} of "
                f"{target.support.kind}; take 'coloured-net' for spins: it has exact weights too"
            )
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

    @torch.no_grad()
    def standardise(self, x: Any, keep_units: bool = False) -> None:
        """Set the spectrum, and the mean where q is not odd, to those of configurations.

        Training calls it with its own data before the first step; the weights of the network
        have a meaning only together with the spectrum.

        Parameters
        ----------
        x : array or tensor (n, *event_shape)
        keep_units : bool
            Leave the units of the network, because its weights were trained in them.

        Raises
        ------
        InputError
            If a mode does not vary, or the process ends before its noise covers the slowest one.
        """
        spectrum, centre = measured(x, self._filters, odd=self.odd)
        check_covered(self._process, REACH * math.sqrt(spectrum.max()), REACH)
        self.spectrum.copy_(torch.as_tensor(spectrum))
        if not keep_units:
            self.scales.copy_(scales_of(self.spectrum))
        self.centre.fill_(centre)

    @torch.no_grad()
    def transferred(self, shape: Any) -> ScoreModel:
        """Return a model on another lattice with the weights of this one: a start, or a model.

        Filters and the inverse spectrum are copied for equal displacements
        (:mod:`physgen.models.diffusion.transfer`), so on a lattice several times larger than the
        correlation length the model is as good a site as this one, without training.

        Parameters
        ----------
        shape : sequence of int
            Extents, of as many axes.

        Raises
        ------
        InputError
            If the number of axes differs, this network does not fit the lattice, or the spectrum
            is not positive there.
        """
        return moved(self, shape)

    @property
    def block(self) -> int:
        """Draws in one block: fewer where a divergence takes many passes."""
        return max(16, super().block // self.network.passes)

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

    def as_density(self, n_steps: int, divergence: str = "exact") -> ScoreModel:
        """Return the same model with another number of steps.

        Parameters
        ----------
        n_steps : int
            >= 2: with one step nothing would show its error.
        divergence : {"exact", "full", "coloured"}
            "exact": in closed form, or by what the network has.  "full": n passes.  "coloured":
            probes of a local network.  "hutchinson", a random estimate, is refused.

        Raises
        ------
        InputError
            If the number is too small, or the network has no such divergence.
        """
        check_exact(divergence, self.network)
        new = copy.copy(self)
        new._divergence = divergence
        new.n_steps = check_positive_int("n_steps", n_steps, 2)
        return new

    def refined(self) -> ScoreModel:
        """Return the same model with twice the steps: draws differ by their error."""
        return self.as_density(2 * self.n_steps, self._divergence)

    @torch.no_grad()
    def rough_log_prob(self, x: Any, rng: Stream | int) -> torch.Tensor:
        """Return random estimates of log q (B,), unbiased: for plots of a training alone.

        One probe of random signs a configuration (Hutchinson) replaces the divergence.  Weights
        made of it would be wrong: see :meth:`as_density`.

        Parameters
        ----------
        x : array or tensor (B, *event_shape)
        rng : Stream or int
        """
        x = self._prepared(self._batch(x))
        shape, generator = (len(x), self.geometry.n), as_stream(rng).torch(self.device)
        signs = torch.randint(0, 2, shape, generator=generator, device=self.device)
        return self._scored(x, (2 * signs - 1).to(self.dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and x."""
        return self._scored(x)

    def _scored(self, x: torch.Tensor, probe: torch.Tensor | None = None) -> torch.Tensor:
        y = (x.flatten(1) - self.centre) @ self.modes / self.spectrum.sqrt()
        zero = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        y, change = self._carried(y, zero, self.n_steps, probe)
        return normal_log_prob(y) - change - 0.5 * self.spectrum.double().log().sum()

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        y, log_q = normal(n, (self.geometry.n,), generator, self.dtype)
        y, log_q = self._carried(y, log_q, -self.n_steps)
        x = (y * self.spectrum.sqrt()) @ self.modes.t() + self.centre
        log_q = log_q - 0.5 * self.spectrum.double().log().sum()
        return x.reshape(n, *self.event_shape), log_q

    def _carried(
        self,
        y: torch.Tensor,
        log_q: torch.Tensor,
        steps: int,
        probe: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (y, log q) at the other end of tau; from noise to data for steps < 0.

        With a probe (B, n) the divergence is estimated.
        """
        first, last = self.range if steps > 0 else self.range[::-1]
        h = (last - first) / abs(steps)
        state: State = (y, log_q, None)
        for k in range(abs(steps)):
            at = self._fields([first + (k + c) * h for c in NODES])

            def rates(s: State, i: int, at: list[Field] = at) -> Any:
                if probe is None:
                    dy, divergence = at[i].both(s[0])
                else:
                    dy, divergence = random_trace(at[i].value, s[0], probe)
                return dy, -divergence, None

            state = step(rates, state, h)
        return state[0], state[1]

    @property
    def units(self) -> tuple[float, torch.Tensor]:
        """Size of the field, and the spectrum in its units."""
        size = float(self.scales[0])
        return size, self.spectrum / size**2

    @property
    def range(self) -> tuple[float, float]:
        """Tau without noise and with the most, in units of the field."""
        top = REACH**2 * float(self.scales[1])
        return math.log(DELTA), 0.5 * math.log(top + DELTA**2)

    def weights(self, tau: torch.Tensor) -> torch.Tensor:
        """Return the shares (S, times) of the filters at times tau (S,)."""
        low, high = self.range
        at = torch.linspace(low, high, self.times, dtype=tau.dtype, device=tau.device)
        width = (high - low) / (self.times - 1)
        return torch.softmax(-0.5 * ((tau[:, None] - at) / width) ** 2, 1)

    def _fields(self, tau: list[float]) -> list[Field]:
        t = torch.tensor(tau, dtype=torch.float64, device=self.device)
        c, lam2 = self.units[1].double(), (torch.exp(2 * t) - DELTA**2).clamp(min=0)[:, None]
        D = c + lam2
        q, r = c / D.sqrt(), (lam2 + DELTA**2) * c / D**1.5
        parts = (part.to(self.dtype) for part in (self.weights(t), q, r))
        return self.network.fields(*parts, self._divergence)

    def score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the score of the noised field x_t (B, *event_shape), 0 <= t <= T."""
        size, c = self.units
        alpha, lam2 = float(self._process.alpha(t)), (float(self._process.ratio(t)) / size) ** 2
        z = (x.flatten(1) / alpha - self.centre) @ self.modes / size
        D = c + lam2
        low, high = self.range
        tau = min(0.5 * math.log(lam2 + DELTA**2), high)
        weights = self.weights(torch.tensor([max(tau, low)], dtype=self.dtype, device=x.device))
        gamma = (c / D)[None].to(self.dtype)
        (at,) = self.network.fields(weights, gamma, gamma)
        s = -(z / D + at.value(z)) @ self.modes.t() / (size * alpha)
        return s.reshape(x.shape)

    @torch.no_grad()
    def diffuse(
        self,
        n: int,
        rng: Stream | int,
        method: str = "ancestral",
        n_steps: int = 100,
        spacing: str = "geometric",
    ) -> torch.Tensor:
        """Return n draws by a sampler of the process: approximate, without a density.

        Draws begin where the noise covers the slowest mode, with the law of that time.

        Parameters
        ----------
        n : int
        rng : Stream or int
        method : {"euler-maruyama", "frozen", "ancestral", "euler", "heun"}
            See :mod:`physgen.models.diffusion.samplers`.
        n_steps : int
        spacing : {"geometric", "uniform", "rho"}
        """
        check_positive_int("n", n)
        generator = as_stream(rng).torch(self.device)
        size, widest = self.scales.tolist()
        start = float(self._process.time_of(REACH * size * math.sqrt(widest)))
        start = min(start, self._process.end)
        law = torch.as_tensor(self._process.variance(start, to_numpy(self.spectrum.double())))
        y, _ = normal(n, (self.geometry.n,), generator, self.dtype)
        x = (y * law.sqrt().to(y)) @ self.modes.t() + float(
            self._process.alpha(start)
        ) * self.centre
        grid = times(self._process, n_steps, spacing, start=start, least=LEAST * size)
        x = diffused(self._process, self.score, x, grid, method, generator)
        return x.reshape(n, *self.event_shape)
