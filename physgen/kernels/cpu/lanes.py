r"""Vectors of 64 bytes as values in kernels: 16 float32 or 8 float64, one lane a chain.

LLVM's loop vectoriser unrolls a loop and leaves the rest to scalar code.  Rows of a lattice are
short, and the rest would take half of the time.  The number of chains of a block is a multiple of
the lanes, so with explicit vectors there is no rest.

    p = load(phi, i)            # items i, i + 1, ... of a contiguous array; i is uint64
    q = p * p + half * p        # lane by lane; a scalar counts for every lane
    store(force, i, q)
    add_wide(sums, j, q)        # float64 items j, j + 1, ... += lanes of q
    select(keep, j, p, q)       # p where items j, j + 1, ... of keep are 0, else q

Products and sums may be contracted to fused multiply-adds, and are not reordered.  On a machine
with shorter registers LLVM splits each instruction.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

__all__ = ["Lanes", "add_wide", "lanes_of", "load", "select", "store", "zeros"]

_BYTES = 64
_FLAGS = ("contract",)
_DOUBLE = ir.DoubleType()


class Lanes(types.Type):
    """Numba's type of a vector of float32 or float64."""

    def __init__(self, scalar: Any) -> None:
        self.scalar, self.size = scalar, _BYTES * 8 // scalar.bitwidth
        super().__init__(name=f"Lanes({scalar})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        scalar = ir.FloatType() if fe_type.scalar == types.float32 else _DOUBLE
        super().__init__(dmm, fe_type, ir.VectorType(scalar, fe_type.size))


def _address(context: Any, builder: Any, signature: Any, args: Any, vector: Any) -> Any:
    """Return the address of the vector at item args[1] of the array args[0]."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())


def _splat(builder: Any, scalar: Any, vector: Any) -> Any:
    empty = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(empty, scalar, cgutils.int32_t(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, empty, order)


def _load(typingctx, array, index):
    kind = Lanes(array.dtype)

    def codegen(context, builder, signature, args):
        at = _address(context, builder, signature, args, context.get_value_type(kind))
        return builder.load(at, align=array.dtype.bitwidth // 8)

    return kind(array, types.uint64), codegen


def _store(typingctx, array, index, value):
    def codegen(context, builder, signature, args):
        at = _address(context, builder, signature, args, args[2].type)
        builder.store(args[2], at, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.uint64, value), codegen


def _add_wide(typingctx, sums, index, value):
    def codegen(context, builder, signature, args):
        wide = ir.VectorType(_DOUBLE, args[2].type.count)
        at = _address(context, builder, signature, args, wide)
        more = args[2] if args[2].type == wide else builder.fpext(args[2], wide)
        builder.store(builder.fadd(builder.load(at, align=8), more), at, align=8)
        return context.get_dummy_value()

    return types.void(sums, types.uint64, value), codegen


def _select(typingctx, keep, index, where_zero, elsewhere):
    def codegen(context, builder, signature, args):
        vector = args[2].type
        at = _address(context, builder, signature, args, vector)
        flags = builder.load(at, align=keep.dtype.bitwidth // 8)
        zero = builder.fcmp_ordered("==", flags, ir.Constant(vector, [0.0] * vector.count))
        return builder.select(zero, args[2], args[3])

    return where_zero(keep, types.uint64, where_zero, elsewhere), codegen


def _zeros(typingctx, array):
    kind = Lanes(array.dtype)

    def codegen(context, builder, signature, args):
        return ir.Constant(context.get_value_type(kind), [0.0] * kind.size)

    return kind(array), codegen


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
add_wide: Any = intrinsic(_add_wide)
select: Any = intrinsic(_select)
zeros: Any = intrinsic(_zeros)


def _operation(function: Any, instruction: str) -> None:
    """Let an operator of Python act lane by lane."""

    def applied(typingctx, a, b):
        kind = a if isinstance(a, Lanes) else b

        def codegen(context, builder, signature, args):
            vector = context.get_value_type(kind)
            a, b = (x if x.type == vector else _splat(builder, x, vector) for x in args)
            return getattr(builder, instruction)(a, b, flags=_FLAGS)

        return kind(*(x if isinstance(x, Lanes) else kind.scalar for x in (a, b))), codegen

    apply: Any = intrinsic(applied)

    @overload(function)
    def binary(a, b):
        if isinstance(a, Lanes) or isinstance(b, Lanes):
            return lambda a, b: apply(a, b)
        return None


_operation(operator.add, "fadd")
_operation(operator.sub, "fsub")
_operation(operator.mul, "fmul")


def lanes_of(array: Any) -> int:
    """Return the number of lanes of the type of an array; for use in compiled code only."""
    raise NotImplementedError("lanes_of runs in compiled code only")


@overload(lanes_of)
def _lanes_of(array):
    n = Lanes(array.dtype).size
    return lambda array: n
