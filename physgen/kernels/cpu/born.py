r"""One site of a Born distribution, for a block of samples.

The sample index is the last axis of all arrays, so every loop runs along samples and vectorises;
`c` is the real or imaginary part.  A matrix product applies the (real) tensor of a site to both
values s of its qubit; the kernels here do the part that depends on the outcome:

.. math:: v'_\beta = \sum_s e_s^* u_{s\beta}, \qquad
          p = \frac{|v'|^2}{|u_0|^2 + |u_1|^2} = c_I + c_X x + c_Y y + c_Z z

for the outcome with element :math:`|e\rangle\langle e| = c_I + c_X X + c_Y Y + c_Z Z` and Bloch
vector :math:`(x, y, z)` of the qubit; and the same for a mixed environment.  Blocks are a multiple
of `LANES` samples long.  Only fused multiply-adds are allowed to change the rounding.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["LANES", "add_transposed", "draw_site", "mix_site", "project_site"]

LANES = 64
_FMA = {"contract"}


@numba.njit(cache=True, fastmath=_FMA, error_model="numpy")
def draw_site(u, uniforms, vectors, coefficients, floor, v, parts):
    """Draw a rank-one part for each sample and project on it.

    Parameters
    ----------
    u : float array (2, chi, 2, n)
        Amplitudes [s, beta, c, sample].
    uniforms : float array (n,)
        Uniform in [0, 1).
    vectors : float array (R, 4)
        Re e_0, Im e_0, Re e_1, Im e_1 of each part.
    coefficients : float array (R, 4)
        c_I, c_X, c_Y, c_Z of each part; the c_I sum to 1.
    floor : float
        Parts with a smaller probability are rounding noise and are never drawn.
    v : float array (chi, 2, n)
        Out: projected amplitudes, normalised.
    parts : uint8 array (n,)
        Out: the part drawn.
    """
    n_parts = vectors.shape[0]
    chi = u.shape[1]
    dtype = u.dtype
    g00, g11, re, im = (
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
    )
    a0, b0, a1, b1 = (
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
    )
    cumulative = np.empty(LANES, dtype)
    choice = np.empty(LANES, np.int32)
    one, two = dtype.type(1), dtype.type(2)
    for start in range(0, u.shape[3], LANES):
        for j in range(LANES):
            g00[j] = g11[j] = re[j] = im[j] = 0
        for beta in range(chi):
            u0r, u0i = u[0, beta, 0, start : start + LANES], u[0, beta, 1, start : start + LANES]
            u1r, u1i = u[1, beta, 0, start : start + LANES], u[1, beta, 1, start : start + LANES]
            for j in range(LANES):
                g00[j] += u0r[j] * u0r[j] + u0i[j] * u0i[j]
                g11[j] += u1r[j] * u1r[j] + u1i[j] * u1i[j]
                re[j] += u0r[j] * u1r[j] + u0i[j] * u1i[j]
                im[j] += u0r[j] * u1i[j] - u0i[j] * u1r[j]
        for j in range(LANES):
            total = g00[j] + g11[j]
            g11[j] = (g00[j] - g11[j]) / total
            re[j] = two * re[j] / total
            im[j] = two * im[j] / total
            g00[j] = total
            cumulative[j] = 0
            choice[j] = 0
        for k in range(n_parts - 1):
            ci, cx, cy, cz = coefficients[k]
            for j in range(LANES):
                cumulative[j] += ci + cx * re[j] + cy * im[j] + cz * g11[j]
                choice[j] += uniforms[start + j] >= cumulative[j]
        for j in range(LANES):
            k = choice[j]
            p = _probability(coefficients, k, re[j], im[j], g11[j])
            if p < floor:
                for other in range(n_parts):
                    q = _probability(coefficients, other, re[j], im[j], g11[j])
                    if q > p:
                        p, k = q, other
            scale = one / np.sqrt(p * g00[j])
            a0[j] = scale * vectors[k, 0]
            b0[j] = scale * vectors[k, 1]
            a1[j] = scale * vectors[k, 2]
            b1[j] = scale * vectors[k, 3]
            parts[start + j] = k
        for beta in range(chi):
            u0r, u0i = u[0, beta, 0, start : start + LANES], u[0, beta, 1, start : start + LANES]
            u1r, u1i = u[1, beta, 0, start : start + LANES], u[1, beta, 1, start : start + LANES]
            vr, vi = v[beta, 0, start : start + LANES], v[beta, 1, start : start + LANES]
            for j in range(LANES):
                vr[j] = a0[j] * u0r[j] + b0[j] * u0i[j] + a1[j] * u1r[j] + b1[j] * u1i[j]
                vi[j] = a0[j] * u0i[j] - b0[j] * u0r[j] + a1[j] * u1i[j] - b1[j] * u1r[j]


@numba.njit(cache=True, fastmath=_FMA, error_model="numpy", inline="always")
def _probability(coefficients, k, x, y, z):
    return (
        coefficients[k, 0]
        + coefficients[k, 1] * x
        + coefficients[k, 2] * y
        + coefficients[k, 3] * z
    )


@numba.njit(cache=True, fastmath=_FMA, error_model="numpy")
def project_site(u, outcomes, vectors, scale, v, norms):
    """Project each sample on its outcome; `norms` receives the conditional probability.

    `scale` (n,) multiplies the amplitudes on the way in and holds 1 / sqrt(norm) on the way out,
    so normalising needs no separate pass.  u, v and vectors as in :func:`draw_site`.
    """
    chi = u.shape[1]
    dtype = u.dtype
    a0, b0, a1, b1, square = (
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
        np.empty(LANES, dtype),
    )
    for start in range(0, u.shape[3], LANES):
        for j in range(LANES):
            k = outcomes[start + j]
            a0[j] = scale[start + j] * vectors[k, 0]
            b0[j] = scale[start + j] * vectors[k, 1]
            a1[j] = scale[start + j] * vectors[k, 2]
            b1[j] = scale[start + j] * vectors[k, 3]
            square[j] = 0
        for beta in range(chi):
            u0r, u0i = u[0, beta, 0, start : start + LANES], u[0, beta, 1, start : start + LANES]
            u1r, u1i = u[1, beta, 0, start : start + LANES], u[1, beta, 1, start : start + LANES]
            vr, vi = v[beta, 0, start : start + LANES], v[beta, 1, start : start + LANES]
            for j in range(LANES):
                r = a0[j] * u0r[j] + b0[j] * u0i[j] + a1[j] * u1r[j] + b1[j] * u1i[j]
                i = a0[j] * u0i[j] - b0[j] * u0r[j] + a1[j] * u1i[j] - b1[j] * u1r[j]
                vr[j] = r
                vi[j] = i
                square[j] += r * r + i * i
        for j in range(LANES):
            norms[start + j] = square[j]
            scale[start + j] = 1 / np.sqrt(square[j]) if square[j] > 0 else 0.0


@numba.njit(cache=True, fastmath=_FMA, error_model="numpy")
def mix_site(t, outcomes, coefficients, scale, w):
    """Combine the two values of a qubit by the real part of its element.

    ``w[b, s, a] = sum_t m_st t[b, t, a]`` with m = [[c_I + c_Z, c_X], [c_X, c_I - c_Z]] of each
    sample's outcome, times `scale`; t and w have shape (chi', 2, chi, n).
    """
    m00, m01, m11 = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for start in range(0, t.shape[3], LANES):
        for j in range(LANES):
            k = outcomes[start + j]
            m00[j] = scale[start + j] * (coefficients[k, 0] + coefficients[k, 3])
            m01[j] = scale[start + j] * coefficients[k, 1]
            m11[j] = scale[start + j] * (coefficients[k, 0] - coefficients[k, 3])
        for b in range(t.shape[0]):
            for a in range(t.shape[2]):
                t0, t1 = t[b, 0, a, start : start + LANES], t[b, 1, a, start : start + LANES]
                w0, w1 = w[b, 0, a, start : start + LANES], w[b, 1, a, start : start + LANES]
                for j in range(LANES):
                    w0[j] = m00[j] * t0[j] + m01[j] * t1[j]
                    w1[j] = m01[j] * t0[j] + m11[j] * t1[j]


@numba.njit(cache=True, fastmath=_FMA, error_model="numpy")
def add_transposed(r, q, outcomes, coefficients, scale, norms):
    """Add the imaginary part of the element, ``r[b, a] += c_Y q[a, b]``, and take the trace.

    r and q have shape (chi, chi, n).  `scale` multiplies q on the way in; on the way out it holds
    1 / trace, and `norms` the trace, the conditional probability of the outcome.
    """
    cy, trace = np.empty(LANES), np.empty(LANES)
    for start in range(0, r.shape[2], LANES):
        for j in range(LANES):
            cy[j] = scale[start + j] * coefficients[outcomes[start + j], 2]
            trace[j] = 0
        for b in range(r.shape[0]):
            for a in range(r.shape[1]):
                rs, qs = r[b, a, start : start + LANES], q[a, b, start : start + LANES]
                for j in range(LANES):
                    rs[j] += cy[j] * qs[j]
            rs = r[b, b, start : start + LANES]
            for j in range(LANES):
                trace[j] += rs[j]
        for j in range(LANES):
            norms[start + j] = trace[j]
            scale[start + j] = 1 / trace[j] if trace[j] > 0 else 0.0
