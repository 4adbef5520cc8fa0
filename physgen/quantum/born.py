r"""The distribution of measurement outcomes of a matrix product state.

.. math:: P(a) = \frac{\langle\psi| \bigotimes_i M_{a_i} |\psi\rangle}{\langle\psi|\psi\rangle}

With the state right-canonical, everything right of site i contracts to the identity, so a sweep
from the left gives the conditional probabilities :math:`P(a_i | a_1 \dots a_{i-1})`.

*Vector form.*  If every element has rank one, the part left of the cut is a pure state of the
bond: O(chi^2) a site.  Any POVM is *sampled* this way: one of the rank-one parts of its elements
is drawn, and parts of one element are merged.  pauli-4 is pauli-6 with its three negative outcomes
merged.

*Matrix form.*  An element of higher rank leaves a Hermitian environment E = S + iK (S symmetric, K
antisymmetric, both real).  Real tensors act alike on S and K, so the one real matrix R = S + K is
enough, at O(chi^3) a site: I, X and Z keep the order, and the Y term is a transposed difference,

.. math:: c_Y \left( A_0^T R A_1 - A_1^T R A_0 \right)^T .

A complex state A = Re + i Im is treated as the real state [[Re, -Im], [Im, Re]] of twice the bond
that starts from (1, i)/sqrt 2, so it needs no other code.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.arrays import like
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Support
from physgen.core.protocols import outcomes as outcome_support
from physgen.core.random import Stream, as_stream
from physgen.kernels.cpu import born as kernels
from physgen.quantum.mps import MPS
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM, simplest

__all__ = ["Born"]

# Samples handled together: enough to amortise Python, few enough to stay in the L2 cache (the
# matrix form takes 1 or 2 times LANES).  The random numbers are keyed by blocks of _SAMPLE_BLOCK,
# so changing it changes the samples of every seed.
_SAMPLE_BLOCK = 1024
_VECTOR_BLOCK = 512
# Conditional probabilities below these are rounding noise.
_FLOOR_SAMPLE = np.float32(1e-6)
_FLOOR_VECTOR = 1e-30
_FLOOR_MATRIX = 1e-15


class Born:
    """Outcome distribution of a state, measured by one POVM or one a site; a Density.

    Parameters
    ----------
    state : MPS
        In any gauge and normalisation, real or complex.
    povm : POVM, SitePOVM or str
        The measurement, or its name.

    Raises
    ------
    InputError
        If the state is no MPS.

    Notes
    -----
    Samples are drawn in float32 (conditional probabilities good to about 1e-6) and depend only on
    the stream and their own index: ``sample(n, rng)`` is the beginning of ``sample(m, rng)`` for
    m > n.  ``log_prob`` is float64; -inf where P(a) = 0.

    The matrices are small: a second BLAS thread doubles the CPU time without saving wall time, and
    on a busy machine waiting threads make it many times slower.  The command line uses one thread;
    a script should set OPENBLAS_NUM_THREADS=1 before NumPy loads.
    """

    def __init__(self, state: MPS, povm: POVM | SitePOVM | str) -> None:
        if not isinstance(state, MPS):
            what = f"an array {np.shape(state)}" if np.ndim(state) else type(state).__name__
            raise InputError(
                f"Born takes an MPS, got {what}; MPS.from_dense makes one of 2**L amplitudes, and "
                "BornMixed takes the DensityMatrix of a mixed state"
            )
        self.state = state
        self.povm = simplest(named_povm(povm) if isinstance(povm, str) else povm, state.L)
        self._sites = self.povm.sites if isinstance(self.povm, SitePOVM) else (self.povm,)
        canonical = state.right_canonical()
        if canonical.is_real:
            self._tensors = canonical.tensors
            self._start = np.array([[1.0, 0.0]])
        else:
            self._tensors = _real_embedding(canonical.tensors)
            self._start = np.eye(2) / np.sqrt(2.0)

    def __repr__(self) -> str:
        return f"Born({self.state!r}, {self.povm.name!r})"

    @property
    def event_shape(self) -> tuple[int, ...]:
        """One outcome for each site."""
        return (self.state.L,)

    @property
    def support(self) -> Support:
        """Outcomes 0..K-1."""
        return outcome_support(self.povm.K)

    def sample(self, n: int, rng: Stream | int) -> np.ndarray:
        """Draw n independent outcome strings, uint8 of shape (n, L)."""
        n = check_positive_int("n", n)
        stream = as_stream(rng)
        stream = stream.child("born", stream.counter)
        x = np.empty((n, self.state.L), dtype=np.uint8)
        memory = _Memory()
        for block, start in enumerate(range(0, n, _SAMPLE_BLOCK)):
            drawn = self._sample_block(stream.at(block).numpy(), memory)
            x[start : start + _SAMPLE_BLOCK] = drawn[: n - start]
        return x

    def log_prob(self, x: Any) -> Any:
        """Return log P(x) in nats, shape (...) for x of shape (..., L)."""
        a = self.povm.check_outcomes(x, self.state.L)
        flat = a.reshape(-1, self.state.L)
        vector = all(site.is_rank_one for site in self._sites)
        if vector:
            block, floor = _VECTOR_BLOCK, _FLOOR_VECTOR
        else:
            chi = max(A.shape[2] for A in self._tensors)
            block, floor = kernels.LANES * (2 if chi <= 16 else 1), _FLOOR_MATRIX
        log_p, memory = np.empty(len(flat)), _Memory()
        for start in range(0, len(flat), block):
            shots = np.ascontiguousarray(flat[start : start + block].T)
            lanes = -(-shots.shape[1] // kernels.LANES) * kernels.LANES
            padded = np.pad(shots, ((0, 0), (0, lanes - shots.shape[1])))
            p = (self._vector_block if vector else self._matrix_block)(padded, memory)
            p = p[:, : shots.shape[1]]
            with np.errstate(divide="ignore"):
                log_p[start : start + block] = np.log(np.where(p > floor, p, 0.0)).sum(axis=0)
        return like(log_p.reshape(a.shape[:-1]), x)

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[np.ndarray, np.ndarray]:
        """Return the draws of :meth:`sample` and their :meth:`log_prob`."""
        x = self.sample(n, rng)
        return x, self.log_prob(x)

    def _sample_block(self, generator: np.random.Generator, memory: _Memory) -> np.ndarray:
        n, L = _SAMPLE_BLOCK, self.state.L
        uniforms = generator.random((L, n), dtype=np.float32)
        drawn, parts = np.empty((L, n), dtype=np.uint8), np.empty(n, dtype=np.uint8)
        single = [(v.astype(np.float32), c.astype(np.float32), o) for v, c, o in self._parts]
        for i, u, v in self._vector_sweep(np.float32, n, memory):
            vectors, coefficients, owner = single[i % len(single)]
            kernels.draw_site(u, uniforms[i], vectors, coefficients, _FLOOR_SAMPLE, v, parts)
            drawn[i] = owner[parts]
        return drawn.T

    def _vector_block(self, shots: np.ndarray, memory: _Memory) -> np.ndarray:
        """Conditional probabilities (L, n) of shots (L, n), for rank-one elements."""
        n = shots.shape[1]
        p, scale = np.empty(shots.shape), np.ones(n)
        for i, u, v in self._vector_sweep(np.float64, n, memory):
            vectors, _, _ = self._parts[i % len(self._parts)]
            kernels.project_site(u, shots[i], vectors, scale, v, p[i])
        return p

    def _vector_sweep(
        self, dtype: type, n: int, memory: _Memory
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield (site, amplitudes u, array v to fill): u = A v of the site before."""
        v = np.broadcast_to(self._start[:, :, None], (*self._start.shape, n)).astype(dtype)
        for i, matrix in enumerate(self._site_matrices[dtype]):
            right = len(matrix) // 2
            u = memory.array("u", (2, right, 2, n), dtype)
            np.matmul(matrix, v.reshape(len(v), 2 * n), out=u.reshape(2 * right, 2 * n))
            v = memory.array("v", (right, 2, n), dtype)
            yield i, u, v

    def _matrix_block(self, shots: np.ndarray, memory: _Memory) -> np.ndarray:
        """Conditional probabilities (L, n) of shots (L, n), for elements of any rank."""
        n = shots.shape[1]
        p, scale = np.empty(shots.shape), np.ones(n)
        # R = S + K of the starting state: (1) for a real chain, else from (1, i)/sqrt 2.
        real, imag = self._start.T
        start = np.outer(real, real) + np.outer(imag, imag)
        start = start + np.outer(real, imag) - np.outer(imag, real)
        r = np.repeat(start.T[:, :, None], n, axis=2)
        for i, A in enumerate(self._tensors):
            left, _, right = A.shape
            rows = np.ascontiguousarray(A.transpose(2, 1, 0))
            swapped = np.stack([-rows[:, 1], rows[:, 0]], axis=1)
            t, w = (memory.array(name, (right, 2, left, n)) for name in "tw")
            q, new = (memory.array(name, (right, right, n)) for name in ("q", f"r{i % 2}"))
            np.matmul(
                rows.reshape(2 * right, left),
                r.reshape(left, left * n),
                out=t.reshape(2 * right, left * n),
            )
            np.matmul(swapped.reshape(right, 2 * left), t.reshape(right, 2 * left, n), out=q)
            coefficients = self._sites[i % len(self._sites)].pauli_coefficients
            kernels.mix_site(t, shots[i], coefficients, scale, w)
            np.matmul(rows.reshape(right, 2 * left), w.reshape(right, 2 * left, n), out=new)
            r = new
            kernels.add_transposed(r, q, shots[i], coefficients, scale, p[i])
        return p

    @cached_property
    def _parts(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Rank-one parts as the kernels take them, of all sites, or of each.

        Vectors (R, 4), Pauli coefficients (R, 4), and the outcome that each part belongs to.
        """
        return [_rank_one(site) for site in self._sites]

    @cached_property
    def _site_matrices(self) -> dict[type, list[np.ndarray]]:
        """A of each site as a matrix (2 right, left), in the two precisions."""
        matrices = [A.transpose(1, 2, 0).reshape(-1, A.shape[0]) for A in self._tensors]
        return {
            dtype: [np.ascontiguousarray(matrix, dtype=dtype) for matrix in matrices]
            for dtype in (np.float32, np.float64)
        }


def _rank_one(povm: POVM) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vectors, owner = povm.parts
    if povm.is_rank_one:  # one part each: in the order of the outcomes
        order = np.argsort(owner)
        vectors, owner = vectors[order], owner[order]
    e0, e1 = vectors.T
    reals = np.stack([e0.real, e0.imag, e1.real, e1.imag], axis=1)
    cross = e0.conj() * e1  # |e><e| = c_I + c_X X + c_Y Y + c_Z Z
    up, down = np.abs(e0) ** 2, np.abs(e1) ** 2
    coefficients = [(up + down) / 2, cross.real, cross.imag, (up - down) / 2]
    return reals, np.stack(coefficients, axis=1), owner


class _Memory:
    """Reusable work arrays: new memory pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self._flat: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
        """Return an uninitialised array; it overwrites the previous array of that name."""
        size = int(np.prod(shape))
        if name not in self._flat or self._flat[name].size < size:
            self._flat[name] = np.empty(size, dtype)
        return self._flat[name][:size].reshape(shape)


def _real_embedding(tensors: list[np.ndarray]) -> list[np.ndarray]:
    """Real tensors of twice the bond; the last bond stays 2 and is traced over."""
    embedded = []
    for A in tensors:
        re, im = np.real(A), np.imag(A)
        upper, lower = np.concatenate([re, -im], axis=2), np.concatenate([im, re], axis=2)
        embedded.append(np.concatenate([upper, lower], axis=0))
    return embedded
