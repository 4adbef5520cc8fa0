"""Kaufman's formula against 50 digits, enumeration, transfer matrix, and known values."""

import mpmath
import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import enumerated_observables, kaufman, strip_observables, torus_observables
from physgen.exact.onsager import K_C
from physgen.lattice import Hypercubic
from physgen.targets import Ising

COUPLINGS = (0.3, 0.4, K_C, 0.6)  # never only at K_c: there the fourth term is zero

# L, K, log Z / N, energy and specific heat per site; computed independently of this package
TABLE = [
    (4, 0.3, 0.79909520785711, -0.84405407362386, 0.44099265),
    (4, K_C, 0.97011971617221, -1.5656237876383, 0.78326683),
    (8, 0.2, 0.73453355347482, -0.42836805894408, 0.09791417),
    (8, 0.3, 0.79077078903414, -0.71246737267207, 0.31137835),
    (8, 0.4, 0.88436544938165, -1.2223206432509, 1.10047589),
    (8, K_C, 0.93971532482921, -1.4915891074397, 1.14555924),
    (8, 0.6, 1.2209632634003, -1.9090674297640, 0.31371990),
    (16, 0.2, 0.73453081232806, -0.42822883871170, 0.09765220),
    (16, 0.3, 0.79055950102555, -0.70453267085877, 0.28651900),
    (16, 0.4, 0.87980018264014, -1.1313179844107, 1.06497688),
    (16, 0.44, 0.93120018439156, -1.4477434648277, 1.50598860),
    (16, K_C, 0.93219631498099, -1.4530648528135, 1.49870496),
    (16, 0.5, 1.0285008220079, -1.7455306689909, 0.72550877),
    (16, 0.6, 1.2128399944917, -1.9090861748517, 0.31344546),
    (16, 1.0, 2.0030558898748, -1.9971602041123, 0.02337956),
    (32, 0.4, 0.87937334742494, -1.1072916609775, 0.88581250),
    (32, K_C, 0.93032039018412, -1.4336584661462, 1.84676759),
    (32, 0.6, 1.2108092898319, -1.9090861776841, 0.31344536),
    (64, K_C, 0.92985163169429, -1.4239383898330, 2.19221139),
]


def textbook(K, n, m, signed=True):
    """Log Z as printed, in 50 digits; unsigned: the fourth term taken as positive."""
    with mpmath.workdps(50):
        K = mpmath.mpf(K)
        s = mpmath.sinh(2 * K)

        def gamma(k):
            if k == 0:
                zero = 2 * K + mpmath.log(mpmath.tanh(K))
                return zero if signed else abs(zero)
            return mpmath.acosh(mpmath.cosh(2 * K) ** 2 / s - mpmath.cos(mpmath.pi * k / n))

        terms = [
            mpmath.fprod(2 * f(m * gamma(2 * r + odd) / 2) for r in range(n))
            for odd in (1, 0)
            for f in (mpmath.cosh, mpmath.sinh)
        ]
        return mpmath.log((2 * s) ** (mpmath.mpf(n * m) / 2) * sum(terms) / 2)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 5), (4, 4), (7, 4), (8, 8), (64, 64), (65, 30)])
def test_equals_fifty_digits(n, m):
    for K in (1e-3, 0.05, *COUPLINGS, 1.0, 3.0):
        assert abs(kaufman.log_z(K, (n, m)) / float(textbook(K, n, m)) - 1) < 3e-15, K


def test_the_sign_of_the_fourth_term():
    """An unsigned one cannot be seen at K_c, and is wrong on the disordered side of it."""
    for L in (4, 8, 16):
        assert float(textbook(K_C, L, L, signed=False)) == pytest.approx(
            float(kaufman.log_z(K_C, (L, L))), abs=1e-12
        )
        for K in (0.3, 0.4):
            error = float(textbook(K, L, L, signed=False)) - kaufman.log_z(K, (L, L))
            assert 0.15 < error < np.log(2) + 1e-12


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 2), (2, 3), (2, 6)], ids=str)
def test_equals_enumeration(shape):
    for K in (*COUPLINGS, -0.2, -0.6):
        target = Ising(shape, beta=abs(K), J=np.sign(K))
        listed, formula = enumerated_observables(target), torus_observables(target)
        for name in ("log_z", "energy_per_site", "entropy_per_site", "specific_heat"):
            assert float(formula[name]) == pytest.approx(float(listed[name]), abs=1e-12), (K, name)


@pytest.mark.parametrize("L", [4, 6, 8, 10])
def test_equals_transfer_matrix(L):
    for K in (*COUPLINGS, -0.5):
        target = Ising(L, beta=abs(K), J=np.sign(K))
        strip, formula = strip_observables(target), torus_observables(target)
        for name in ("log_z", "energy_per_site", "specific_heat"):
            assert float(formula[name]) == pytest.approx(float(strip[name]), abs=1e-12), (K, name)
    if L == 10:
        assert kaufman.log_z(K_C, (10, 10)) == pytest.approx(93.6103005102221, abs=1e-12)


