r"""A model averaged over a group of symmetries.

For a base model q and a group G (see :mod:`~physgen.models.symmetries`),

.. math:: q_{\mathrm{sym}}(a) = \frac{1}{|G|} \sum_{g \in G} q(g a) ,

which is normalised and invariant, :math:`q_{\mathrm{sym}}(g a) = q_{\mathrm{sym}}(a)`.  By the
concavity of the logarithm its divergence from an invariant distribution P is at most the
divergence of q: :math:`D(P \| q_{\mathrm{sym}}) \le D(P \| q)`.

A likelihood costs |G| likelihoods of the base.  A draw costs one draw, as :math:`g^{-1} b` with b
from q and g uniform, and a training step costs one step, on the bound

.. math:: E_g \log q(g a) \le \log q_{\mathrm{sym}}(a)

with one random g per string.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.strings import StringModel
from physgen.models.symmetries import Symmetry, as_symmetry, group

__all__ = ["Symmetrised"]


class Symmetrised(StringModel):
    """The average of a model over the group that symmetries generate; a Density.

    Parameters
    ----------
    base : module
        A model of strings that is not symmetrised yet, trained through this model or before.
    symmetries : sequence of Symmetry, str or mapping
        Names (``"reflection"``, ``"translation"``) or permutations; at least one.

    Attributes
    ----------
    n_elements : int
        |G|, the cost of a likelihood in likelihoods of the base.

    Raises
    ------
    InputError
        If there is no symmetry, one does not fit the strings, the group is too large, or the base
        is symmetrised.

    Examples
    --------
    >>> from physgen.models import GRU, Symmetrised
    >>> model = Symmetrised(GRU(4, 2, hidden=8), ["reflection"])
    >>> model.n_elements
    2
    >>> bool(model.log_prob([0, 0, 1, 0]) == model.log_prob([0, 1, 0, 0]))
    True
    """

    sites: torch.Tensor
    outcomes: torch.Tensor

    def __init__(
        self, base: Any, symmetries: Iterable[Symmetry | str | Mapping[str, Any]]
    ) -> None:
        (L,), K = base.event_shape, base.support.K
        super().__init__(L, K)
        self.base = base
        if isinstance(base, Symmetrised):
            raise InputError("a model is symmetrised once; name all symmetries together")
        if isinstance(symmetries, str | Mapping):
            raise InputError(f"symmetries must be a list of them, got {symmetries!r} alone")
        self.symmetries = tuple(as_symmetry(s) for s in symmetries)
        if not self.symmetries:
            raise InputError("symmetries must name at least one, got none; use the model itself")
        sites, outcomes = (torch.from_numpy(p) for p in group(self.symmetries, L, K))
        self.register_buffer("sites", sites, persistent=False)
        self.register_buffer("outcomes", outcomes, persistent=False)

    @property
    def n_elements(self) -> int:
        """Number |G| of elements of the group."""
        return len(self.sites)

    @property
    def config(self) -> dict[str, Any]:
        """Config of the base, and the symmetries."""
        return {**self.base.config, "symmetries": [s.config for s in self.symmetries]}

    def extra_repr(self) -> str:
        """Symmetries, shown by ``repr``."""
        return f"symmetries={[s.name for s in self.symmetries]}, n_elements={self.n_elements}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q_sym (B,) float64 of strings (B, L), differentiable in the weights."""
        return self._mean([self.base(image) for image in self._images(x)])

    def training_log_prob(self, x: torch.Tensor, rng: Stream | int) -> torch.Tensor:
        """Return log q(g x) (B,), one random g per string: on average at most log q_sym."""
        return self.base(self._transformed(x.to(self.device), as_stream(rng).child("symmetry")))

    @torch.no_grad()
    def _score(self, x: torch.Tensor) -> np.ndarray:
        images = self._images(x.to(self.device))
        return self._mean([self.base.log_prob(image) for image in images]).cpu().numpy()

    def _draw_block(self, rng: Stream, size: int) -> tuple[torch.Tensor, None]:
        # g and its inverse are equally likely, so g b is distributed as g^-1 b.
        drawn = self.base.sample(size, rng.child("base"))
        return self._transformed(drawn, rng.child("symmetry")).to(torch.uint8), None

    def _mean(self, log_q: list[torch.Tensor]) -> torch.Tensor:
        return torch.logsumexp(torch.stack(log_q), 0) - math.log(self.n_elements)

    def _images(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield g x of strings (B, L) for every element g."""
        for sites, outcomes in zip(self.sites, self.outcomes):
            yield outcomes[x.long()[:, sites]]

    def _transformed(self, x: torch.Tensor, rng: Stream) -> torch.Tensor:
        """Return g x of strings (B, L), with a random g each; the first m do not depend on B."""
        g = torch.from_numpy(rng.numpy().integers(self.n_elements, size=len(x))).to(x.device)
        return self.outcomes[g].gather(1, x.long().gather(1, self.sites[g]))
