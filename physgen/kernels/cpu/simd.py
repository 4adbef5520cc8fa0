r"""512-bit vectors of eight uint64 lanes, as values in kernels.

LLVM's loop vectoriser fails on the in-place updates of spin kernels, and prefers vectors of half
the available width.  The kernels of spins and random words therefore use explicit vectors: a
formula is a Python function of objects with ``+ * ^ & | ~ << >>``, and the same function runs on

* :class:`Vector`, which writes the LLVM instructions of an ``intrinsic`` (on a machine without
  512-bit registers LLVM splits each into two or four), and
* NumPy uint64 arrays, which is how the tests check it.

:func:`load`, :func:`store` and :func:`splat` connect vectors to arrays.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import extending, njit
from numba.core import cgutils, config

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = [
    "LANES",
    "Vector",
    "aligned",
    "broadcast_load",
    "intrinsic",
    "lane_numbers",
    "load",
    "pointer",
    "splat",
    "store",
]

LANES = 8
intrinsic: Any = extending.intrinsic  # its decorated functions lose their first parameter
_I64 = ir.IntType(64)
_V = ir.VectorType(_I64, LANES)
_ONES = (1 << 64) - 1


class Vector:
    """A vector, or one uint64 for all lanes, in the function that `builder` is writing."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def is_vector(self) -> bool:
        """Whether lanes can differ."""
        return self.value.type == _V

    def _apply(self, operation: str, other: Any) -> Vector:
        a, b = self.value, other
        if isinstance(other, Vector):
            b = other.value
            # Values equal in all lanes stay scalar as long as possible, which is nearly free.
            if a.type != b.type:
                a, b = (v if v.type == _V else splat(self.builder, v).value for v in (a, b))
        else:
            mask = int(other) & _ONES
            b = ir.Constant(a.type, [mask] * LANES if a.type == _V else mask)
        return Vector(self.builder, getattr(self.builder, operation)(a, b))

    def __add__(self, other: Any) -> Vector:
        return self._apply("add", other)

    def __mul__(self, other: Any) -> Vector:
        return self._apply("mul", other)

    def __xor__(self, other: Any) -> Vector:
        return self._apply("xor", other)

    def __and__(self, other: Any) -> Vector:
        return self._apply("and_", other)

    def __or__(self, other: Any) -> Vector:
        return self._apply("or_", other)

    def __invert__(self) -> Vector:
        return self._apply("xor", _ONES)

    def __lshift__(self, count: int) -> Vector:
        return self._apply("shl", count)

    def __rshift__(self, count: int) -> Vector:
        return self._apply("lshr", count)

    def shifted_left(self, counts: Vector) -> Vector:
        """Return each lane shifted by its own count."""
        return self._apply("shl", counts)

    def shifted_right(self, counts: Vector) -> Vector:
        """Return each lane shifted by its own count."""
        return self._apply("lshr", counts)

    def high(self) -> Vector:
        """Return ``self >> 32`` in the low half of each lane; the high half may be anything."""
        # As a shuffle, which uses another port than multiplications and shifts.
        half = ir.VectorType(ir.IntType(32), 2 * LANES)
        order = ir.Constant(half, [i | 1 for i in range(2 * LANES)])
        a = self.builder.bitcast(self.value, half)
        return Vector(
            self.builder, self.builder.bitcast(self.builder.shuffle_vector(a, a, order), _V)
        )

    def popcount(self) -> Vector:
        """Return the number of set bits of each lane."""
        kind = ir.FunctionType(_V, [_V])
        function = self.builder.module.declare_intrinsic("llvm.ctpop.v8i64", fnty=kind)
        return Vector(self.builder, self.builder.call(function, [self.value]))

    def under(self, high: Vector) -> Vector:
        """Return ``(self & 0xffffffff) | (high << 32)``."""
        # As a shuffle: LLVM would merge the shift into a multiplication that made `high`, and
        # multiply twice.
        half = ir.VectorType(ir.IntType(32), 2 * LANES)
        order = [i // 2 * 2 + i % 2 * 2 * LANES for i in range(2 * LANES)]
        a, b = (self.builder.bitcast(v.value, half) for v in (self, high))
        mixed = self.builder.shuffle_vector(a, b, ir.Constant(half, order))
        return Vector(self.builder, self.builder.bitcast(mixed, _V))

    def majority(self, b: Vector, c: Vector) -> Vector:
        """Return the bits that at least two of the three have."""
        if not _has_ternary_logic() or not self.value.type == b.value.type == c.value.type == _V:
            return (self & b) | (c & (self | b))
        # LLVM finds two such instructions in the formula; a kernel is mostly majorities.
        kind = ir.FunctionType(_V, [_V, _V, _V, ir.IntType(32)])
        function = self.builder.module.declare_intrinsic(
            "llvm.x86.avx512.pternlog.q.512", fnty=kind
        )
        table = ir.Constant(ir.IntType(32), 0b11101000)
        arguments = [self.value, b.value, c.value, table]
        return Vector(self.builder, self.builder.call(function, arguments))


@cache
def _has_ternary_logic() -> bool:
    # NUMBA_CPU_NAME may name another CPU; the plain formula is then safe.
    own = not (config.CPU_NAME or config.CPU_FEATURES)  # pyright: ignore[reportAttributeAccessIssue]
    return own and bool(binding.get_host_cpu_features().get("avx512f"))


@njit(**CONTRACT)
def aligned(n):
    """Return n uint64 items, not initialised, that start on a cache line."""
    buffer = np.empty(n + LANES, np.uint64)
    offset = (-(buffer.ctypes.data >> 3)) & 7
    return buffer[offset : offset + n]


def lane_numbers() -> ir.Constant:
    """Return the constant (0, 1, ..., 7)."""
    return ir.Constant(_V, list(range(LANES)))


def pointer(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Return the address of the first item of a C-contiguous uint64 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(data, _I64.as_pointer())


def load(builder: Any, base: Any, index: Any) -> Vector:
    """Return items index, ..., index + 7, at any alignment."""
    address = builder.bitcast(builder.gep(base, [index]), _V.as_pointer())
    return Vector(builder, builder.load(address, align=8))


def store(builder: Any, base: Any, index: Any, vector: Vector) -> None:
    """Write items index, ..., index + 7."""
    address = builder.bitcast(builder.gep(base, [index]), _V.as_pointer())
    builder.store(vector.value, address, align=8)


def splat(builder: Any, scalar: Any) -> Vector:
    """Return the vector with `scalar` (int64 or uint64) in every lane."""
    first = builder.insert_element(ir.Constant(_V, ir.Undefined), scalar, cgutils.int32_t(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return Vector(builder, builder.shuffle_vector(first, ir.Constant(_V, ir.Undefined), order))


def broadcast_load(builder: Any, base: Any, index: Any) -> Vector:
    """Return the vector with item `index` in every lane."""
    return splat(builder, builder.load(builder.gep(base, [index]), align=8))
