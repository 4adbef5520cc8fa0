r"""Rows of eight uint64 lanes, as values in kernels: 512 bits, in registers of the machine.

LLVM's loop vectoriser fails on the in-place updates of spin kernels, and prefers vectors of half
the available width.  The kernels of spins and random words therefore use explicit vectors: a
formula is a Python function of objects with ``+ * ^ & | ~ << >>``, and the same function runs on

* :class:`Vector`, which writes the LLVM instructions of an ``intrinsic``, and
* NumPy uint64 arrays, which is how the tests check it.

:func:`load`, :func:`store` and :func:`splat` connect vectors to arrays.

A row is one vector where registers have 512 bits.  Elsewhere an intrinsic writes its formula for
each of the :func:`parts` of a row, one after the other: LLVM would split every single instruction
into two or four and keep all of them at hand, and would run out of registers.  Lanes know nothing
of each other, so the words are the same on every machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import extending, njit
from numba.core import cgutils, config

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = [
    "LANES",
    "WHOLE",
    "Part",
    "Vector",
    "aligned",
    "broadcast_load",
    "intrinsic",
    "lane_numbers",
    "load",
    "parts",
    "pointer",
    "register_lanes",
    "splat",
    "store",
]

LANES = 8
intrinsic: Any = extending.intrinsic  # its decorated functions lose their first parameter
_I64 = ir.IntType(64)
_ONES = (1 << 64) - 1


class Part(NamedTuple):
    """Lanes first, first + 1, ... of a row, which fit into a register."""

    first: int
    width: int


WHOLE = Part(0, LANES)


def parts() -> list[Part]:
    """Return the parts of a row on the machine that kernels are compiled for."""
    width = register_lanes()
    return [Part(first, width) for first in range(0, LANES, width)]


@cache
def register_lanes() -> int:
    """Return how many uint64 a vector register holds."""
    given = config.CPU_FEATURES  # pyright: ignore[reportAttributeAccessIssue]
    features = given if given is not None else binding.get_host_cpu_features().flatten()
    there = set(features.split(","))
    if "+avx512f" in there:
        return LANES
    return 4 if "+avx2" in there else 2


class Vector:
    """A vector, or one uint64 for all lanes, in the function that `builder` is writing."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def is_vector(self) -> bool:
        """Whether lanes can differ."""
        return isinstance(self.value.type, ir.VectorType)

    @property
    def _lanes(self) -> int:
        return self.value.type.count if self.is_vector else 1

    def _apply(self, operation: str, other: Any) -> Vector:
        a, b = self.value, other
        if isinstance(other, Vector):
            b = other.value
            # Values equal in all lanes stay scalar as long as possible, which is nearly free.
            if a.type != b.type:
                n = max(self._lanes, other._lanes)
                a, b = (v if v.type != _I64 else splat(self.builder, v, n).value for v in (a, b))
        else:
            mask = int(other) & _ONES
            b = ir.Constant(a.type, [mask] * self._lanes if self.is_vector else mask)
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
        n = self._lanes
        half = ir.VectorType(ir.IntType(32), 2 * n)
        order = ir.Constant(half, [i | 1 for i in range(2 * n)])
        a = self.builder.bitcast(self.value, half)
        mixed = self.builder.shuffle_vector(a, a, order)
        return Vector(self.builder, self.builder.bitcast(mixed, self.value.type))

    def popcount(self) -> Vector:
        """Return the number of set bits of each lane."""
        kind, name = self.value.type, f"llvm.ctpop.v{self._lanes}i64"
        fnty = ir.FunctionType(kind, [kind])
        function = self.builder.module.declare_intrinsic(name, fnty=fnty)
        return Vector(self.builder, self.builder.call(function, [self.value]))

    def under(self, high: Vector) -> Vector:
        """Return ``(self & 0xffffffff) | (high << 32)``."""
        # As a shuffle: LLVM would merge the shift into a multiplication that made `high`, and
        # multiply twice.
        n = self._lanes
        half = ir.VectorType(ir.IntType(32), 2 * n)
        order = [i // 2 * 2 + i % 2 * 2 * n for i in range(2 * n)]
        a, b = (self.builder.bitcast(v.value, half) for v in (self, high))
        mixed = self.builder.shuffle_vector(a, b, ir.Constant(half, order))
        return Vector(self.builder, self.builder.bitcast(mixed, self.value.type))

    def majority(self, b: Vector, c: Vector) -> Vector:
        """Return the bits that at least two of the three have."""
        alike = self.value.type == b.value.type == c.value.type == ir.VectorType(_I64, LANES)
        if not _has_ternary_logic() or not alike:
            return (self & b) | (c & (self | b))
        # LLVM finds two such instructions in the formula; a kernel is mostly majorities.
        kind = ir.FunctionType(self.value.type, [self.value.type] * 3 + [ir.IntType(32)])
        function = self.builder.module.declare_intrinsic(
            "llvm.x86.avx512.pternlog.q.512", fnty=kind
        )
        table = ir.Constant(ir.IntType(32), 0b11101000)
        arguments = [self.value, b.value, c.value, table]
        return Vector(self.builder, self.builder.call(function, arguments))


@cache
def _has_ternary_logic() -> bool:
    own = not (config.CPU_NAME or config.CPU_FEATURES)  # pyright: ignore[reportAttributeAccessIssue]
    return own and bool(binding.get_host_cpu_features().get("avx512f"))


@njit(**CONTRACT)
def aligned(n):
    """Return n uint64 items, not initialised, that start on a cache line."""
    buffer = np.empty(n + LANES, np.uint64)
    offset = (-(buffer.ctypes.data >> 3)) & 7
    return buffer[offset : offset + n]


def lane_numbers(part: Part) -> ir.Constant:
    """Return the numbers of the lanes of a part."""
    return ir.Constant(
        ir.VectorType(_I64, part.width), list(range(part.first, part.first + part.width))
    )


def pointer(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Return the address of the first item of a C-contiguous uint64 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(data, _I64.as_pointer())


def _address(builder: Any, base: Any, index: Any, part: Part) -> Any:
    at = builder.add(index, index.type(part.first)) if part.first else index
    kind = ir.VectorType(_I64, part.width)
    return builder.bitcast(builder.gep(base, [at]), kind.as_pointer())


def load(builder: Any, base: Any, index: Any, part: Part) -> Vector:
    """Return a part of the row at item index, at any alignment."""
    return Vector(builder, builder.load(_address(builder, base, index, part), align=8))


def store(builder: Any, base: Any, index: Any, part: Part, vector: Vector) -> None:
    """Write a part of the row at item index."""
    builder.store(vector.value, _address(builder, base, index, part), align=8)


def splat(builder: Any, scalar: Any, width: int) -> Vector:
    """Return the vector with `scalar` (int64 or uint64) in each of `width` lanes."""
    empty = ir.Constant(ir.VectorType(_I64, width), ir.Undefined)
    first = builder.insert_element(empty, scalar, cgutils.int32_t(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return Vector(builder, builder.shuffle_vector(first, empty, order))


def broadcast_load(builder: Any, base: Any, index: Any, part: Part) -> Vector:
    """Return the vector with item `index` in every lane of a part."""
    return splat(builder, builder.load(builder.gep(base, [index]), align=8), part.width)
