r"""One Ising spin of 512 chains as Boolean algebra: bit = chain.

With n of the z present neighbours up (after the sign of each bond), reduced coupling
:math:`K = \beta |J|` and field :math:`H = \beta h`, the local field is
:math:`b_n = K(2n - z) + H`, the spin it favours :math:`g_n = [b_n > 0]`, and the new spin

.. math:: s' = g_n \oplus e_n \;(\text{heat bath}), \qquad
          s' = g_n \oplus (e_n \wedge [s = g_n]) \;(\text{Metropolis})

with an excitation :math:`e_n` drawn for each bit with probability
:math:`1/(1 + e^{2|b_n|})` (heat bath) or :math:`e^{-2|b_n|}` (Metropolis).

**Exact probabilities from 8 random words.**  With :math:`p = \min(P(e), 1 - P(e))` and
:math:`t = \lfloor 256 p \rfloor / 256`, a bit is set with probability t by comparing 8 random
bits, lowest first, :math:`r \leftarrow \mathrm{maj}(w_k, r, t_k)`, and what is missing,

.. math:: p = 1 - (1 - t)(1 - \epsilon) , \qquad \epsilon = \frac{p - t}{1 - t} \le 2^{-7} ,

comes from a mask of rare events (:mod:`physgen.kernels.cpu.ising_events`).  All classes n of a
bit read the same words; each bit belongs to only one class, so no two decisions share a random
number.

At a tie, :math:`b_n = 0`, the favoured spin is the old spin, :math:`g = s`, so Metropolis flips it
with probability P(e).

The functions here take :class:`~physgen.kernels.cpu.simd.Vector` or NumPy uint64 arrays.
"""

from __future__ import annotations

from typing import Any

from numba import types

from physgen.kernels.cpu import simd
from physgen.kernels.cpu.ising_tables import BITS, n_classes
from physgen.kernels.cpu.xoshiro import advance

__all__ = ["BITS", "N_MASKS", "compare", "counted", "n_classes", "new_spin", "selected", "update"]

N_MASKS = BITS + 3  # masks of a class: digits of t, complement, favoured spin, tie


def majority(a: Any, b: Any, c: Any) -> Any:
    """Return the bits that at least two of three words have."""
    return a.majority(b, c) if isinstance(a, simd.Vector) else (a & b) | (c & (a | b))


def chosen(condition: Any, yes: Any, no: Any) -> Any:
    """Return `yes` where `condition` is set, else `no`."""
    return no ^ (condition & (yes ^ no))


def counted(bits: list[Any]) -> list[Any]:
    """Return the number of set words at each bit as binary digits, lowest first."""
    column, digits = list(bits), []
    while column:
        carries = []
        while len(column) > 1:
            if len(column) == 2:
                a, b = column
                column = [a ^ b]
                carries.append(a & b)
            else:
                a, b, c = column[:3]
                column = [*column[3:], a ^ b ^ c]
                carries.append(majority(a, b, c))
        digits.append(column[0])
        column = carries
    return digits


def selected(digits: list[Any], leaves: list[Any]) -> Any:
    """Return at each bit the leaf with the index given by the digits."""
    for digit in digits:
        pairs = [
            chosen(digit, leaves[i + 1], leaves[i]) if i + 1 < len(leaves) else leaves[i]
            for i in range(0, len(leaves), 2)
        ]
        leaves = pairs
    return leaves[0]


def compare(words: list[Any], threshold: list[Any]) -> Any:
    """Return the bits with (random number of `words`) < threshold, both lowest digit first."""
    r = None
    for w, t in zip(words, threshold, strict=True):
        r = next_digit(r, w, t)
    return r


def next_digit(r: Any, w: Any, t: Any) -> Any:
    """Go on with a comparison: r is what the lower digits say, None before the lowest."""
    return w & t if r is None else majority(w, r, t)


def _next_known(builder: Any, now: list[tuple[Any, Any]], t: Any) -> list[Any]:
    """Do the same to several (r, w), where t, all or no bits set, is one number for all sites.

    A jump that always goes the same way costs less than the majority of three vectors, where
    that is no single instruction: what is left are w | r or w & r.
    """
    known = builder.icmp_unsigned("!=", t, t.type(0))
    with builder.if_else(known) as (then, otherwise):
        with then:
            set_ = [w if r is None else w | r for r, w in now]
            from_set = builder.block
        with otherwise:
            clear = [w ^ w if r is None else w & r for r, w in now]
            from_clear = builder.block
    results = []
    for yes, no in zip(set_, clear, strict=True):
        result = builder.phi(yes.value.type)
        result.add_incoming(yes.value, from_set)
        result.add_incoming(no.value, from_clear)
        results.append(simd.Vector(builder, result))
    return results


def new_spin(
    spin: Any, digits: list[Any], excited: list[Any], favours: list[Any], rule: int
) -> Any:
    """Return s' of the formula above; `rule` is 0 for the heat bath."""
    e, g = selected(digits, excited), selected(digits, favours)
    return g ^ e if rule == 0 else g ^ (e & ~(spin ^ g))


