"""Figures of restricted Boltzmann machines: a block Gibbs sweep against its matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Figure, Row, interleaved
from numpy.typing import NDArray

from physgen.core.random import Stream
from physgen.models.energy.rbm import RBM
from physgen.samplers.block_gibbs import BlockGibbs

N_UNITS, N_CHAINS, N_SWEEPS = 256, 512, 10

Sweeps = Callable[[], Any]


def ours(model: RBM, rng: str) -> Sweeps:
    """Sweeps of bound chains, with the packing of their states."""
    chains = BlockGibbs(rng=rng).bind(model)
    state = chains.init(Stream(1), N_CHAINS)
    return lambda: chains.step(Stream(2), state, N_SWEEPS)


def products(W: NDArray[np.float32], by_rows: bool) -> Sweeps:
    """The two products alone, chains by units or units by chains."""
    shape = (N_CHAINS, N_UNITS) if by_rows else (N_UNITS, N_CHAINS)
    v = np.where(np.random.default_rng(1).random(shape) < 0.5, -1, 1).astype(np.float32)
    h, out, WT = np.empty_like(v), np.empty_like(v), np.ascontiguousarray(W.T)

    def run() -> None:
        for _ in range(N_SWEEPS):
            if by_rows:
                np.matmul(v, W, out=h)
                np.matmul(h, WT, out=out)
            else:
                np.matmul(WT, v, out=h)
                np.matmul(W, h, out=out)

    return run


def numpy_sweeps(W: NDArray[np.float32]) -> Sweeps:
    """Units 0 and 1 in NumPy float32: uniforms of SFC64, compared with the sigmoid."""
    generator, WT = np.random.Generator(np.random.SFC64(1)), np.ascontiguousarray(W.T)
    v = (generator.random((N_CHAINS, N_UNITS)) < 0.5).astype(np.float32)

    def half(v: NDArray[np.float32], W: NDArray[np.float32]) -> NDArray[np.float32]:
        x = v @ W
        np.negative(x, out=x)
        np.exp(x, out=x)
        x += 1
        x *= generator.random(x.shape, np.float32)
        return (x < 1).astype(np.float32)

    def run() -> None:
        state = v
        for _ in range(N_SWEEPS):
            state = half(half(state, W), WT)

    return run


def torch_sweeps(W: NDArray[np.float32], bernoulli: bool) -> Sweeps:
    """The same in torch, by comparison with uniforms or by torch.bernoulli."""
    import torch

    torch.set_num_threads(1)
    weights, generator = torch.from_numpy(W), torch.Generator().manual_seed(1)
    v = (torch.rand(N_CHAINS, N_UNITS, generator=generator) < 0.5).float()

    def half(v: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
        p = torch.sigmoid(v @ W)
        if bernoulli:
            return torch.bernoulli(p, generator=generator)
        return (torch.rand(p.shape, generator=generator) < p).float()

    def run() -> None:
        state = v
        with torch.no_grad():
            for _ in range(N_SWEEPS):
                state = half(half(state, weights), weights.T)

    return run


def rbm_gemm_ratio() -> Row:
    """Block Gibbs sweeps, 256 x 256 units and 512 chains, over their two products."""
    model = RBM((N_UNITS,), n_hidden=N_UNITS)
    W = model.kernel[1][0]
    contestants = {
        "fast": ours(model, "fast"),
        "philox": ours(model, "philox"),
        "products": products(W, by_rows=False),
        "products by rows": products(W, by_rows=True),
        "numpy": numpy_sweeps(W),
        "torch, compared": torch_sweeps(W, bernoulli=False),
        "torch.bernoulli": torch_sweeps(W, bernoulli=True),
    }
    times = interleaved(*contestants.values(), repeats=15)
    t = dict(zip(contestants, times, strict=True))
    floor = min(t["products"], t["products by rows"])
    ratios = {name: seconds / floor for name, seconds in t.items()}
    peers = ("numpy", "torch, compared", "torch.bernoulli")
    best = min(peers, key=lambda name: ratios[name])
    detail = {name: f"{ratios[name]:.2f}" for name in ("philox", *peers)}
    detail |= {"two products": f"{1e3 * floor / N_SWEEPS:.2f} ms"}
    value = ratios["fast"]
    return Row(value, "ratio", best, ratios[best], ratios[best] / value, detail)


FIGURES = [
    Figure(
        "rbm_gemm_ratio",
        "RBM 256 x 256, 512 chains: a Gibbs sweep (fast words; Philox in the detail, at most 1.4) "
        "over its two matrix products",
        1.25,
        rbm_gemm_ratio,
        at_most=True,
    )
]
