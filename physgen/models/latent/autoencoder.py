r"""The deterministic autoencoder: a code of every field, and no density.

.. math:: z = e(x) , \qquad \hat x = d(z) , \qquad \mathcal L = \sum_i (x_i - \hat x_i)^2 ,

the variational autoencoder with its stochastic parts off.  It compresses.  It says nothing of how
likely a field is: there is no p(z) and no p(x|z), so nothing can be weighed or bounded.  Draws are
d(z) of codes from a Gaussian that is fitted to the codes of the training data afterwards; they are
approximate, lack the noise of each site, and are there for comparison.
"""

from __future__ import annotations

from typing import Any, final

import torch

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.models.base import Generator
from physgen.models.configurations import BLOCK_NUMBERS
from physgen.models.geometry import Geometry
from physgen.models.latent.arguments import vae_arguments
from physgen.models.latent.networks import NETS, Convolution, Dense, Sizes, displacements
from physgen.targets.checked import whole_source

__all__ = ["Autoencoder"]


@final
class Autoencoder(Generator):
    """A deterministic autoencoder of real fields; a Simulator without a density.

    Parameters
    ----------
    shape : sequence of int
    boundary : {"periodic", "open"}, or one of them for each axis
    net : {"convolution", "dense"}
        A convolution has one number of the code at every site and compresses nothing.
    n_latent : int, optional
        Numbers of a code; by default a quarter of the sites of a dense net.
    channels, layers : int
        Of the nets on each side of the code.
    scale : float
        Size of a typical field, > 0.
    odd : bool
        The code of -x is -z.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the parts do not go together.
    """

    code_mean: torch.Tensor
    code_factor: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        *,
        net: str = "dense",
        n_latent: int | None = None,
        channels: int = 4,
        layers: int = 1,
        scale: float = 1.0,
        odd: bool = True,
        rng: Stream | int = 0,
    ) -> None:
        check_choice("net", net, NETS)
        geometry = Geometry.of(shape, boundary)
        super().__init__(geometry.event_shape, REALS)
        n, whole = geometry.n, net == "convolution"
        m = n_latent or (n if whole else max(1, n // 4))
        self.n_latent = check_positive_int("n_latent", m)
        if whole and m != n:
            raise InputError(
                f"a convolution has one number of the code at every site, {n}, got n_latent={m}; "
                "take net='dense'"
            )
        self.geometry, self.net, self.odd = geometry, net, bool(odd)
        self.channels = check_positive_int("channels", channels)
        self.layers = check_positive_int("layers", layers)
        self.scale, stream = check_positive("scale", scale), as_stream(rng)

        def made(n_in: int, n_out: int, name: str) -> Any:
            sizes, r = Sizes(n_in, n_out, 1, 1, 0), stream.child(name)
            if whole:
                return Convolution(displacements(geometry), sizes, channels, layers, self.odd, r)
            return Dense(sizes, channels * n, layers, self.odd, r)

        self.encoder, self.decoder = made(n, m, "encoder"), made(m, n, "decoder")
        self.register_buffer("code_mean", torch.zeros(m))
        self.register_buffer("code_factor", torch.eye(m))

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the lattice."""
        return self.geometry.lattice.shape

    @property
    def boundary(self) -> Any:
        """Boundary of the lattice."""
        return self.geometry.lattice.boundary

    @property
    def block(self) -> int:
        """Fields that are computed at once."""
        return max(16, BLOCK_NUMBERS // self.geometry.n)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return codes (B, n_latent) of x (B, *event_shape)."""
        says = self.encoder(x.reshape(len(x), -1, 1) / self.scale)
        return says.linear + says.free[..., 0]

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Return fields (B, *event_shape) of codes (B, n_latent)."""
        says = self.decoder(z[..., None])
        return self.scale * (says.linear + says.free[..., 0]).reshape(-1, *self.event_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is left of x, (B, *event_shape), after coding it."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def fit_codes(self, x: torch.Tensor) -> None:
        """Set the Gaussian of codes to that of configurations (n, *event_shape)."""
        parts = self._prepared(self._batch(x)).split(self.block)
        z = torch.cat([self.encode(part) for part in parts]).double()
        mean = z.new_zeros(self.n_latent) if self.odd else z.mean(0)
        covariance = (z - mean).T @ (z - mean) / len(z)
        ridge = 1e-9 * float(covariance.diagonal().mean()) + 1e-30
        eye = torch.eye(self.n_latent, dtype=z.dtype, device=z.device)
        self.code_mean.copy_(mean)
        self.code_factor.copy_(torch.linalg.cholesky(covariance + ridge * eye))

    def latents(self, x: Any) -> Any:
        """Return codes of configurations (n, *event_shape) as an array."""
        with torch.no_grad():
            parts = self._prepared(self._batch(x)).split(self.block)
            return torch.cat([self.encode(part) for part in parts]).double().cpu().numpy()

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n fields of codes from the Gaussian; the first m of n draws are the m draws."""
        check_positive_int("n", n)
        stream, size, found = as_stream(rng).child("code"), self.block, []
        with torch.no_grad():
            for k in range(-(-n // size)):
                g = stream.at(k).torch(self.device)
                e = torch.randn(size, self.n_latent, generator=g, device=self.device,
                                dtype=self.dtype)  # fmt: skip
                found.append(self.decode(self.code_mean + e @ self.code_factor.T))
        return torch.cat(found)[:n]

    @classmethod
    def for_target(cls, target: Any, *, rng: Stream | int = 0, **options: Any) -> Autoencoder:
        """Return a fresh autoencoder for a target of real fields, or for configurations."""
        stream, source = as_stream(rng), whole_source(target)
        known = vae_arguments(source, None, {"visible": "reals", **options}, stream)
        taken = ("shape", "boundary", "scale", "odd")
        return cls(**{**{k: known[k] for k in taken}, **options}, rng=stream)