@simd.intrinsic(prefer_literal=True)
def update(
    typingctx,
    x,
    site,
    rows,
    signs,
    words,
    masks,
    kind,
    events,
    event,
    flips,
    z,
    symmetric,
    rule,
    fast,
):
    """Write the new spins of a site over ``x[8 * site:]``.

    ``rows[site, :z]`` and ``signs[site, :z]`` are the neighbours' offsets in x and sign masks,
    ``words`` eight vectors of random words, or with `fast` the generators that make them
    (:mod:`.xoshiro`), ``masks[kind, class]`` the 8 threshold masks, then the complement mask,
    :math:`g_n` and the mask of ties, ``events[event, class]`` the rare events.  Metropolis writes
    which spins it flipped to ``flips[8 * event:]``.

    The last four are literals: the degree, negative if all signs are +; whether n and z - n
    share a class; the rule: 0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie; and
    whether words are made on the way.
    """
    degree, shared, which, made = (t.literal_value for t in (z, symmetric, rule, fast))
    signed, degree = degree > 0, abs(degree)
    n_leaves = n_classes(degree, bool(shared))

    def codegen(context, builder, signature, args):
        bases = [
            simd.pointer(context, builder, signature.args[i], args[i])
            for i in (0, 2, 3, 4, 5, 7, 9)
        ]
        at, type_, event_ = args[1], args[6], args[8]

        # All parts are compared together: a jump costs more than a vector or two.
        parts = simd.parts()
        below, last = compared(builder, bases, at, type_, parts)
        for part in parts:
            write(builder, bases, at, type_, event_, part, below[part], last[part])
        return context.get_dummy_value()

    def item(builder, start, stride, offset):
        return builder.add(builder.mul(start, start.type(stride)), start.type(offset))

    def compared(builder, bases, at, type_, parts):
        """Compare the random numbers with the thresholds; return also the last words."""
        words_, masks_ = bases[3], bases[4]
        rows = [item(builder, at, 0, simd.LANES * k) for k in range(4 if made else BITS)]
        given = {p: [simd.load(builder, words_, row, p) for row in rows] for p in parts}
        below: dict[Any, list[Any]] = {p: [None] * n_leaves for p in parts}
        last: dict[Any, Any] = {}
        for k in range(BITS):
            last = {p: advance(given[p]) if made else given[p][k] for p in parts}
            for c in range(n_leaves):
                place = item(builder, type_, N_MASKS * n_leaves, N_MASKS * c + k)
                now = [(below[p][c], last[p]) for p in parts]
                if shared and len(parts) > 1:
                    digit = builder.load(builder.gep(masks_, [place]))
                    found = _next_known(builder, now, digit)
                else:
                    masks = [simd.broadcast_load(builder, masks_, place, p) for p in parts]
                    found = [next_digit(*each, t) for each, t in zip(now, masks, strict=True)]
                for p, r in zip(parts, found, strict=True):
                    below[p][c] = r
        if made:
            for p in parts:
                for row, word in zip(rows, given[p], strict=True):
                    simd.store(builder, words_, row, p, word)
        return below, last

    def write(builder, bases, at, type_, event_, part, below, last):
        x_, rows_, signs_, _, masks_, events_, flips_ = bases
        here = item(builder, at, simd.LANES, 0)
        bits = []
        for m in range(degree):
            row = builder.load(builder.gep(rows_, [item(builder, at, degree, m)]))
            bit = simd.load(builder, x_, row, part)
            if signed:
                sign = item(builder, at, degree, m)
                bit = bit ^ simd.broadcast_load(builder, signs_, sign, part)
            bits.append(bit)
        digits = counted(bits)
        spin = simd.load(builder, x_, here, part)

        def mask(c, k):
            place = item(builder, type_, N_MASKS * n_leaves, N_MASKS * c + k)
            return simd.broadcast_load(builder, masks_, place, part)

        excited, favours = [], []
        for c in range(n_leaves):
            place = item(builder, event_, simd.LANES * n_leaves, simd.LANES * c)
            rare = simd.load(builder, events_, place, part)
            excited.append((below[c] | rare) ^ mask(c, BITS))
            if not shared:
                favours.append(mask(c, BITS + 1) | (mask(c, BITS + 2) & spin))
        if shared:
            none = spin ^ spin
            favours = [none if 2 * n < degree else ~none for n in range(degree + 1)]
            if degree % 2 == 0:
                favours[degree // 2] = spin
            tie = [last if which < 2 else ~none] if degree % 2 == 0 else []
            excited = [*excited, *tie, *excited[::-1]]
        new = new_spin(spin, digits, excited, favours, which)
        simd.store(builder, x_, here, part, new)
        if which > 0:
            flipped = item(builder, event_, simd.LANES, 0)
            simd.store(builder, flips_, flipped, part, spin ^ new)

    i = types.intp
    arguments = (x, i, rows, signs, words, masks, i, events, i, flips, z, symmetric, rule, fast)
    return types.void(*arguments), codegen
