"""The tadpole of two-dimensional phi^4, and the coupling that it renormalises."""

import numpy as np
import pytest

from physgen import Hypercubic, Phi4
from physgen.core.errors import InputError
from physgen.exact.tadpole import renormalised_coupling, renormalised_mass, tadpole


def on_a_torus(m2, L):
    """The same sum over the momenta of a finite torus; short of the limit by exp(-L m)."""
    p = 2 * np.pi * np.arange(L) / L
    hat = 2 - 2 * np.cos(p)
    return (1 / (hat[:, None] + hat + m2)).mean()


@pytest.mark.parametrize("m2", [0.05, 1.0, 30.0])
def test_the_tadpole_is_the_limit_of_the_sum_over_momenta(m2):
    assert tadpole(m2) == pytest.approx(on_a_torus(m2, 200), rel=1e-12)
    assert abs(on_a_torus(m2, 4) / tadpole(m2) - 1) > 1e-6  # a small torus is another number


def test_a_small_mass_is_a_logarithm():
    """A -> log(32 / m2) / (4 pi)."""
    for m2 in (1e-6, 1e-12, 1e-30):
        assert tadpole(m2) == pytest.approx(np.log(32 / m2) / (4 * np.pi), rel=1e-6)


@pytest.mark.parametrize(("m2", "lam"), [(-1.2725, 1.0), (-0.4, 0.25), (5.0, 1e-3), (0.0, 1e-4)])
def test_the_mass_solves_its_equation(m2, lam):
    mu2 = renormalised_mass(m2, lam)
    assert mu2 - 3 * lam * on_a_torus(mu2, 4000 if mu2 < 1e-3 else 600) == pytest.approx(
        m2, abs=1e-10
    )
    assert renormalised_mass(m2 + 0.01, lam) > mu2  # rises with the bare mass


def test_the_coupling_is_that_of_the_theory_not_of_its_convention():
    action = Phi4.from_quarter(6, m2=-0.7, lam=0.5)
    f = 0.5 / renormalised_mass(-0.7, 0.5)
    for name in ("quarter", "hopping", "unhalved", "factorial"):
        assert renormalised_coupling(action.to(name)) == pytest.approx(f, rel=1e-10)
    assert renormalised_coupling(Phi4.from_quarter(6, m2=-0.7, lam=0.6)) != pytest.approx(f, 0.1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tadpole(0.0), "m2 must be"),
        (lambda: renormalised_mass(0.1, 0.0), "lam must be"),
        (lambda: renormalised_mass(-1000.0, 0.1), "less than 1e-280"),
        (lambda: renormalised_coupling(Phi4.from_quarter(4, 1.0, 0.0)), "needs a self-coupling"),
        (
            lambda: renormalised_coupling(Phi4.from_quarter(Hypercubic((4, 4, 4)), 1.0, 1.0)),
            "of two dimensions, got 3",
        ),
    ],
)
def test_what_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
