r"""A continuous flow with the symmetries of its lattice.

A field z of a Gaussian r with learned spectrum (:mod:`physgen.models.flows.gaussian`) is carried
along an equivariant velocity (:mod:`physgen.models.flows.velocity`),

.. math:: \frac{d\phi}{dt} = v(\phi, t), \qquad
          \frac{d \log q}{dt} = -\nabla \cdot v, \qquad
          \frac{dg}{dt} = -\partial_\phi (g \cdot v + \nabla \cdot v) , \qquad 0 \le t \le 1 ,

from :math:`\phi = z`, :math:`q = r` to a field of the model.  The last equation carries the score
:math:`g = \partial_\phi \log q_t(\phi)` along with the field (Vaitl et al., ICML 2022), so that
path gradients need one pass.  The steps are those of :mod:`physgen.models.runge_kutta`,
with half as many again for evaluation as for training.  With steps of length h the errors of the
density and of log Z are O(h^6): `importance` doubles the number of steps until they are small
compared with the statistical error.  Training needs enough steps as well, or the score carried
along is not the score of the draws, and the gradient is wrong: with 3 steps near criticality the
weights drifted away from their optimum as long as training went on (16 x 16, ESS 0.7 after 50
steps of Adam and 0.002 after 1000).  Such fits had errors of log q beyond 0.2 (rms), sound ones
below 0.06; so `fit` calls `steps_needed` early and often, and takes more steps where the error
exceeds 0.1.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import torch

from physgen.core.arrays import beside
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.lattice.orbits import PairOrbits
from physgen.models.configurations import field_size
from physgen.models.flows.gaussian import SpectralGaussian
from physgen.models.flows.velocity import Kernels, Velocity
from physgen.models.geometry import Geometry, LatticeModel
from physgen.models.path import Path
from physgen.models.runge_kutta import NODES, State, node_times, step
from physgen.targets.even import EvenTarget

__all__ = ["EquivariantCNF"]

STEP_ERROR = 0.1  # rms of log q, in training
MOST_STEPS = 32  # the most that a fit takes by itself
_PROBED = 128  # draws that the error is measured on


@final
class EquivariantCNF(LatticeModel):
    """An equivariant continuous normalizing flow on a periodic lattice.

    Parameters
    ----------
    shape : sequence of int
        Extents of the lattice.
    halved : bool
        Fields live on its even sublattice (n_sites / 2 numbers, in the order of
        ``lattice.split``) instead of the whole lattice.
    features, frequencies, times : int
        Features of a site, sines they are made of, and Legendre polynomials in time.
    steps : int
        Runge-Kutta steps to begin training with; draws and densities take `refine` = 1.5 times
        as many.
    scale : float
        Size of a typical field, > 0: standard deviation of the Gaussian to begin with.
    odd : bool
        q(-phi) = q(phi), exactly.
    point_group : bool
        q is invariant under permutations and reflections of the axes as well as translations.
    components : bool
        The last extent counts components of a field, and q is invariant under their permutations.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice does not have the symmetries.
    """

    def __init__(
        self,
        shape: Any,
        halved: bool = False,
        features: int = 6,
        frequencies: int = 8,
        times: int = 5,
        steps: int = 4,
        scale: float = 1.0,
        odd: bool = True,
        point_group: bool = True,
        components: bool = False,
        *,
        rng: Stream | int,
    ) -> None:
        geometry = Geometry.of(shape, halved=halved)
        orbits = PairOrbits(geometry.lattice, halved, point_group, components)
        super().__init__(geometry, REALS)
        self.features = check_positive_int("features", features)
        self.frequencies = check_positive_int("frequencies", frequencies)
        self.times = check_positive_int("times", times, 2)
        self.scale, self.odd = check_positive("scale", scale), bool(odd)
        self.point_group, self.components = bool(point_group), bool(components)
        self.orbits, self.refine = orbits, 1.5
        self._steps = check_positive_int("steps", steps)
        self.base = SpectralGaussian(orbits, scale)
        self.velocity = Velocity(orbits, features, frequencies, times, scale, odd, rng)

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice and the symmetries of a target, and the size of its hot fields.

        Raises
        ------
        InputError
            If the target declares no translations, or has no real fields.
        """
        symmetries = declared(target).symmetries
        if "translations" not in symmetries:
            what = "has no translations" if symmetries else "declares no symmetries"
            raise InputError(
                f"an equivariant flow needs a target with translations, and {target!r} {what}; "
                "give a target of your own its lattice (periodic) and symmetries, of "
                "'translations', 'point_group', 'z2': as_target(action, lattice=..., "
                "symmetries=[...])"
            )
        known = cls._lattice_arguments(target, even, REALS, components=True)
        del known["boundary"]  # the class takes periodic lattices only
        shape, sites = tuple(target.event_shape), site_shape(target)
        if shape != sites:
            if "components" not in symmetries:
                raise InputError(
                    f"an equivariant flow of a field with components, shape {shape}, needs the "
                    "symmetry 'components', S of permuted components; declare it if S has it, or "
                    "take the family 'zuko-flow'"
                )
            known |= {"shape": shape, "components": True}
        return known | {
            "scale": field_size(target, rng),
            "point_group": "point_group" in symmetries,
        }

    def refined(self) -> EquivariantCNF:
        """Return the same flow with steps half as long: draws differ by the error of the steps."""
        finer = copy.copy(self)
        finer.refine = 2 * self.refine
        return finer

    @torch.no_grad()
    def transferred(self, shape: Any) -> EquivariantCNF:
        """Return a flow on another lattice with the kernels of this one: a start for training.

        Kernels are copied for equal displacements; those only on the larger lattice begin at zero.

        Parameters
        ----------
        shape : sequence of int
            Extents, of as many axes; components stay as they are.

        Raises
        ------
        InputError
            If the number of axes differs, or the lattice does not have the symmetries.
        """
        if self.components and len(tuple(shape)) == self.orbits.lattice.dim - 1:
            shape = (*shape, self.orbits.lattice.shape[-1])
        if len(tuple(shape)) != self.orbits.lattice.dim:
            raise InputError(
                f"kernels transfer between lattices of {self.orbits.lattice.dim} axes, got shape "
                f"{tuple(shape)}"
            )
        new = EquivariantCNF(**self.arguments | {"shape": shape}, rng=0).to(
            self.device, self.dtype
        )
        new.velocity.omega.copy_(self.velocity.omega)
        new.velocity.mix.copy_(self.velocity.mix)
        if self.velocity.constant is not None and new.velocity.constant is not None:
            new.velocity.constant.copy_(self.velocity.constant)
        here = {d: o for o, d in enumerate(self.orbits.displacements)}
        for o, d in enumerate(new.orbits.displacements):
            if d in here:
                # A displacement of L/2 has fewer images than the same one on a larger lattice.
                ratio = np.sqrt(new.orbits.sizes[o] / self.orbits.sizes[here[d]])
                new.velocity.kappa[..., o] = self.velocity.kappa[..., here[d]] * ratio
                old = self.base.log_spectrum_orbits[here[d]]
                new.base.log_spectrum_orbits[o] = old * ratio
        return new

    @property
    def steps(self) -> int:
        """Runge-Kutta steps in training."""
        return self._steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._steps = check_positive_int("steps", steps)

    @torch.no_grad()
    def steps_needed(self, rng: Stream | int) -> int:
        """Return how many steps training needs with these weights: half as many again, or these.

        The error of log q is measured on a few draws, against steps half as long.  The number is
        bounded: weights that have run away would want ever more.
        """
        z, log_r, _ = self.base.draw(_PROBED, as_stream(rng).torch(self.device))
        coarse, fine = (self._carried(z, log_r, None, k * self._steps)[1] for k in (1, 2))
        rms = float((coarse - fine).square().mean().sqrt())
        if rms <= STEP_ERROR:
            return self._steps
        return max(self._steps, min(math.ceil(1.5 * self._steps), MOST_STEPS))

    def get_extra_state(self) -> torch.Tensor:
        """Return the number of steps: checkpoints and stored models carry it with the weights."""
        return torch.tensor(self._steps)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Set the number of steps that is stored with weights."""
        self._steps = int(state)

    @property
    def fine_steps(self) -> int:
        """Steps of draws and densities."""
        return math.ceil(self.refine * self.steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and x."""
        z, change = self._unmapped(x)
        return self.base.log_prob(z) - change

    @torch.no_grad()
    def latents(self, x: Any) -> np.ndarray:
        """Return the z of r that the flow maps to fields x (n, *event_shape), (n, n_sites)."""
        batches = self._prepared(self._batch(x)).split(self.block)
        return torch.cat([self._unmapped(part)[0] for part in batches]).double().cpu().numpy()

    def _unmapped(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return z (B, n) of fields x, and the change of log q on the way to x (B,)."""
        zero = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        z, change, _ = self._carried(x.flatten(1), zero, None, -self.fine_steps)
        return z, change

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        z, log_r, _ = self.base.draw(n, generator)
        x, log_q, _ = self._carried(z, log_r, None, self.fine_steps)
        return x.reshape(n, *self.event_shape), log_q

    def draw_with_score(
        self, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return n fields, their log q and their score d log q / dx.

        Only the fields are differentiable in the weights, as a path gradient needs.
        """
        z, log_r, score = self.base.draw(n, generator)
        x, log_q, score = self._carried(z, log_r.detach(), score.detach(), self.steps)
        assert score is not None
        shape = (n, *self.event_shape)
        return x.reshape(shape), log_q, score.reshape(shape)

    @torch.no_grad()
    def path(self, n: int, rng: Stream | int) -> Path:
        """Return n fields on their way from the Gaussian, after every step of the flow."""
        z, log_r, _ = self.base.draw(n, as_stream(rng).torch(self.device))
        seen: list[torch.Tensor] = []
        self._carried(z, log_r, None, self.fine_steps, lambda phi: seen.append(phi.t()))
        time = torch.linspace(0, 1, len(seen)).tolist()
        size = float(self.base.log_spectrum.exp().mean().sqrt())
        fields = torch.stack(seen).reshape(-1, n, *self.event_shape)
        return Path("time", time, fields, time, [size * (1 - t) for t in time])

    def _carried(
        self,
        phi: torch.Tensor,
        log_q: torch.Tensor,
        score: torch.Tensor | None,
        steps: int,
        visit: Callable[[torch.Tensor], None] | None = None,
    ) -> State:
        """Return (phi, log q, score) at the other end of t; backwards in time for steps < 0.

        Shapes (B, n), (B,) and (B, n); sites lead on the way.  `visit` is called with phi
        (sites first) at both ends and after every step.
        """
        n = abs(steps)
        at = self.velocity.kernels(beside(node_times(steps), phi).to(self.dtype))
        sites_first = None if score is None else score.t().contiguous()
        state: State = (phi.t().contiguous(), log_q, sites_first)
        visit = visit or (lambda phi: None)
        visit(state[0])
        for k in range(n):
            here = at[k * len(NODES) : (k + 1) * len(NODES)]

            def rates(s: State, i: int, here: list[Kernels] = here) -> Any:
                return self._rates(s[0], s[2], here[i])

            state = step(rates, state, 1 / steps)
            visit(state[0])
        phi, log_q, score = state
        return phi.t(), log_q, None if score is None else score.t()

    def _rates(
        self, phi: torch.Tensor, score: torch.Tensor | None, at: Kernels
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the derivatives of (phi, log q, score) with respect to t.

        If a score is carried, only the first derivative has gradients.
        """
        v, phase = self.velocity(phi, at)
        if score is None:
            return v, -self.velocity.derivatives(phase, at)[0], None
        with torch.no_grad():
            divergence, pull = self.velocity.derivatives(phase, at, score)
        return v, -divergence, None if pull is None else -pull
