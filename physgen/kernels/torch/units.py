r"""Units of restricted Boltzmann machines drawn in torch, on any device.

The laws, words and deviates of :mod:`physgen.kernels.cpu.rbm`: units drawn here from the same
inputs are the same, but where a word falls within rounding of a probability.
"""

from __future__ import annotations

import math

import torch

from physgen.core.random import Stream
from physgen.kernels.cpu.philox import key_schedule, rounds
from physgen.kernels.cpu.rbm import BINARY, GAUSSIAN, HIDDEN, SPIN, VISIBLE

__all__ = ["draw_units", "labels_of", "one_hot", "rows_of", "sweeps"]

_LOW = 0xFFFFFFFF


def draw_units(
    x: torch.Tensor, scale: torch.Tensor, code: int, rng: Stream, step: int, call: int
) -> torch.Tensor:
    """Return units drawn given their inputs.

    Parameters
    ----------
    x : tensor (n_rows, n_chains)
        Inputs, biases included; K rows for each outcome.
    scale : tensor (n_rows,)
        Widths of Gaussian units.
    code : int
    rng : Stream
    step, call : int
        Counter words c1 and c3.

    Returns
    -------
    float32 tensor (n_rows, n_chains)
        Of outcomes, one row in K is 1.
    """
    x = x.float()
    K = code if code > BINARY else 1
    words = _words(len(x) // K, x.shape[1], rng, step, call, x.device)
    if code == GAUSSIAN:
        s = scale.float()[:, None]
        return s * (s * x + _normals(words)[: len(x)])
    u = ((words.float() + 0.5) * 2.0**-32)[: len(x) // K]
    if K > 1:
        p = torch.softmax(x.reshape(-1, K, x.shape[1]), 1)
        chosen = (p.cumsum(1)[:, :-1] <= (u * p.sum(1))[:, None]).sum(1)
        return one_hot(chosen, K, 1).reshape(x.shape)
    t = 2 * x if code == SPIN else x
    up = (u < torch.sigmoid(-t.abs())) != (t > 0)
    return torch.where(up, 1.0, -1.0 if code == SPIN else 0.0)


def one_hot(x: torch.Tensor, K: int, axis: int) -> torch.Tensor:
    """Return outcomes as float32 with a new axis of length K on which one number is 1."""
    shape = (1,) * axis + (K,) + (1,) * (x.dim() - axis)
    return (x.unsqueeze(axis) == torch.arange(K, device=x.device).reshape(shape)).float()


def rows_of(x: torch.Tensor, code: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return configurations (B, ...) as units (B, n_rows): outcomes as K rows each."""
    flat = x.reshape(len(x), -1)
    if code > BINARY:
        flat = one_hot(flat, code, 2).flatten(1)
    return flat.to(dtype)


def labels_of(v: torch.Tensor, code: int) -> torch.Tensor:
    """Return units (n_rows, B) as configurations (B, n_sites): int8, uint8 or float32."""
    if code > BINARY:
        v = v.reshape(-1, code, v.shape[1]).argmax(1)
    kinds = {SPIN: torch.int8, GAUSSIAN: torch.float32}
    return v.T.to(kinds.get(code, torch.uint8))


def sweeps(
    layers: tuple[torch.Tensor, ...], codes: tuple[int, int], v: torch.Tensor, n: int, rng: Stream
) -> torch.Tensor:
    """Return visible units v (n_rows, n_chains) after n sweeps.

    Parameters
    ----------
    layers : tuple of float32 tensors
        W (n_rows, n_hidden), a, b and the widths of Gaussian visible units.
    codes : tuple of int
        Of visible and hidden units.
    """
    W, a, b, scale = layers
    ones = torch.ones_like(b)
    for t in range(n):
        h = draw_units(W.T @ v + b[:, None], ones, codes[1], rng, t, HIDDEN)
        v = draw_units(W @ h + a[:, None], scale, codes[0], rng, t, VISIBLE)
    return v


def _words(
    n: int, n_chains: int, rng: Stream, step: int, call: int, device: torch.device
) -> torch.Tensor:
    """Return Philox words (4 ceil(n / 4), n_chains), int64 in [0, 2^32)."""
    keys = [int(k) for k in key_schedule(rng.philox_key()[0])]
    zero = torch.zeros(-(-n // 4), n_chains, dtype=torch.int64, device=device)
    q = torch.arange(len(zero), device=device)[:, None] + zero
    chain = torch.arange(n_chains, device=device) + zero
    # Products wrap modulo 2^64 in int64 too; `rounds` masks what shifts leave in high halves.
    found = rounds([q, zero + step, chain, zero + call], list(zip(keys[::2], keys[1::2])))
    return torch.cat([word & _LOW for word in found])


def _normals(words: torch.Tensor) -> torch.Tensor:
    """Return float32 deviates, of the words of radii and angles (see `kernels.cpu.normals`)."""
    w, v, more_w, more_v = words.chunk(4)
    radius, angle = torch.cat([w, more_w]), torch.cat([v, more_v])
    r = torch.sqrt(-2 * torch.log((radius.float() + 0.5) * 2.0**-32))
    theta = ((angle >> 3).float() + 0.5) * (math.pi / 4 * 2.0**-29)
    s, c = r * torch.sin(theta), r * torch.cos(theta)
    swap = (angle & 1).bool()
    first, second = torch.where(swap, s, c), torch.where(swap, c, s)
    z0 = torch.where((angle & 2).bool(), -first, first)
    z1 = torch.where((angle & 4).bool(), -second, second)
    half = len(w)
    return torch.cat([z0[:half], z1[:half], z0[half:], z1[half:]])
