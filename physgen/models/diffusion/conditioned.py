r"""One score model for a range of a coupling, between couplings where its output was learned.

The network of a score model is linear in its last layer A.  With all other layers in common, the
network at a coupling c between m nodes :math:`c_i` is a polynomial of the coupling, and so is the
logarithm of the spectrum:

.. math:: N(x, \tau; c) = \sum_i \ell_i(c) \, N(x, \tau; A_i) , \qquad
          \ln C(c) = \sum_i \ell_i(c) \ln C_i , \qquad
          \ell_i(c) = \prod_{j \ne i} \frac{c - c_j}{c_i - c_j} .

:meth:`ConditionedScore.at` returns a score model like any other, exact by its weights; a coupling
outside the nodes, where polynomials cannot be trusted, is refused.
:func:`~physgen.training.conditioned_diffusion.fit_conditioned` trains the family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.decimated import Decimated, learned
from physgen.models.diffusion.score import ScoreModel
from physgen.models.odd_completed import reduced

__all__ = ["ConditionedScore"]


@final
class ConditionedScore(nn.Module):
    """A family of score models over an interval of one coupling; a Conditional.

    Parameters
    ----------
    score : mapping
        Arguments of the score models (:class:`~physgen.models.ScoreModel`).
    coupling : str
        Name of the coupling, e.g. "kappa".
    nodes : sequence of float
        Couplings at which the family is trained, two at least; its range ends with them.
    rng : Stream or int

    Raises
    ------
    InputError
        If there are fewer than two different nodes.
    """

    spectra: torch.Tensor

    def __init__(
        self, score: Mapping[str, Any], coupling: str, nodes: Sequence[float], *, rng: Stream | int
    ) -> None:
        super().__init__()
        found = [check_finite("each node", node) for node in nodes]
        if len(found) < 2 or len(set(found)) < len(found):
            raise InputError(f"nodes must be at least two different couplings, got {list(nodes)}")
        one = {name: value for name, value in score.items() if name != "family"}
        self.coupling, self.nodes = str(coupling), tuple(found)
        self.pattern = ScoreModel(**one, rng=rng)
        m = len(found)
        self.last = nn.ParameterList(
            nn.Parameter(p.detach().expand(m, *p.shape).clone()) for p in _last(self.pattern)
        )
        self.register_buffer("spectra", self.pattern.spectrum.expand(m, -1).clone())
        self._target_at: Callable[[float], Any] | None = None

    @classmethod
    def for_targets(
        cls,
        target_at: Callable[[float], Any],
        coupling: str,
        nodes: Sequence[float],
        *,
        decimate: bool = True,
        rng: Stream | int = 0,
        **options: Any,
    ) -> ConditionedScore:
        """Return a family with the symmetries that the targets declare.

        Parameters
        ----------
        target_at : callable(float) -> Target
        coupling : str
        nodes : sequence of float
        decimate : bool
            Integrate the odd sublattice exactly, where the targets can.
        rng : Stream or int
        **options
            Other arguments of :class:`~physgen.models.ScoreModel`.

        Raises
        ------
        InputError
            If the targets declare no translations, or there are fewer than two nodes.
        """
        stream, middle = as_stream(rng), sorted(nodes)[len(nodes) // 2]
        one = ScoreModel.for_target(target_at(middle), decimate=decimate, rng=stream, **options)
        family = cls(learned(one).arguments, coupling, nodes, rng=stream)
        return family.with_targets(target_at)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor (JSON types)."""
        return {
            "score": self.pattern.config,
            "coupling": self.coupling,
            "nodes": list(self.nodes),
        }

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {"family": "conditioned-score", **self.arguments}

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the range of the coupling."""
        return min(self.nodes), max(self.nodes)

    @torch.no_grad()
    def learn(self, i: int, trained: ScoreModel) -> None:
        """Take the output layer and the spectrum of a model that was trained at node number i.

        All other layers and the units come along; the models of all nodes must have the same.
        """
        self.pattern.load_state_dict(trained.state_dict())
        for kept, p in zip(self.last, _last(trained), strict=True):
            kept[i] = p
        self.spectra[i] = trained.spectrum

    def shares(self, value: float) -> np.ndarray:
        """Return l_i at a coupling, float64 (m,).

        Raises
        ------
        InputError
            If it lies outside the nodes.
        """
        low, high = self.interval
        if not low <= check_finite(self.coupling, value) <= high:
            raise InputError(
                f"{self.coupling} must lie in [{low:g}, {high:g}], the range that this family of "
                f"score models was trained in, got {value:g}; train one for a wider range"
            )
        c = np.array(self.nodes)
        gap = c[:, None] - c + np.eye(len(c))
        ratio = np.where(np.eye(len(c), dtype=bool), 1.0, (value - c) / gap)
        return ratio.prod(1)

    @torch.no_grad()
    def score_at(self, value: float) -> ScoreModel:
        """Return the score model of the learned sites at a coupling.

        Raises
        ------
        InputError
            If it lies outside the nodes.
        """
        share = torch.as_tensor(self.shares(value))
        model = ScoreModel(**self.pattern.arguments, rng=0).to(self.spectra.dtype)
        model.load_state_dict(self.pattern.state_dict())
        for p, kept in zip(_last(model), self.last, strict=True):
            p.copy_(torch.tensordot(share.to(kept), kept, 1))
        log_c = np.tensordot(share.numpy(), np.log(to_numpy(self.spectra.double())), 1)
        model.spectrum.copy_(torch.as_tensor(np.exp(log_c)))
        return model

    def at(self, **couplings: float) -> Any:
        """Return the density at a value of the coupling, e.g. ``family.at(kappa=0.25)``.

        Returns
        -------
        Decimated or ScoreModel
            For whole configurations of that target, if the family was made for targets.

        Raises
        ------
        InputError
            If another coupling is named, or the value lies outside the nodes.
        """
        if set(couplings) != {self.coupling}:
            raise InputError(
                f"this family of score models is one in {self.coupling}, got "
                f"{', '.join(couplings)}"
            )
        return self.completed(self.score_at(value := couplings[self.coupling]), value)

    def completed(self, model: ScoreModel, value: float) -> Any:
        """Return a model of the learned sites as one of whole configurations of the target."""
        if self._target_at is None or not model.halved:
            return model
        target = self._target_at(value)
        return Decimated(model, target, reduced(target))

    def target(self, value: float) -> Any:
        """Return the target at a value of the coupling.

        Raises
        ------
        InputError
            If the family was not made for targets.
        """
        if self._target_at is None:
            raise InputError("this family knows no targets; say with_targets(target_at) first")
        return self._target_at(value)

    def with_targets(self, target_at: Callable[[float], Any]) -> ConditionedScore:
        """Attach targets, e.g. to a family read from a file, so that it draws whole fields."""
        self._target_at = target_at
        return self


def _last(model: ScoreModel) -> list[nn.Parameter]:
    """Return the layer that the network is linear in."""
    out: Any = model.network.out
    return list(out) if isinstance(out, nn.ParameterList) else [out]
