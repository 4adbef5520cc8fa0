r"""xoshiro256++ (Blackman and Vigna 2021), eight lanes a vector.

With 64-bit state words :math:`s_0 \dots s_3`, addition modulo :math:`2^{64}` and left rotation,

.. math:: \mathrm{out} = \mathrm{rot}_{23}(s_0 + s_3) + s_0 , \qquad
          t = s_1 \ll 17 ,\;
          s_2 \mathrel{\oplus}= s_0 ,\; s_3 \mathrel{\oplus}= s_1 ,\;
          s_1 \mathrel{\oplus}= s_2 ,\; s_0 \mathrel{\oplus}= s_3 ,\;
          s_2 \mathrel{\oplus}= t ,\; s_3 = \mathrm{rot}_{45}(s_3) .

The "fast" mode of the spin samplers: nine instructions a vector of 512 random bits, against 33 of
Philox.  A lane is one generator, seeded by Philox words of the stream (256 random bits each: two
of n lanes overlap within their first T words with probability below :math:`n^2 T / 2^{256}`).  The
"+" variant is not used: its lowest bits are linear, and in a bit-sliced kernel a bit is a chain.
"""

from __future__ import annotations

from typing import Any

from numba import types

from physgen.kernels.cpu import simd

__all__ = ["advance", "draw8"]


def advance(s: list[Any]) -> Any:
    """Return the next output of the generators `s` (four words, changed in place)."""
    total = s[0] + s[3]
    out = ((total << 23) | (total >> 41)) + s[0]
    t = s[1] << 17
    s2, s3 = s[2] ^ s[0], s[3] ^ s[1]
    s1, s0 = s[1] ^ s2, s[0] ^ s3
    s[:] = [s0, s1, s2 ^ t, (s3 << 45) | (s3 >> 19)]
    return out


@simd.intrinsic
def draw8(typingctx, state, at, buffer, start):
    """Write eight vectors of random words to ``buffer[start:]`` (64 words).

    The generators are ``state[at:at+32]``: s0 of eight lanes, then s1, s2, s3.
    """

    def codegen(context, builder, signature, args):
        base = simd.pointer(context, builder, signature.args[0], args[0])
        out = simd.pointer(context, builder, signature.args[2], args[2])
        where = [builder.add(args[1], args[1].type(8 * i)) for i in range(4)]
        for part in simd.parts():
            s = [simd.load(builder, base, i, part) for i in where]
            for k in range(8):
                at = builder.add(args[3], args[3].type(8 * k))
                simd.store(builder, out, at, part, advance(s))
            for i, word in zip(where, s, strict=True):
                simd.store(builder, base, i, part, word)
        return context.get_dummy_value()

    return types.void(state, types.intp, buffer, types.intp), codegen
