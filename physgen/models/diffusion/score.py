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
from physgen.models.diffusion.clock import Clock
from physgen.models.diffusion.divergence import random_trace
from physgen.models.diffusion.field import Field, check_exact
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.networks import network_of
from physgen.models.diffusion.process import Process, schedule_of
from physgen.models.diffusion.processes import process_of
from physgen.models.diffusion.sampling import DELTA, REACH, NoiseSampling
from physgen.models.diffusion.spectrum import check_schedule, measured, scales_of
from physgen.models.diffusion.transfer import moved
from physgen.models.embedded_runge_kutta import solve
from physgen.models.geometry import Geometry, LatticeModel
from physgen.models.runge_kutta import NODES, State, step
from physgen.targets.angles import check_real_field
from physgen.targets.even import EvenTarget

__all__ = ["DELTA", "REACH", "ScoreModel"]


@final
class ScoreModel(Clock, NoiseSampling, LatticeModel):
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
        self.tolerance: float | None = None  # of steps of any length, see as_density
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
        self.assign_spectrum(spectrum, keep_units)
        self.centre.fill_(centre)

    def transferred(self, shape: Any) -> ScoreModel:
        """Return a model on another lattice with the weights of this one: a start, or a model.

        Equal displacements keep their filters and inverse spectrum
        (:mod:`physgen.models.diffusion.transfer`).

        Parameters
        ----------
        shape : sequence of int
            Extents, of as many axes.

        Raises
        ------
        InputError
            If the network does not fit the lattice, or the spectrum is not positive there.
        """
        return moved(self, shape)

    @property
    def block(self) -> int:
        """Draws in one block: as many as sites, for kernels cost; fewer for many passes."""
        return max(16, max(super().block, self.geometry.n) // self.network.passes)

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
        divergence : {"exact", "full", "coloured"}
            "exact": in closed form, or by what the network has.  "full": n passes.  "coloured":
            probes of a local network.  "hutchinson", a random estimate, is refused.
        tolerance : float, optional
            Instead of a number of steps: the largest error of log q that one step makes, in nats
            (:mod:`physgen.models.embedded_runge_kutta`).

        Raises
        ------
        InputError
            If a number is out of range, both or neither are given, or the network has no such
            divergence.
        """
        check_exact(divergence, self.network)
        if (n_steps is None) == (tolerance is None):
            raise InputError(
                f"a density takes n_steps or a tolerance, got {n_steps} and {tolerance}; give one"
            )
        new = copy.copy(self)
        new._divergence = divergence
        if tolerance is None:
            new.n_steps = check_positive_int("n_steps", n_steps, 2)
        new.tolerance = None if tolerance is None else check_positive("tolerance", tolerance)
        return new

    def refined(self) -> ScoreModel:
        """Return the model with twice the steps, or a tenth of the tolerance: draws differ."""
        if self.tolerance is not None:
            return self.as_density(None, self._divergence, 0.1 * self.tolerance)
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
        """Return (y, log q) at the other end of tau, from noise for steps < 0; probe: a guess."""
        first, last = self.range if steps > 0 else self.range[::-1]

        def rate(at_y: torch.Tensor, at: Field) -> tuple[torch.Tensor, torch.Tensor]:
            if probe is None:
                dy, divergence = at.both(at_y)
            else:
                dy, divergence = random_trace(at.value, at_y, probe)
            return dy, -divergence

        if self.tolerance is not None:
            return solve(rate, self.fields_at, y, log_q, (first, last), self.tolerance)[:2]
        h = (last - first) / abs(steps)
        state: State = (y, log_q, None)
        for k in range(abs(steps)):
            at = self.fields_at([first + (k + c) * h for c in NODES])

            def rates(s: State, i: int, at: list[Field] = at) -> Any:
                return *rate(s[0], at[i]), None

            state = step(rates, state, h)
        return state[0], state[1]
