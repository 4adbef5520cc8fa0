r"""Variational autoencoders of fields, spins and outcomes.

.. math:: q(x, z) = p(z) \prod_i p(x_i \,|\, z) , \qquad r(z | x) \approx q(z | x) ,

with networks (:mod:`~physgen.models.latent.networks`) that give the parameters of the laws of
sites (:mod:`~physgen.models.latent.site_laws`) and of latents
(:mod:`~physgen.models.latent.latent_laws`).  A convolution has one latent at every site.

An odd model has q(-x) = q(x) exactly: its networks are odd and even functions, its prior is even.

========================  ===================================================================
posterior                 r(z | x)
========================  ===================================================================
correlated                normal; its covariance has a factor that x does not change and that
                          commutes with translations: latents are as correlated as the field
diagonal                  normal, independent latents
cholesky                  normal, any covariance, a function of x
flow                      affine couplings that see x, around a diagonal normal law
bits                      latents -1 and 1, independent given x
========================  ===================================================================

The choice of laws decides more than the objective does: docs/latent-variable-models.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import nn
from torch.nn.functional import log_softmax, one_hot

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.geometry import Geometry
from physgen.models.joint import JointModel
from physgen.models.latent.arguments import support_of, vae_arguments
from physgen.models.latent.decimated import DecimatedJoint
from physgen.models.latent.flow_law import FlowLaw, LatentFlow
from physgen.models.latent.latent_laws import Bits, Cholesky, LatentLaw, Normal, standard_normal
from physgen.models.latent.networks import NETS, Convolution, Dense, Heads, Sizes, displacements
from physgen.models.latent.site_laws import Gauss, Outcomes, Pairs, SiteLaw, Spins, first_constants
from physgen.models.odd_completed import reduced
from physgen.targets.checked import whole_source
from physgen.targets.even import EvenTarget

__all__ = ["VAE"]

VISIBLE = ("reals", "spins", "outcomes")
POSTERIORS = ("correlated", "diagonal", "cholesky", "flow", "bits")
# Odd and even numbers that the encoder gives of every latent.
_HEADS = {
    "correlated": (1, 2), "diagonal": (1, 1), "cholesky": (1, 1), "flow": (1, 1), "bits": (1, 0),
}  # fmt: skip
MOST_CHOLESKY = 128  # latents


@final
class VAE(JointModel):
    """A variational autoencoder; a JointDensity.

    Parameters
    ----------
    shape : sequence of int
        Extents of the lattice; (L,) for strings of outcomes.
    boundary : {"periodic", "open"}, or one of them for each axis
    halved : bool
        Configurations of the even sublattice alone, in the order of ``lattice.split``.
    visible : {"reals", "spins", "outcomes"}
    K : int, optional
        Number of outcomes, of visible outcomes only.
    net : {"convolution", "dense"}
        A convolution needs a periodic lattice.
    n_latent : int, optional
        Latents; by default as many as sites, which a convolution needs.
    posterior : {"correlated", "diagonal", "cholesky", "flow", "bits"}
    prior : {"plain", "flow"}
        "plain": N(0, 1), or independent bits.
    pairs : int
        Mirrored pairs of Gaussians a site of a real field, >= 0; 0: one Gaussian, whose weights
        have heavy tails near criticality.
    channels, layers : int
        Hidden units a site, and hidden layers, of each network.
    scale : float
        Size of a typical real field, > 0.
    odd : bool
        q(-x) = q(x), exactly; not of outcomes.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the parts do not go together.

    Examples
    --------
    >>> vae = VAE((4, 4), channels=4, rng=1)
    >>> x, z = vae.sample(3, rng=1)
    >>> x.shape, z.shape
    (torch.Size([3, 4, 4]), torch.Size([3, 16]))
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        *,
        visible: str = "reals",
        K: int | None = None,
        net: str = "convolution",
        n_latent: int | None = None,
        posterior: str = "correlated",
        prior: str = "plain",
        pairs: int = 3,
        channels: int = 16,
        layers: int = 1,
        scale: float = 1.0,
        odd: bool = True,
        rng: Stream | int = 0,
    ) -> None:
        check_choice("visible", visible, VISIBLE)
        check_choice("net", net, NETS)
        check_choice("posterior", posterior, POSTERIORS)
        check_choice("prior", prior, ("plain", "flow"))
        if (K is None) == (visible == "outcomes"):
            raise InputError(
                f"K is the number of visible outcomes, and of nothing else, got K={K} of {visible}"
            )
        odd = odd and visible != "outcomes"  # labels have no sign
        geometry = Geometry.of(shape, boundary, bool(halved))
        super().__init__(geometry.event_shape, support_of(visible, K), n_latent or geometry.n)
        if net == "convolution" and self.n_latent != geometry.n:
            raise InputError(
                f"a convolution has one latent at every site, {geometry.n}, got n_latent="
                f"{n_latent}; take net='dense'"
            )
        if posterior == "bits" and prior == "flow":
            raise InputError("a flow makes real latents, got posterior='bits'; take prior='plain'")
        if posterior == "cholesky" and self.n_latent > MOST_CHOLESKY:
            raise InputError(
                f"posterior 'cholesky' has a matrix for every x and at most {MOST_CHOLESKY} "
                f"latents, got {self.n_latent}; take 'correlated'"
            )
        self.geometry, self.visible, self.K, self.net = geometry, visible, K, net
        self.posterior, self.prior = posterior, prior
        self.pairs = check_positive_int("pairs", pairs, 0)
        self.channels = check_positive_int("channels", channels)
        self.layers = check_positive_int("layers", layers)
        self.scale, self.odd = check_positive("scale", scale), bool(odd)
        self._build(as_stream(rng))

    def _build(self, rng: Stream) -> None:
        n, m = self.geometry.n, self.n_latent
        free, bounded = self._site_heads()
        per_place = self.K or 1
        sizes = Sizes(n, m, per_place, *_HEADS[self.posterior])
        self.encoder = self._network(sizes, rng.child("encoder"))
        self.decoder = self._network(Sizes(m, n, 1, free, bounded), rng.child("decoder"))
        if self.visible == "reals":
            self.decoder.constant.data[:] = first_constants(self.pairs)
        width = self.channels * 4
        if self.posterior == "correlated":
            first = torch.eye(m) if self.net == "dense" else torch.eye(m)[0]
            self.mixing = nn.Parameter(first.clone())
        elif self.posterior == "cholesky":
            hidden = self.channels * n
            self.below = nn.Parameter(torch.zeros(hidden, m * (m - 1) // 2))
        elif self.posterior == "flow":
            self.posterior_flow = LatentFlow(m, 2 * m, 3, width, rng.child("posterior"))
        elif self.posterior == "bits" and self.odd:
            self.register_buffer("prior_field", torch.zeros(m))
        elif self.posterior == "bits":
            self.prior_field = nn.Parameter(torch.zeros(m))
        if self.prior == "flow":
            self.prior_flow = LatentFlow(m, 0, 4, width, rng.child("prior"))

    def _site_heads(self) -> tuple[int, int]:
        """Return how many odd and even numbers a site of the decoder has."""
        if self.visible == "reals":
            return (3 * self.pairs, 3 * self.pairs) if self.pairs else (1, 1)
        return (self.K or 1), 0

    def _network(self, sizes: Sizes, rng: Stream) -> Any:
        if self.net == "convolution":
            index = displacements(self.geometry)
            return Convolution(index, sizes, self.channels, self.layers, self.odd, rng)
        return Dense(sizes, self.channels * self.geometry.n, self.layers, self.odd, rng)

    # --- the three laws ---------------------------------------------------------------------

    def prior_law(self) -> LatentLaw:
        """Return p(z)."""
        if self.posterior == "bits":
            return Bits(self.prior_field[None])
        plain = standard_normal(self.n_latent, self.encoder.constant)
        if self.prior == "plain":
            return plain
        return FlowLaw(self.prior_flow, plain, None, even=self.odd)

    def encode(self, x: torch.Tensor) -> LatentLaw:
        """Return r(z | x) of x (B, *event_shape)."""
        says: Heads = self.encoder(self._seen(x))
        mean, kind = says.linear + says.free[..., 0], self.posterior
        if kind == "bits":
            return Bits(mean)
        narrow = says.bounded[..., 0]
        if kind == "correlated":
            whole = self.mixing.dim() == 2
            R = self.mixing if whole else self.encoder.circulant(self.mixing)
            return Normal(mean, narrow, says.bounded[..., 1], R)
        if kind == "cholesky":
            return Cholesky(mean, self._factor(narrow, says.hidden))
        if kind == "flow":
            return FlowLaw(self.posterior_flow, Normal(mean, narrow),
                           torch.cat([mean, narrow], -1))  # fmt: skip
        return Normal(mean, narrow)

    def _factor(self, narrow: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return L (B, n, n): its diagonal e^{-a}, and even functions of x below it."""
        n = self.n_latent
        L = torch.diag_embed(torch.exp(-narrow))
        rows, columns = torch.tril_indices(n, n, -1, device=L.device)
        L[:, rows, columns] = (hidden * hidden) @ self.below
        return L

    def decode(self, z: torch.Tensor) -> SiteLaw:
        """Return p(x | z) of z (B, n_latent)."""
        says: Heads = self.decoder(z[..., None])
        if self.visible == "outcomes":
            return Outcomes(log_softmax(says.free, -1))
        centre = says.linear + says.free[..., 0]
        if self.visible == "spins":
            return Spins(centre)
        if not self.pairs:
            return Gauss(centre, says.bounded[..., 0])
        (a, b, c), (A, B, C) = says.free.split(self.pairs, -1), says.bounded.split(self.pairs, -1)
        shares = log_softmax(torch.cat([A + a, A - a], -1), -1)
        centres = torch.cat([b + B, b - B], -1) + says.linear[..., None]
        return Pairs(shares, centres, torch.cat([C + c, C - c], -1))

    # --- units ------------------------------------------------------------------------------

    def _seen(self, x: torch.Tensor) -> torch.Tensor:
        """Return x as the encoder sees it, (B, n, numbers a site)."""
        inside = self.inside(x)
        if self.K is not None:
            return one_hot(inside, self.K).to(self.dtype)
        return inside[..., None]

    def inside(self, x: torch.Tensor) -> torch.Tensor:
        """Return x as the law of the decoder takes it, (B, n_sites)."""
        flat = x.reshape(len(x), -1)
        if self.K is not None:
            return flat.long()
        return flat.to(self.dtype) / (self.scale if self.visible == "reals" else 1.0)

    def outside(self, x: torch.Tensor) -> torch.Tensor:
        """Return draws of the decoder as configurations."""
        x = x.reshape(-1, *self.event_shape)
        if self.K is not None:
            return x.to(torch.uint8)
        return self.scale * x if self.visible == "reals" else x

    @property
    def log_unit(self) -> float:
        """Log density of configurations less log density in units of `scale`."""
        return -self.geometry.n * math.log(self.scale) if self.visible == "reals" else 0.0

    # --- arguments --------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the whole lattice."""
        return self.geometry.lattice.shape

    @property
    def boundary(self) -> Any:
        """Boundary of the lattice, one word or one per axis."""
        return self.geometry.lattice.boundary

    @property
    def halved(self) -> bool:
        """Whether the model covers the even sublattice only."""
        return self.geometry.halved

    # --- for a target -----------------------------------------------------------------------

    @classmethod
    def for_target(
        cls, target: Any, *, decimate: bool = True, rng: Stream | int = 0, **options: Any
    ) -> Any:
        """Return a fresh model for a target or for configurations, with what they declare.

        Parameters
        ----------
        target : Target or Configurations
        decimate : bool
            Integrate the odd sublattice exactly where the target can: a
            :class:`~physgen.models.latent.decimated.DecimatedJoint` model.
        rng : Stream or int
        **options
            Other arguments of the class.

        Raises
        ------
        InputError
            If the target does not suit the family, or an argument is out of range.
        """
        stream, target = as_stream(rng), whole_source(target)
        even = reduced(target) if decimate else None
        known = cls.arguments_for(target, even, options, stream)
        model = cls(**{**known, **options}, rng=stream)
        return model if even is None else DecimatedJoint(model, target, even)

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the arguments of the constructor that follow from a target.

        Raises
        ------
        InputError
            If its configurations are of another kind.
        """
        return vae_arguments(target, even, options, rng)
