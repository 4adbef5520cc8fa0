"""Hearing that a kernel is compiled: the first run of an installation takes half a minute more.

Numba keeps compiled kernels in a cache; an event of the kind ``numba:compile`` is sent only where
the cache has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["heard"]


@contextmanager
def heard(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` whenever a kernel begins to be compiled in this block."""
    from numba.core import event

    class Ear(event.Listener):
        def on_start(self, event: Any) -> None:
            say()

        def on_end(self, event: Any) -> None:
            """Hear the end, of which there is nothing to say."""

    with event.install_listener("numba:compile", Ear()):
        yield
