r"""Likelihood of outcomes under a matrix product state, and its gradient, for blocks of shots.

Site i has a real tensor :math:`A^{ks}_{ab}` (left bond a, Kraus index k, qubit s, right bond b),
and its outcome has the element :math:`M = c_I + c_X X + c_Y Y + c_Z Z`.  The Hermitian environment
:math:`E = S + iK` left of a bond is stored as one real matrix R = S + K (see
:mod:`physgen.quantum.born`), which a site maps to

.. math:: R' = \sum_{kst} m_{st}\, A^{ks\,T} R A^{kt}
             + c_Y \sum_k \big( A^{k1\,T} R^T A^{k0} - A^{k0\,T} R^T A^{k1} \big), \qquad
          m = \begin{pmatrix} c_I + c_Z & c_X \\ c_X & c_I - c_Z \end{pmatrix} .

After the last site the trace of R is the unnormalised weight W.  Each R is divided by its trace,
:math:`\log W = \sum_i \log \mathrm{tr}_i`.  Since W is linear in every R, the matrix G_i with
:math:`\langle G_i, R_i \rangle = 1`, propagated backwards, gives
:math:`\partial \log W / \partial A_i` without any further division.

That 1 is a sum of terms which cancel where the outcomes on the left exclude those on the right:
rounding changes log W by about

.. math:: \epsilon\, \kappa, \qquad \kappa = \max_i \|G_i\| \|R_i\| \ge 1 .

In a pure state :math:`\kappa = \|v\|^2 \|w\|^2 / (v \cdot w)^2` of the vectors v and w left and
right of a bond.  Chains far from their data reach 1e7 at 40 sites and 1e10 at 80, more than single
precision has.  Shots beyond a limit of kappa are reported, and their blocks add no gradient.

A block has `LANES` shots, the last axis of every array, so each loop below is a vector loop over
(bond, shot).  A product of a tensor with an environment combines a few rows with scalar
coefficients; the gradient of a tensor is a few dot products of rows.  With n the bond and K the
Kraus dimension, a site costs 11 products of 4 K n^3 flops a shot, 3 of them forward.  The cost is
half if bonds have a parity: a tensor then connects bonds of equal (s = 0) or opposite (s = 1)
parity, the even indices come first, and the sums run over one half.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.matrix_product_rows import (
    LANES,
    add_dots,
    add_row,
    combine,
    divide,
    squares,
    transpose,
)
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["LANES", "log_weights"]

_U = np.uint64
_1, _2, _3 = _U(LANES), _U(2 * LANES), _U(3 * LANES)  # rows of m_00, m_01, m_11, c_Y


@njit(**CONTRACT)
def _mix(t, u, w, at, p, to, q, m):
    """One element of w_s = sum_t m_st t_t, plus c_Y u_1 for s = 0 and minus c_Y u_0 for s = 1."""
    restrict()
    for i in range(LANES):
        j = _U(i)
        a, b, c, d = t[at + j], t[at + p + j], u[at + j], u[at + p + j]
        w[to + j] = m[j] * a + m[_1 + j] * b + m[_3 + j] * d
        w[to + q + j] = m[_1 + j] * a + m[_2 + j] * b - m[_3 + j] * c


@njit(**CONTRACT)
def _unmix(t, u, w, at, p, to, q, m):
    """Apply the adjoint of :func:`_mix`."""
    restrict()
    for i in range(LANES):
        j = _U(i)
        a, b = w[to + j], w[to + q + j]
        t[at + j] = m[j] * a + m[_1 + j] * b
        t[at + p + j] = m[_1 + j] * a + m[_2 + j] * b
        u[at + j] = -m[_3 + j] * b
        u[at + p + j] = m[_3 + j] * a


@njit(**CONTRACT)
def _partners(index, even, flips, f, other_even, other_size):
    """Return the first and last bond index that tensor f connects to `index`."""
    odd = (index >= even) != (flips and f % 2 == 1)
    return (other_even, other_size) if odd else (0, other_even)


@njit(**CONTRACT)
def _from_left(A, chi, F, shape, r, rt, m, t, u, w):
    """Multiply the left tensor on: t = A^T r and u = A^T r^T, [b, f, a']; mixed, w [f, a', b]."""
    left, el, right, er, flips = shape
    P, Q = left * LANES, right * LANES
    for b in range(right):
        for f in range(F):
            lo, hi = _partners(b, er, flips, f, el, left)
            o, at = (b * F + f) * P, (lo * F + f) * chi + b
            combine(t, o, r, lo * P, P, A, at, F * chi, hi - lo, P, True)
            combine(u, o, rt, lo * P, P, A, at, F * chi, hi - lo, P, True)
        for f in range(0, F, 2):
            for a in range(left):
                at, to = ((b * F + f) * left + a) * LANES, ((f * left + a) * right + b) * LANES
                _mix(t, u, w, _U(at), _U(P), _U(to), _U(left * Q), m)


@njit(**CONTRACT)
def _from_right(A, chi, F, shape, w, new, new_t):
    """Multiply the right tensor on; new is [b, b'], and new_t its transpose."""
    left, el, right, er, flips = shape
    Q = right * LANES
    for b in range(right):
        for f in range(F):
            lo, hi = _partners(b, er, flips, f, el, left)
            at, first = (lo * F + f) * chi + b, (f * left + lo) * Q
            combine(new_t, b * Q, w, first, Q, A, at, F * chi, hi - lo, Q, f == 0)
    transpose(new_t, new, right, right)


@njit(**CONTRACT)
def _backward(A, chi, F, shape, r, rt, m, t, u, w, g, d, back, back_t):
    """Propagate g, the adjoint of new_t, to the adjoints of r and rt; add to the gradient d.

    t, u, w hold the results of :func:`_from_left` for r and are overwritten by adjoints.
    """
    left, el, right, er, flips = shape
    P, Q = left * LANES, right * LANES
    for b in range(right):
        for f in range(F):
            lo, hi = _partners(b, er, flips, f, el, left)
            at, first = (lo * F + f) * chi + b, (f * left + lo) * Q
            add_dots(d, at, F * chi, hi - lo, g, b * Q, w, first, Q, Q)
    for a in range(left):
        for f in range(F):
            lo, hi = _partners(a, el, flips, f, er, right)
            at, o = (a * F + f) * chi + lo, (f * left + a) * Q
            combine(w, o, g, lo * Q, Q, A, at, 1, hi - lo, Q, True)
    for b in range(right):
        for f in range(0, F, 2):
            for a in range(left):
                at, to = ((b * F + f) * left + a) * LANES, ((f * left + a) * right + b) * LANES
                _unmix(t, u, w, _U(at), _U(P), _U(to), _U(left * Q), m)
        for f in range(F):
            lo, hi = _partners(b, er, flips, f, el, left)
            at, o = (lo * F + f) * chi + b, (b * F + f) * P
            add_dots(d, at, F * chi, hi - lo, t, o, r, lo * P, P, P)
            add_dots(d, at, F * chi, hi - lo, u, o, rt, lo * P, P, P)
    for a in range(left):
        for f in range(F):
            lo, hi = _partners(a, el, flips, f, er, right)
            at, first = (a * F + f) * chi + lo, (lo * F + f) * P
            combine(back, a * P, t, first, F * P, A, at, 1, hi - lo, P, f == 0)
            combine(back_t, a * P, u, first, F * P, A, at, 1, hi - lo, P, f == 0)


@njit(**CONTRACT)
def _element(coefficients, outcomes, m):
    """Write m_00, m_01, m_11 and c_Y of each shot's element."""
    for j in range(LANES):
        k = outcomes[j]
        m[j] = coefficients[k, 0] + coefficients[k, 3]
        m[LANES + j] = coefficients[k, 1]
        m[2 * LANES + j] = coefficients[k, 0] - coefficients[k, 3]
        m[3 * LANES + j] = coefficients[k, 2]


@njit(**CONTRACT)
def _restart(r, rt, norm, size, lost):
    """Put the unit matrix where R is noise: its trace is 1, so its norm cannot exceed 1."""
    one = norm[0] * 0 + 1
    for j in range(LANES):
        if norm[j] <= 2 * one:  # false for nan
            continue
        lost[j], norm[j] = True, one / size
        for a in range(size):
            for b in range(size):
                r[(a * size + b) * LANES + j] = one / size if a == b else one * 0
                rt[(a * size + b) * LANES + j] = one / size if a == b else one * 0


@njit(**CONTRACT)
def log_weights(
    A, bonds, even, flips, start, coefficients, outcomes, weights, logs, gradient, limit, lost
):
    r"""Write log W of every shot, and add sum_n weights_n d(log W_n)/dA to `gradient`.

    Parameters
    ----------
    A : float array (L, chi, 2 K, chi)
        Site tensors [i, a, 2k + s, b], padded to the largest bond.
    bonds, even : int arrays (L + 1,)
        Bond dimensions, and how many indices of each are even (all, without a parity).
    flips : bool
        Whether s = 1 flips the parity of the bond.
    start : float array (bonds[0], bonds[0])
        R left of the first site.
    coefficients : float array (K, 4)
        c_I, c_X, c_Y, c_Z of the elements.
    outcomes : integer array (L, n), n a multiple of `LANES`
    weights : float array (n,)
    logs : float64 array (n,)
        Out: -inf where a conditional probability is rounding noise, below 1e-15 (1e-9 in float32);
        finite in any case if a gradient is wanted.
    gradient : float array like A
        Empty: no gradient is wanted.
    limit : float
        Largest kappa of a shot; a block with a larger one adds nothing to `gradient`.
    lost : bool array (n,)
        Out: shots that are rounding noise or, if a gradient is wanted, of a larger kappa.
    """
    L, chi, F = A.shape[0], A.shape[1], A.shape[2]
    size, kind = chi * chi * LANES, A.dtype
    with_gradient = gradient.size > 0
    kept = L + 1 if with_gradient else 2
    r, rt = np.empty((kept, size), kind), np.empty((kept, size), kind)
    t, u, w = np.empty(F * size, kind), np.empty(F * size, kind), np.empty(F * size, kind)
    g, back, back_t = np.empty(size, kind), np.empty(size, kind), np.empty(size, kind)
    m, trace = np.empty(4 * LANES, kind), np.empty((L, LANES), kind)
    norms, worst, norm = np.empty((L, LANES), kind), np.empty(LANES), np.empty(LANES, kind)
    one = np.ones(1, kind)[0]
    floor = one * (1e-15 if A.itemsize == 8 else 1e-9)
    tensors = A.reshape(L, chi * F * chi)
    slopes = gradient.reshape(-1, chi * F * chi)
    before = np.empty_like(slopes)  # without the block
    for block in range(0, outcomes.shape[1], LANES):
        shots = outcomes[:, block : block + LANES]
        n0 = bonds[0]
        for a in range(n0):
            for b in range(n0):
                at, to = (a * n0 + b) * LANES, (b * n0 + a) * LANES
                r[0, at : at + LANES] = start[a, b]
                rt[0, to : to + LANES] = start[a, b]
        total, noise = np.zeros(LANES), lost[block : block + LANES]
        noise[:] = False
        for i in range(L):
            h, n = (i, i + 1) if with_gradient else (i % 2, (i + 1) % 2)
            right = bonds[i + 1]
            _element(coefficients, shots[i], m)
            shape = (bonds[i], even[i], right, even[i + 1], flips)
            _from_left(tensors[i], chi, F, shape, r[h], rt[h], m, t, u, w)
            _from_right(tensors[i], chi, F, shape, w, r[n], rt[n])
            tr = trace[i]
            tr[:] = 0
            for b in range(right):
                add_row(tr, r[n], _U(0), _U((b * right + b) * LANES), one, LANES)
            for j in range(LANES):
                if not tr[j] > floor:  # rounding noise, of either sign
                    tr[j], noise[j] = floor, True
                total[j] += np.log(tr[j])
            divide(r[n], tr, right * right)
            divide(rt[n], tr, right * right)
            squares(norms[i], r[n], right * right)
            _restart(r[n], rt[n], norms[i], right, noise)
        if not with_gradient:
            for j in range(LANES):
                total[j] = -np.inf if noise[j] else total[j]
        logs[block : block + LANES] = total
        if not with_gradient:
            continue
        last = bonds[L]
        g[: last * last * LANES] = 0
        for b in range(last):  # W is the trace, and R has trace one
            at = (b * last + b) * LANES
            g[at : at + LANES] = weights[block : block + LANES]
        before[:] = slopes
        worst[:] = 0
        for i in range(L - 1, -1, -1):
            left = bonds[i]
            squares(norm, g, bonds[i + 1] ** 2)
            for j in range(LANES):
                kappa = np.float64(norm[j]) * np.float64(norms[i, j])
                worst[j] = worst[j] if kappa <= worst[j] else kappa  # nan stays
            shape = (left, even[i], bonds[i + 1], even[i + 1], flips)
            divide(g, trace[i], bonds[i + 1] ** 2)
            _element(coefficients, shots[i], m)
            _from_left(tensors[i], chi, F, shape, r[i], rt[i], m, t, u, w)
            _backward(
                tensors[i], chi, F, shape, r[i], rt[i], m, t, u, w, g, slopes[i], back, back_t
            )
            # r and its transpose are one variable: their adjoints add up, in the order of rt.
            transpose(back, g, left, left)
            add_row(g, back_t, _U(0), _U(0), one, left * left * LANES)
        for j in range(LANES):
            if not worst[j] <= (limit * weights[block + j]) ** 2:
                noise[j] = True
        if noise.any() and limit < np.inf:
            slopes[:] = before
