r"""Adversarial training of one generator for a range of a coupling.

The critic sees the coupling beside a configuration, D(x; c), and the generator has weights that
depend on it (:class:`~physgen.models.ConditionalGenerator`).  A step uses the data of one value of
the coupling, each equally often; all share the weights of the critic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from physgen.core.checks import key_remedy
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss, Remarks
from physgen.core.random import Stream
from physgen.models.adversarial.conditional import ConditionalGenerator
from physgen.models.adversarial.critics import default_critic
from physgen.training.adversarial import Adversarial
from physgen.training.divergences import KERNEL_FEATURES

__all__ = ["AdversarialFamily"]


class AdversarialFamily:
    """A game against a critic that knows the coupling.

    Parameters
    ----------
    data : mapping of float to (Configurations, or (target, samples))
        By the value of the coupling; at least two values.
    family : ConditionalGenerator
        The family to be trained.
    divergence : str
        As of :class:`~physgen.training.Adversarial`.
    **options
        Its other arguments but for the critic.

    Raises
    ------
    InputError
        If a value lies outside the interval of the family, or an option is unknown.
    """

    loss_name, label, unit = Adversarial.loss_name, Adversarial.label, Adversarial.unit
    validated_by, item = Adversarial.validated_by, "configurations"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        data: Mapping[float, Any],
        family: ConditionalGenerator,
        divergence: str = "non-saturating",
        **options: Any,
    ) -> None:
        if not isinstance(family, ConditionalGenerator):
            raise InputError(f"family must be a ConditionalGenerator, got {type(family).__name__}")
        if len(data) < 2:
            raise InputError(f"data must be those of at least 2 couplings, got {len(data)}")
        known = ("validation_fraction", "terms", "features", "moments", "strength", "n_critic",
                 "critic_rate", "augment", "spectral")  # fmt: skip
        for key in options:
            if key not in known:
                raise InputError(f"{key} is not a known option; {key_remedy(key, known)}")
        self.couplings = [float(c) for c in data]
        places = [family.place(c) for c in self.couplings]
        each = list(data.values())
        one = Adversarial(each[len(each) // 2], divergence, **options)
        critic = default_critic(
            one.event_shape, one.lattice, even=one.even, scale=one.scale, inputs=1,
            outputs=KERNEL_FEATURES if divergence == "mmd-gan" else 1, spectral=one.spectral,
            rng=Stream(0).child("critic"),
        )  # fmt: skip
        how = {**options, "critic": critic}
        self._each = [
            Adversarial(x, divergence, beside=u, **how) for x, u in zip(each, places, strict=True)
        ]
        self.n_train = sum(member.n_train for member in self._each)
        self.n_validation = sum(member.n_validation for member in self._each)
        self.n_sites = one.n_sites

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return 0..n_train-1: which items a step takes depends on its coupling."""
        del stream
        return np.arange(self.n_train)

    def begin(self, model: ConditionalGenerator, rng: Stream) -> Carry:
        """Return the critic of all couplings at its start."""
        carries = [
            member.begin(model.bound(c), rng)
            for member, c in zip(self._each, self.couplings, strict=True)
        ]
        return carries[0]

    def at(self, progress: float) -> AdversarialFamily:
        """Return the objective at a share of the steps."""
        found = object.__new__(AdversarialFamily)
        found.__dict__.update(self.__dict__)
        found._each = [member.at(progress) for member in self._each]
        return found

    def loss(
        self, model: ConditionalGenerator, index: np.ndarray, rng: Stream, carry: Carry
    ) -> Loss:
        """Return the loss at one value of the coupling."""
        draw = rng.child("which").numpy()
        k = int(draw.integers(len(self._each)))
        rows = draw.integers(self._each[k].n_train, size=len(index))
        return self._each[k].loss(model.bound(self.couplings[k]), rows, rng.child("one"), carry)

    def evaluate(self, model: ConditionalGenerator) -> np.ndarray:
        """Return the energy scores of the held-out items of every coupling."""
        pairs = zip(self._each, self.couplings, strict=True)
        return np.concatenate([member.evaluate(model.bound(c)) for member, c in pairs])

    def judge(self, model: ConditionalGenerator) -> Remarks:
        """Return how the family was trained, and at which couplings its draws have collapsed."""
        said, settings = [], {}
        for member, c in zip(self._each, self.couplings, strict=True):
            found = member.judge(model.bound(c))
            lines = filter(None, found.warnings.split("\n"))
            said += [f"{model.coupling} = {c:g}: {line}" for line in lines]
            settings = {**found.settings, "couplings": self.couplings}
        return Remarks("\n".join(said), settings)
