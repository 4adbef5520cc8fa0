"""Moving configurations between chains, whatever the layout of their state."""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.chains import State
from physgen.core.random import Stream
from physgen.kernels.cpu.bond_sums import gather_lanes

__all__ = ["carried_over", "exchange", "interleaved", "regroup"]


def exchange(
    bounds: tuple[Any, Any], states: tuple[State, State], swap: np.ndarray
) -> tuple[State, State]:
    """Return both states with the configurations of the chains in `swap` exchanged.

    Parameters
    ----------
    bounds : pair of BoundSampler
        One kind of sampler, on two targets.
    states : pair of State
    swap : bool ndarray (n_chains,)
    """
    a, b = states
    if _is_bare(a) and a.x.dtype.kind in "iu":
        mask = _mask(a, swap)
        change = (a.x ^ b.x) & mask
        return State(a.x ^ change, a.aux), State(b.x ^ change, b.aux)
    x, y = (bound.configurations(s) for bound, s in zip(bounds, states))
    where = swap.reshape(-1, *[1] * (x.ndim - 1))
    mixed = np.where(where, y, x), np.where(where, x, y)
    one, two = (_restarted(b, s) for b, s in zip(bounds, mixed))
    return one, two


def carried_over(bound: Any, before: Any, state: State, source: np.ndarray | None) -> State:
    """Return a state of `bound` from one of the bound sampler `before`; see :func:`regroup`.

    Both may be of different kinds: a sampler takes other loops where a coupling is 0.
    """
    if _alike(bound, before):
        return regroup(bound, state, source)
    x = before.configurations(state)
    return _restarted(bound, x if source is None else x[source])


def regroup(bound: Any, state: State, source: np.ndarray | None) -> State:
    """Return a state of `bound` whose chain i is chain ``source[i]`` of `state`, or chain i."""
    if _is_bare(state):
        if source is None:
            return state
        if not state.aux:
            return State(state.x[source])
        gathered = _gathered if _is_bits(state) else _gathered_int8
        return State(gathered(state.x, source), state.aux)
    if interleaved(bound):
        x = state.x
        if source is not None:
            x = np.empty_like(state.x)
            gather_lanes(state.x, source, x)
        return bound.fields.state(x, int(state.aux["n_chains"]))
    x = bound.configurations(state)
    return _restarted(bound, x if source is None else x[source])


def _alike(a: Any, b: Any) -> bool:
    """Whether the chains of both are laid out alike: a bridge to a network leaves the loops."""
    fields = (getattr(each, "fields", None) for each in (a, b))
    return type(a) is type(b) and len({type(each) for each in fields}) == 1


def interleaved(bound: Any) -> bool:
    """Whether the fields of its chains lie interleaved, (n_blocks, n_sites, W)."""
    fields = getattr(bound, "fields", None)
    return fields is not None and hasattr(fields, "state")


def _is_bare(state: State) -> bool:
    """Whether nothing beside the configurations depends on the target."""
    return state.aux.keys() <= {"n_chains"}


def _is_bits(state: State) -> bool:
    """Whether spins lie as bits of words, and not side by side as int8."""
    return state.x.dtype == np.uint64


def _restarted(bound: Any, x: np.ndarray) -> State:
    return bound.init(Stream(0), len(x), x)  # given configurations need no randomness


def _mask(state: State, chains: np.ndarray) -> np.ndarray:
    """Return words with all bits of these chains set, in the layout of Ising spins."""
    if "n_chains" in state.aux:
        if _is_bits(state):  # 64 chains a word
            from physgen.samplers.spins.bits import pack

            return pack(np.where(chains, 1, -1).astype(np.int8)[:, None])
        blocks = np.zeros((len(state.x), 1, state.x.shape[2]), state.x.dtype)
        blocks.reshape(-1)[: len(chains)] = np.where(chains, -1, 0)
        return blocks
    full = np.where(chains, -1, 0).astype(state.x.dtype)
    return full.reshape(-1, *[1] * (state.x.ndim - 1))


def _gathered(x: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the words of Ising chains (n_blocks, n_sites, 8), chain i being ``source[i]``."""
    n_blocks, n_sites, n_words = x.shape
    words = np.ascontiguousarray(x.swapaxes(0, 1)).reshape(n_sites, -1)
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    bits[:, : len(source)] = np.take(bits, source, axis=1)
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    return np.ascontiguousarray(words.reshape(n_sites, n_blocks, n_words).swapaxes(0, 1))


def _gathered_int8(x: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Do the same for Ising chains side by side (n_blocks, n_sites, W)."""
    n_blocks, n_sites, width = x.shape
    chains = x.swapaxes(1, 2).reshape(-1, n_sites)  # a copy
    chains[: len(source)] = chains[source]
    return np.ascontiguousarray(chains.reshape(n_blocks, width, n_sites).swapaxes(1, 2))
