r"""A generator: latent variables of a known law, and a network that makes configurations of them.

.. math:: z \sim N(0, 1) , \qquad x = \text{scale} \; G_\theta(z)

for real fields, and for spins :math:`P(s_i = \pm 1 \mid z) = 1 / (1 + e^{\mp 2 G_i(z)})`,
independent sites given z.  x has no density that can be computed: the generator is a Simulator.

Draws of real fields are differentiable in the weights.  Draws of spins are not, and gradients of
their mean loss take one of two estimators:

- "straight-through" passes the gradient of the loss with respect to s on to the conditional mean
  :math:`\tanh G(z)`: of small variance, and *biased* unless the loss is linear in every spin;
- "reinforce" takes :math:`(\ell - b) \nabla_\theta \log P_\theta(s \mid z)`, with the mean of the
  other draws as b: not biased, and noisy.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.adversarial.nets import MAX_DIM, ConvolutionalNet, DenseNet
from physgen.models.base import Generator
from physgen.models.configurations import BLOCK_NUMBERS, BLOCK_NUMBERS_ON_DEVICE, field_size
from physgen.targets.checked import whole_source

__all__ = ["ESTIMATORS", "NETS", "LatticeGenerator"]

NETS = ("convolutional", "dense")
ESTIMATORS = ("straight-through", "reinforce")
_KINDS = {"reals": REALS, "spins": SPINS}


@final
class LatticeGenerator(Generator):
    """Draws of fields or spins from a network of latent variables; a Simulator.

    Parameters
    ----------
    kind : {"reals", "spins"}
    shape : tuple of int
    boundary : {"periodic", "open"}, or one of them for each axis, or None
        Of the hypercubic lattice; None: numbers without neighbours.
    odd : bool
        G(-z) = -G(z), so the law is even exactly and no draw prefers a sign.
    net : {"convolutional", "dense"}
        Convolutional nets need a lattice of at most 3 dimensions.
    channels, hidden : int
        Channels of the one, units of a layer of the other.
    layers, reach : int
        Hidden layers; sites on either side that a filter sees.
    latents, global_latents : int
        Latent variables of a site, and of the whole lattice (of the convolutional net).
    shifted : bool
        Translate every draw of a dense net of a periodic lattice at random.
    scale : float
        Size of a typical field, > 0; 1 for spins.
    estimator : {"straight-through", "reinforce"}, optional
        Of gradients of spins; None for real fields.
    rng : Stream or int
        First weights.

    Raises
    ------
    InputError
        If a number is out of range, or the arguments do not go together.
    """

    def __init__(
        self,
        kind: str,
        shape: Any,
        boundary: Any = None,
        odd: bool = False,
        net: str = "convolutional",
        channels: int = 16,
        hidden: int = 128,
        layers: int = 2,
        reach: int = 1,
        latents: int = 2,
        global_latents: int = 1,
        shifted: bool = False,
        scale: float = 1.0,
        estimator: str | None = None,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(tuple(shape), _KINDS[check_choice("kind", kind, tuple(_KINDS))])
        self.kind = kind
        words = boundary if boundary is None or isinstance(boundary, str) else tuple(boundary)
        self.boundary = words
        self.lattice = None if words is None else Hypercubic(self.event_shape, words)
        self.odd, self.net = bool(odd), check_choice("net", net, NETS)
        self.channels = check_positive_int("channels", channels)
        self.hidden = check_positive_int("hidden", hidden)
        self.layers = check_positive_int("layers", layers)
        self.reach = check_positive_int("reach", reach)
        self.latents = check_positive_int("latents", latents)
        self.global_latents = check_positive_int("global_latents", global_latents, 0)
        self.scale = check_positive("scale", scale)
        self.shifted = bool(shifted)
        if self.shifted and (self.lattice is None or not self.lattice.is_periodic):
            raise InputError(f"shifted draws need a periodic lattice, got boundary {boundary!r}")
        self.estimator = _estimator(kind, estimator)
        generator = as_stream(rng).child("weights").torch()
        self.network = self._network(generator)

    def _network(self, generator: torch.Generator) -> ConvolutionalNet | DenseNet:
        shape, bias = self.event_shape, not self.odd
        if self.net == "dense":
            n = self.latents * math.prod(shape)
            return DenseNet(shape, n, self.hidden, self.layers, bias=bias, generator=generator)
        if self.lattice is None or self.lattice.dim > MAX_DIM:
            raise InputError(
                f"a convolutional generator needs a lattice of at most {MAX_DIM} dimensions, got "
                f"shape {shape} and boundary {self.boundary!r}; take net = 'dense'"
            )
        return ConvolutionalNet(
            shape, self.lattice.boundaries, self.latents, self.global_latents, self.channels,
            self.layers, self.reach, bias=bias, generator=generator,
        )  # fmt: skip

    # --- for a target ---------------------------------------------------------------------

    @classmethod
    def for_target(
        cls, source: Any, *, kind: str | None = None, rng: Stream | int = 0, **options: Any
    ) -> LatticeGenerator:
        """Return a fresh generator of configurations like those of a target, or like given ones.

        Only what the source declares is used (shape, lattice, symmetries, the size of a field);
        never its action.

        Parameters
        ----------
        source : Target or Configurations
        kind : {"reals", "spins"}, optional
            By default that of the source.
        rng : Stream or int
        **options
            Other arguments of the class.

        Raises
        ------
        InputError
            If the source has other configurations, or an argument is out of range.
        """
        stream, source = as_stream(rng), whole_source(source)
        kind = check_choice("kind", kind or source.support.kind, tuple(_KINDS))
        if source.support.kind != kind:
            raise InputError(f"a generator of {kind} needs a source of {kind}, got {source!r}")
        found = _declared(source, kind, stream)
        if options.get("net") == "dense":
            found["shifted"] = "translations" in declared(source).symmetries and bool(
                found["boundary"] is not None
                and Hypercubic(found["shape"], found["boundary"]).is_periodic
            )
        return cls(kind, **{**found, **options}, rng=stream)

    # --- draws ----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.event_shape

    @property
    def n_latent(self) -> int:
        """Number of latent variables of one draw."""
        return self.network.n_latent

    @property
    def block(self) -> int:
        """Draws in one block: random numbers are keyed by blocks, so draws do not depend on n."""
        numbers = BLOCK_NUMBERS if self.device.type == "cpu" else BLOCK_NUMBERS_ON_DEVICE
        return max(16, numbers // math.prod(self.event_shape))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return fields (B, *shape), or half log odds G of spins, of latent variables (B, n)."""
        return self.scale * self.network(z)

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n configurations (n, *shape) of the weights' type.

        Differentiable in the weights; of spins with the straight-through gradient, if that is
        the estimator.
        """
        x, _ = self.draw_scored(n, generator)
        return x

    def draw_scored(
        self, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return n configurations and log P(s | z) (n,), which "reinforce" differentiates.

        The second is None for the other estimator, and for real fields.
        """
        z = torch.randn(
            n, self.n_latent, generator=generator, device=generator.device, dtype=self.dtype
        )
        field = self(z)
        log_p = None
        if self.kind == "spins":
            u = torch.rand(field.shape, generator=generator, device=field.device).to(field)
            s = torch.where(u < torch.sigmoid(2 * field), 1.0, -1.0).to(field)
            if self.estimator == "reinforce":
                log_p = torch.nn.functional.logsigmoid(2 * s * field).double().flatten(1).sum(1)
                field = s
            else:
                mean = torch.tanh(field)
                field = s + (mean - mean.detach())
        return (self._translated(field, generator) if self.shifted else field), log_p

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n draws (n, *shape) without gradients, spins as int8.

        Parameters
        ----------
        n : int
        rng : Stream or int
            The first m of n draws are the m draws.
        """
        check_positive_int("n", n)
        stream, size = as_stream(rng).child("block"), self.block
        with torch.no_grad():
            found = [
                self.draw(size, stream.at(k).torch(self.device)) for k in range(-(-n // size))
            ]
        x = torch.cat(found)[:n]
        return x.to(torch.int8) if self.kind == "spins" else x

    def _translated(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return every configuration translated by its own random vector."""
        source = torch.zeros(len(x), *[1] * len(self.shape), dtype=torch.long, device=x.device)
        for axis, extent in enumerate(self.shape):
            at = torch.arange(extent, device=x.device).view(
                -1, *[1] * (len(self.shape) - 1 - axis)
            )
            size = (len(x), *[1] * len(self.shape))
            t = torch.randint(extent, size, generator=generator, device=x.device)
            source = source * extent + (at + t) % extent
        return x.flatten(1).gather(1, source.flatten(1)).view_as(x)


def _estimator(kind: str, given: str | None) -> str | None:
    """Return the estimator of gradients of spins; InputError if real fields are given one."""
    if kind == "spins":
        return check_choice("estimator", given or "straight-through", ESTIMATORS)
    if given is not None:
        raise InputError(f"an estimator is for spins, got {given!r} for real fields; leave it out")
    return None


def _declared(source: Any, kind: str, rng: Stream) -> dict[str, Any]:
    about, shape = declared(source), tuple(source.event_shape)
    lattice = about.lattice
    known = isinstance(lattice, Hypercubic) and lattice.shape == shape
    found = {"shape": shape, "boundary": lattice.boundary if known else None, "odd": about.is_even}
    return found | ({"scale": field_size(source, rng)} if kind == "reals" else {})
