"""Base class of models of lattice configurations, for any way to compute log q.

A configuration is an array of real numbers, or of spins -1 and 1, of shape ``event_shape``; q is
normalised, log q is in nats and float64.  A family defines how a batch is scored and drawn, and
which of its arguments follow from a target; this class sets the blocks and their random numbers.
Inside, spins are floating-point numbers; outside they are int8.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Support
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.base import DensityModel
from physgen.models.decimated import Decimated
from physgen.models.odd_completed import reduced
from physgen.samplers.plain import first_configurations
from physgen.targets.checked import whole_source
from physgen.targets.even import EvenTarget

__all__ = ["ConfigurationModel", "as_tensor", "field_size", "normal", "normal_log_prob"]

# Numbers in one block of draws: the output of a layer then stays in the caches of a CPU, and fills
# another device, which needs the same time to launch a kernel for few numbers or many.
BLOCK_NUMBERS, BLOCK_NUMBERS_ON_DEVICE = 2**15, 2**22


class ConfigurationModel(DensityModel):
    """A normalised distribution of configurations; a Density.

    Parameters
    ----------
    event_shape : tuple of int
        Shape of one configuration.
    support : Support
        Real numbers or spins.
    """

    def __init__(self, event_shape: tuple[int, ...], support: Support = REALS) -> None:
        super().__init__(event_shape, support)

    # --- what a family supplies -----------------------------------------------------------

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n configurations and their log q, differentiable in the weights."""

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the arguments of the constructor that follow from a target.

        Parameters
        ----------
        target : Target
        even : EvenTarget or None
            The even sites of the target if the model covers them only; None for all sites.
        options : mapping
            The arguments that are given.
        rng : Stream

        Raises
        ------
        InputError
            If the target does not suit the family.
        """
        raise InputError(f"{cls.__name__} is not made for a target, got {target!r}")

    @staticmethod
    def can_halve(lattice: Hypercubic) -> bool:
        """Return whether the family has models of the even sites of such a lattice."""
        del lattice
        return True

    def transferred(self, shape: Any) -> ConfigurationModel:
        """Return a model on another lattice with the weights of this one, to be trained further.

        Parameters
        ----------
        shape : sequence of int
            Extents of the lattice.

        Raises
        ------
        InputError
            If the weights depend on the lattice, as in most families.
        """
        raise InputError(
            f"the weights of {self.config['family']!r} fit its own lattice alone, got shape "
            f"{tuple(shape)}; train a fresh model, or an 'equivariant-cnf', whose kernels transfer"
        )

    # --- for a target ---------------------------------------------------------------------

    @classmethod
    def for_target(
        cls, target: Any, *, decimate: bool = True, rng: Stream | int = 0, **options: Any
    ) -> Any:
        """Return a fresh model for a target, with what the target declares.

        Parameters
        ----------
        target : Target
        decimate : bool
            Integrate the odd sublattice exactly where target and family can: a
            :class:`~physgen.models.Decimated` model of the even sites.
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
        if even is not None and not cls.can_halve(target.lattice):
            even = None
        make: Any = cls
        model = make(**{**cls.arguments_for(target, even, options, stream), **options}, rng=stream)
        return model if even is None else Decimated(model, target, even)

    # --- the density ----------------------------------------------------------------------

    @property
    def block(self) -> int:
        """Draws in one block: random numbers are keyed by blocks, so draws do not depend on n.

        Blocks are larger on a GPU, whose random numbers differ anyway.
        """
        numbers = BLOCK_NUMBERS if self.device.type == "cpu" else BLOCK_NUMBERS_ON_DEVICE
        return max(16, numbers // math.prod(self.event_shape))

    def force(self, x: Any) -> Any:
        """Return d log q / dx of real fields, with the shape, kind and type of x.

        A Markov chain that begins at this density needs it (`smc` with ``start``).

        Raises
        ------
        InputError
            If the model is one of spins, or x has the wrong shape.
        """
        return self._slope(x)

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return draws and their log q, on the model's device and without gradients.

        Parameters
        ----------
        n : int
        rng : Stream or int
            The first m of n draws are the m draws.

        Returns
        -------
        x : tensor (n, *event_shape)
        log_q : tensor (n,) float64
        """
        check_positive_int("n", n)
        stream, size = as_stream(rng).child("block"), self.block
        xs, log_qs = [], []
        with torch.no_grad():
            for k in range(math.ceil(n / size)):
                x, log_q = self.draw(size, stream.at(k).torch(self.device))
                xs.append(x.to(torch.int8) if self.support == SPINS else x)
                log_qs.append(log_q)
        return torch.cat(xs)[:n], torch.cat(log_qs)[:n]


def field_size(target: Any, rng: Stream) -> float:
    """Return the size of a typical field: the standard deviation of hot configurations."""
    return float(first_configurations(target, rng.child("scale"), 2048, "hot").std())


def normal(
    n: int, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return n standard normal arrays and their log density (n,) float64."""
    eps = torch.randn(n, *shape, generator=generator, device=generator.device, dtype=dtype)
    return eps, normal_log_prob(eps)


def normal_log_prob(eps: torch.Tensor) -> torch.Tensor:
    """Return the log density of standard normal arrays (n, ...), (n,) float64."""
    flat = eps.double().flatten(1)
    return -0.5 * (flat * flat).sum(1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)


def as_tensor(a: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a tensor with memory of its own."""
    return torch.tensor(np.asarray(a), dtype=dtype)
