r"""Random streams: randomness as an argument.

A :class:`Stream` is a value ``(seed, path, counter)``, never a hidden state.  It names one
independent random sequence; the same triple gives the same numbers on every machine.  Derived
streams are made by name,

>>> root = Stream(seed=1)
>>> root.child("train", "shuffle").at(7)            # the shuffle of epoch 7
Stream(seed=1, path=('train', 'shuffle'), counter=7)

so a resumed run needs only the last value of the counter.  The triple is hashed (BLAKE2b) to
the 128-bit key of a Philox4x64 generator; keys of different triples collide with probability
:math:`2^{-128}`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Stream", "as_stream"]


@dataclass(frozen=True)
class Stream:
    """One named, independent random sequence.

    Parameters
    ----------
    seed : int
        Root seed of the run, ``0 <= seed < 2**63``.
    path : tuple of str or int
        Names on the way from the root to this stream.
    counter : int
        Position along the stream (epoch, draw, batch), ``>= 0``.

    Raises
    ------
    InputError
        If the seed is no integer in [0, 2^63), or the counter is negative.

    Examples
    --------
    >>> Stream(1).child("draws").numpy().random() == Stream(1).child("draws").numpy().random()
    True
    """

    seed: int
    path: tuple[str | int, ...] = ()
    counter: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.counter < 0:
            raise InputError(f"counter must be a non-negative integer, got {self.counter}")

    def child(self, *names: str | int) -> Stream:
        """Return the stream reached by appending `names` to the path, at counter 0.

        The child depends on the counter: different counters have different children.
        """
        here = (f"@{self.counter}",) if self.counter else ()
        return Stream(self.seed, (*self.path, *here, *names))

    def at(self, counter: int) -> Stream:
        """Return the same stream at position `counter`."""
        return replace(self, counter=int(counter))

    def philox_key(self) -> np.ndarray:
        """Return the 128-bit key as two uint64 words, shape (2,)."""
        return np.frombuffer(self._digest(), dtype=np.uint64).copy()

    def numpy(self) -> np.random.Generator:
        """Return a fresh NumPy generator (Philox4x64) at the start of this stream."""
        return np.random.Generator(np.random.Philox(key=self.philox_key()))

    def torch(self, device: Any = "cpu") -> torch.Generator:
        """Return a fresh torch generator on `device` at the start of this stream."""
        import torch

        generator = torch.Generator(device=device)
        generator.manual_seed(self.torch_seed())
        return generator

    def torch_seed(self) -> int:
        """Return the seed of a torch generator at the start of this stream."""
        return int(self.philox_key()[0]) & (2**63 - 1)

    def _digest(self) -> bytes:
        # Types are part of the text: child(1) and child("1") are different streams.
        text = repr((int(self.seed), self.path, int(self.counter)))
        return hashlib.blake2b(text.encode(), digest_size=16, person=b"physgen.stream").digest()


def check_seed(seed: object) -> int:
    """Return `seed` as an int, or raise :class:`InputError` if it is not in ``[0, 2**63)``."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise InputError(f"seed must be an integer in [0, 2**63), got {seed!r}")
    return int(seed)  # pyright: ignore[reportUnknownArgumentType]


def as_stream(rng: Stream | int) -> Stream:
    """Return `rng` itself if it is a :class:`Stream`, else the root stream of that seed."""
    return rng if isinstance(rng, Stream) else Stream(check_seed(rng))