def test_antiferromagnet_on_odd_extents_equals_transfer_matrix():
    for shape in [(5, 7), (7, 5), (9, 4), (4, 9)]:
        strip = strip_observables(Ising(shape, beta=0.5, J=-1))
        for name, value in (
            ("log_z", kaufman.log_z(-0.5, shape)),
            ("energy_per_site", -kaufman.energy_per_site(-0.5, shape)),
            ("specific_heat", kaufman.specific_heat(-0.5, shape)),
        ):
            assert value == pytest.approx(float(strip[name]), abs=1e-10), (shape, name)


@pytest.mark.parametrize(("L", "K", "log_z", "energy", "specific_heat"), TABLE)
def test_known_values(L, K, log_z, energy, specific_heat):
    shape = (L, L)
    assert kaufman.log_z(K, shape) / L**2 == pytest.approx(log_z, abs=1e-13)
    assert kaufman.energy_per_site(K, shape) == pytest.approx(energy, abs=1e-13)
    assert kaufman.specific_heat(K, shape) == pytest.approx(specific_heat, abs=6e-9)


def test_known_values_of_larger_tori():
    K = np.array([0.45, K_C])
    np.testing.assert_allclose(
        kaufman.log_z(K, (24, 24)), [544.07798363934, 536.14460352363], rtol=0, atol=1e-11
    )
    np.testing.assert_allclose(
        kaufman.entropy_per_site(K, (24, 24)), [0.262639106150, 0.296158790736], rtol=0, atol=1e-12
    )


def test_an_array_of_couplings_equals_its_elements():
    K = np.array([[-0.7, 0.0, 1e-9], [0.3, K_C, 2.0]])
    whole = kaufman.log_z_derivatives(K, (3, 4))
    for index, one in np.ndenumerate(K):
        for a, b in zip(whole, kaufman.log_z_derivatives(one, (3, 4))):
            assert a[index] == b


def test_derivatives_are_derivatives():
    step = 1e-4
    for shape in [(16, 16), (5, 8), (3, 3)]:
        for K in (-0.45, 0.2, 0.4, K_C, K_C + 1e-9, 0.6, 1.1):
            low, here, high = (kaufman.log_z_derivatives(K + d, shape) for d in (-step, 0.0, step))
            for order in (0, 1):
                slope = (high[order] - low[order]) / (2 * step)
                assert here[order + 1] == pytest.approx(slope, rel=2e-5)


def test_extreme_couplings():
    """No overflow: ground states at large K, the free spin at K = 0, the series in between."""
    N = 64
    for K in (20.0, 170.0, 400.0, 1e4):
        for sign in (1, -1):
            assert kaufman.log_z(sign * K, (8, 8)) == pytest.approx(2 * K * N + np.log(2))
            assert kaufman.energy_per_site(sign * K, (8, 8)) == pytest.approx(-2 * sign)
            assert kaufman.specific_heat(sign * K, (8, 8)) < 1e-9
    assert kaufman.log_z(0.0, (8, 8)) == N * np.log(2)
    assert kaufman.energy_per_site(0.0, (8, 8)) == 0
    for K in (1e-12, 0.99e-8, 1.01e-8, 1e-6, 1e-4):
        assert kaufman.energy_per_site(K, (8, 8)) == pytest.approx(-2 * K, rel=1e-7)
    # in an antiferromagnet every row of 3 keeps one bond of its 3 unsatisfied
    assert kaufman.energy_per_site(-30.0, (3, 4)) == pytest.approx(2 - 2 / 3)


def test_bad_input():
    for shape in [(8,), (4, 4, 4)]:
        with pytest.raises(InputError, match="two extents"):
            kaufman.log_z(0.4, shape)
    with pytest.raises(InputError, match="integer >= 2, got 1"):
        kaufman.log_z(0.4, (1, 8))
    with pytest.raises(InputError, match="K must be finite"):
        kaufman.log_z(np.nan, (4, 4))
    with pytest.raises(InputError, match=r"two odd extents, got -5\.0 on 3 x 5"):
        kaufman.log_z([0.3, -5.0, 9.0], (5, 3))
    for target in (
        Ising(4, beta=0.4, h=0.1),
        Ising(4, beta=0.4, J=np.arange(32.0)),
        Ising(4, beta=0.4, dim=3),
        Ising(lattice=Hypercubic((4, 4), "open"), beta=0.4),
        Ising((1, 4), beta=0.4),
    ):
        with pytest.raises(InputError, match="Kaufman's formula must have one J"):
            torus_observables(target)
