r"""A density of whole fields from one of their known part and one of the rest.

.. math:: q(\phi) = q_v(v) \, q(h | v) , \qquad v = P_v \phi , \; h = P_h \phi ,

without a Jacobian (:mod:`physgen.lattice.partition`).  With block fields for v this is
super-resolution, from L to 2L or more: a model of the coarse lattice, and a conditional model of
what the blocks leave open.  Both may be approximate; the weights :math:`-S - \log q` of whole
fields are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from physgen.core.arrays import like, to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Refinable
from physgen.core.protocols import REALS, Density, Support
from physgen.core.random import Stream, as_stream
from physgen.models.diffusion.conditional import ConditionalScore
from physgen.models.diffusion.given_density import BLOCK

__all__ = ["Composed"]


@final
@dataclass(frozen=True, eq=False)
class Composed:
    """A density of the known part times a conditional one of the rest; a Density.

    Parameters
    ----------
    coarse : Density
        Of known parts, arrays of shape ``partition.known_shape``: block *fields*, the sum of a
        block over size^(d/2).
    fine : ConditionalScore

    Raises
    ------
    InputError
        If the shapes do not match.
    """

    coarse: Any
    fine: ConditionalScore

    def __post_init__(self) -> None:
        wanted = self.fine.partition.known_shape
        if not isinstance(self.coarse, Density) or tuple(self.coarse.event_shape) != wanted:
            raise InputError(
                f"coarse must be a density of known parts, shape {wanted}, got "
                f"{type(self.coarse).__name__} of shape "
                f"{tuple(getattr(self.coarse, 'event_shape', ()))}"
            )

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of the whole lattice."""
        return self.fine.partition.shape

    @property
    def support(self) -> Support:
        """Real numbers."""
        return REALS

    @property
    def block(self) -> int:
        """Draws that are made at once."""
        return BLOCK

    def refined(self) -> Composed:
        """Return the same density with twice the steps, of both parts if both take steps."""
        finer = self.coarse.refined() if isinstance(self.coarse, Refinable) else None
        return Composed(self.coarse if finer is None else finer, self.fine.refined())

    def log_prob(self, x: Any) -> Any:
        """Return log q (...) float64 of fields (..., *shape)."""
        partition = self.fine.partition
        v, h = partition.split(to_numpy(x))
        lead = v.shape[:-1]
        v, h = v.reshape(-1, partition.n_known), h.reshape(-1, partition.n_hidden)
        fields = v.astype("float32").reshape(len(v), *partition.known_shape)
        log_q = to_numpy(self.coarse.log_prob(fields)) + self.fine.log_prob(v, h)
        return like(log_q.reshape(lead), x)

    def sample(self, n: int, rng: Stream | int) -> Any:
        """Return n fields (n, *shape)."""
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[Any, Any]:
        """Return n fields and their log q."""
        check_positive_int("n", n)
        stream, partition = as_stream(rng), self.fine.partition
        v, log_v = self.coarse.sample_and_log_prob(n, stream.child("coarse"))
        v = v.reshape(n, -1)
        h, log_h = self.fine.sample_and_log_prob(v, stream.child("fine"))
        return partition.merge(v, h).to(h.dtype), log_h + log_v.to(log_h)
