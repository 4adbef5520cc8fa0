r"""A known action with a learned correction.

.. math:: S(x) = S_0(x) + f_\theta(x) ,

where the action S_0 is a target and f an energy of its own; training moves f alone.  With
`for_target` f is a convolution that begins close to 0: the model begins as the target.  As f is
bounded from below, :math:`e^{-S}` is normalisable where :math:`e^{-S_0}` is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, final

import torch

from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.base import EnergyModel
from physgen.models.energy.base import Energy
from physgen.models.energy.convolutional import ConvolutionalEnergy
from physgen.targets.checked import checked_target
from physgen.targets.fingerprint import fingerprint

__all__ = ["ResidualEnergy"]

SMALL = -8.0  # logarithm of the quartic coupling of a correction, in units of the field's size


@final
class ResidualEnergy(Energy):
    """The sum of the action of a target and an energy that is learned.

    Parameters
    ----------
    target : Target
        S_0.  It must take tensors, and be differentiable by torch where fields are real.
    correction : EnergyModel
        f, of the same configurations.

    Raises
    ------
    InputError
        If both are of other configurations.
    """

    def __init__(self, target: Any, correction: Any) -> None:
        target = checked_target(target, bounded=False)
        if not isinstance(correction, EnergyModel) or isinstance(correction, ResidualEnergy):
            raise InputError(
                f"correction must be an energy, got {type(correction).__name__}; e.g. "
                "ConvolutionalEnergy.for_target(target)"
            )
        same = tuple(target.event_shape) == correction.event_shape
        if not same or target.support != correction.support:
            raise InputError(
                f"target and correction must be of the same configurations, got {target!r} and "
                f"{correction!r}; make the correction with for_target(target)"
            )
        even = declared(target).is_even and bool(getattr(correction, "even", False))
        super().__init__(
            correction.event_shape,
            correction.support,
            getattr(correction, "boundary", None),
            even=even,
            scale=float(getattr(correction, "scale", 1.0)),
        )
        self.target, self.correction = target, correction
        moves = "translations" in declared(target).symmetries
        self._moves = moves and "translations" in getattr(correction, "symmetries", ())

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return the target, and a correction that is close to 0.

        `options` are the other arguments of the convolution.
        """
        correction = ConvolutionalEnergy.for_target(source, rng=rng, **options)
        with torch.no_grad():
            correction.soft_couplings.zero_()
            correction.log_quartic.fill_(SMALL)
        return {"target": source, "correction": correction}

    @classmethod
    def for_target(cls, source: Any, *, rng: Stream | int = 0, **options: Any) -> ResidualEnergy:
        """Return a target with a fresh convolutional correction that is close to 0.

        Parameters
        ----------
        source : Target
            S_0, of real fields on a lattice.
        rng : Stream or int
        **options
            Arguments of :class:`~physgen.models.energy.convolutional.ConvolutionalEnergy`.

        Raises
        ------
        InputError
            If the source has no action, or does not suit the correction.
        """
        target = checked_target(source, bounded=False)
        return cls(**cls.arguments_for(target, options, as_stream(rng)))

    @property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2" and "translations" both parts have."""
        return super().symmetries | ({"translations"} if self._moves else set[str]())

    @property
    def config(self) -> dict[str, Any]:
        """What it is made of.

        A target is an object, so no model can be built from this: store ``model.correction``, and
        make the model of the target and the correction that is read back.
        """
        return {
            "family": "residual-energy",
            "target": fingerprint(self.target),
            "correction": self.correction.config,
        }

    @property
    def fingerprint(self) -> str:
        """Digest of the target's numbers and of the correction's weights."""
        both = f"{fingerprint(self.target)} {self.correction.fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64, differentiable in the weights of f and in fields."""
        known = torch.as_tensor(self.target.action(x)).to(x.device)
        return known.double() + self.correction(x)
