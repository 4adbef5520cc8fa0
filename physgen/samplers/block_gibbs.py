r"""Block Gibbs: all hidden units given the visible ones, then all visible units given the hidden.

For a restricted Boltzmann machine, :math:`e^{-S(v)} = \sum_h e^{-E(v, h)}`, a sweep is

.. math:: h \sim p(h | v), \qquad v' \sim p(v' | h) .

It is reversible: with :math:`\pi(v, h) \propto e^{-E}`,

.. math:: \pi(v) P(v \to v') = \sum_h \pi(h)\, p(v | h)\, p(v' | h) ,

which is symmetric in v and v', and so are n sweeps (Smolensky 1986; Hinton, Neural Comput. 14,
1771 (2002)).  The matrix of all chains makes it two matrix products a sweep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers._threads import over_blocks
from physgen.samplers.fields.checks import key_words
from physgen.samplers.plain import default_observables, first_configurations, kernel_name
from physgen.samplers.tensor_block_gibbs import TensorBlockGibbsChains, require_cuda_of_torch

__all__ = ["BlockGibbs", "BlockGibbsChains", "swept"]

_WIDTH, _LEAST_WIDTH = 512, 16  # chains of a block
_SEED_CALL = 1 << 24  # counter word c3 of the words that seed generators
_SECONDS_PRODUCT, _SECONDS_UNIT = 2e-11, 5e-10  # of a weight and of a unit of one chain, about


@dataclass(frozen=True)
class BlockGibbs:
    """Block Gibbs sweeps of a restricted Boltzmann machine, its default sampler; a step is one.

    Parameters
    ----------
    rng : {"philox", "fast"}
        Philox words, a function of (stream, chain, unit, sweep) alone; or xoshiro256++ lanes, a
        few per cent faster, which depend on the number of chains too.
    device : {"cpu", "cuda"}
        "cuda": the same chains on a GPU, by torch and with "philox", but where a word falls
        within rounding of a probability.

    Raises
    ------
    InputError
        If `rng` or `device` is unknown, or `rng` is none of the device.

    Notes
    -----
    Inputs of the units and real fields are float32.

    Examples
    --------
    >>> from physgen.models.energy.rbm import RBM
    >>> chains = BlockGibbs().bind(RBM((4, 4), n_hidden=8))
    >>> state, info = chains.step(Stream(2), chains.init(Stream(1), n_chains=100), n=10)
    """

    cites: ClassVar[tuple[str, ...]] = ("Smolensky1986", "Hinton2002")

    rng: str = "philox"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_choice("rng", self.rng, ("philox", "fast"))
        if check_choice("device", self.device, ("cpu", "cuda")) == "cuda" and self.rng == "fast":
            raise InputError("device='cuda' runs on rng='philox' only, got rng='fast'")

    def bind(self, target: Target) -> BlockGibbsChains | TensorBlockGibbsChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target is no restricted Boltzmann machine, its weights are not finite, or it
            cannot be normalised; or if a GPU is asked for, and torch finds none.
        """
        if kernel_name(target) != "rbm":
            raise InputError(
                f"BlockGibbs needs a restricted Boltzmann machine (models.energy.RBM), got "
                f"{target!r}; use HeatBath or Metropolis for spins, HMC for real fields"
            )
        chains: BlockGibbsChains | TensorBlockGibbsChains
        if self.device == "cuda":
            require_cuda_of_torch()
            chains = TensorBlockGibbsChains(target)
        else:
            chains = BlockGibbsChains(target, self.rng == "fast")
        chains.layers  # noqa: B018  weights that cannot be sampled are refused here
        return chains


@final
@dataclass(frozen=True, eq=False)
class BlockGibbsChains:
    """Chains of one machine, with the weights that it has when they are bound.

    Parameters
    ----------
    target : Target
        With ``kernel`` ("rbm", (W, W^T, a, b, scale, codes)); see `kernels.cpu.rbm`.
    fast : bool
        xoshiro256++ lanes instead of Philox.
    """

    target: Any
    fast: bool = False
    exactness: str = "asymptotic"

    @cached_property
    def layers(self) -> tuple[np.ndarray, ...]:
        """Weights, biases, widths and codes of the units."""
        return tuple(array.copy() for array in self.target.kernel[1])

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first visible units."""
        x = first_configurations(self.target, rng, n_chains, start)
        return State(x.astype(np.float32) if self.target.support.kind == "reals" else x)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n sweeps."""
        return State(swept(self.layers, state.x, n, rng, self.fast)), Info()

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return default_observables(self.target, state.x)

    def configurations(self, state: State) -> np.ndarray:
        """Return the visible units, shape (n_chains, *event_shape)."""
        return state.x


def swept(
    layers: tuple[np.ndarray, ...], x: np.ndarray, n: int, rng: Stream, fast: bool = False
) -> np.ndarray:
    """Return visible units after n sweeps, a pure function of its arguments.

    Parameters
    ----------
    layers : tuple of arrays
        (W, W^T, a, b, scale, codes); see :func:`physgen.kernels.cpu.rbm.gibbs`.
    x : array (n_chains, ...)
        Visible units.
    n : int
    rng : Stream
    fast : bool

    Returns
    -------
    array of the shape and type of x
    """
    from physgen.kernels.cpu.philox import words
    from physgen.kernels.cpu.rbm import BINARY, gibbs

    check_positive_int("n", n)
    W, WT, a, b, scale, (visible, hidden) = layers
    units = x.reshape(len(x), -1)
    out, key = np.empty_like(units), key_words(rng)
    n_blocks = -(-len(x) // _WIDTH)
    lanes = np.empty((n_blocks, 0), np.uint64)
    if fast:
        lane, seed = np.arange(8 * n_blocks), int(rng.philox_key()[0])
        halves = [w for call in (0, 1) for w in words(seed, 0, 0, lane, _SEED_CALL + call)]
        lanes = np.stack(halves).reshape(4, n_blocks, 8).transpose(1, 0, 2).copy()
        lanes = lanes.reshape(n_blocks, 32)

    def work(first: int, stride: int) -> None:
        for block in range(first, n_blocks, stride):
            at = slice(block * _WIDTH, min((block + 1) * _WIDTH, len(x)))
            v = _packed(units[at], int(visible))
            gibbs(
                W, WT, a, b, v, n, key, visible=int(visible), hidden=int(hidden), scale=scale,
                lanes=lanes[block], chain0=block * _WIDTH,
            )  # fmt: skip
            if visible > BINARY:
                v = v.reshape(units.shape[1], visible, -1).argmax(1)
            out[at] = v[:, : at.stop - at.start].T

    cost = _SECONDS_PRODUCT * W.size + _SECONDS_UNIT * (len(a) + len(b))
    over_blocks(work, n_blocks, n * len(x) * cost)
    return out.reshape(x.shape)


def _packed(units: np.ndarray, visible: int) -> np.ndarray:
    """Return units (n_chains, n_sites) as float32 rows (n_rows, width)."""
    from physgen.kernels.cpu.rbm import BINARY

    n_chains, n_sites = units.shape
    width = max(_LEAST_WIDTH, 1 << math.ceil(math.log2(n_chains)))
    if visible > BINARY:
        v = np.zeros((n_sites, visible, width), np.float32)
        v[:, :, :n_chains] = units.T[:, None] == np.arange(visible)[:, None]
        return v.reshape(-1, width)
    v = np.zeros((n_sites, width), np.float32)
    v[:, :n_chains] = units.T
    return v
