"""Leading eigenvalues against the whole trace, and wider tori against Monte Carlo."""

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import joint_p

from physgen.core.errors import InputError
from physgen.exact import phi4_spectrum, phi4_torus
from physgen.targets import Phi4

NAMES = ("log_z", "action_per_site", "phi2", "phi4", "m2", "susceptibility")
E1 = Phi4.from_unhalved(6, m2=-4.0, lam=6.975)


@pytest.mark.parametrize(
    "target",
    [
        slow(Phi4.from_unhalved(4, m2=-4.0, lam=8.0)),
        Phi4.from_hopping((7, 3), 0.2705, 0.022),
        Phi4.from_hopping_well((5, 3), -0.2, 0.3),  # odd and negative: levels of either sign
        Phi4.from_hopping((9,), 0.3, 0.1),
    ],
    ids=str,
)
def test_equals_the_whole_trace(target):
    levels, trace = phi4_spectrum(target), phi4_torus(target, n_nodes=12)
    for name in NAMES:
        difference = abs(float(levels[name]) - float(trace[name]))
        error = float(levels[f"{name}_error"]) + float(trace[f"{name}_error"])
        assert difference <= error + 1e-12, name
        assert error < 1e-4 * max(1, abs(float(trace[name])))


def test_a_chain_is_diagonalised():
    """In one dimension the levels are those of a kernel that fits in a matrix."""
    target = Phi4.from_hopping((9,), 0.3, 0.1)
    x = np.linspace(-5, 5, 201)
    site = target.quad * x**2 + target.quart * x**4
    T = np.exp(target.hop * np.outer(x, x) - 0.5 * (site[:, None] + site[None, :])) * (x[1] - x[0])
    levels = np.linalg.eigvalsh(T)
    ds = phi4_spectrum(target)
    assert float(ds.mass_gap) == pytest.approx(np.log(levels[-1] / levels[-2]), rel=1e-9)
    assert float(ds.log_z) == pytest.approx(np.log(np.sum(levels**9)), rel=1e-10)


@pytest.mark.statistical
def test_6_by_6_against_monte_carlo():
    """E1 of the ladder of flows, tuned to a correlation length of L/4."""
    ds = phi4_spectrum(E1, n_nodes=6, n_levels=16)
    assert float(ds.log_z) == pytest.approx(6.98494796, abs=1e-5)
    assert 6 * float(ds.mass_gap) == pytest.approx(4, abs=0.1)
    # 1024 chains of HMC, 4000 draws each
    measured = {"susceptibility": (1.0635462, 9.0e-4), "phi2": (0.161394427, 1.5e-5)}

    def p(values):
        return joint_p(np.array([(m - values[q]) / e for q, (m, e) in measured.items()]))

    values = {q: float(ds[q]) for q in measured}
    assert p(values) > 1e-3
    other = phi4_spectrum(E1.at(lam=7.0), n_nodes=5, n_levels=8)
    assert p({q: float(other[q]) for q in measured}) < 1e-3  # saboteur


def test_bad_input():
    with pytest.raises(InputError, match="at most 8 sites wide"):
        phi4_spectrum(Phi4.from_hopping(9, 0.2, 0.1))
    with pytest.raises(InputError, match=r"n_nodes\*\*width must be at most 8388608, got 8\*\*8"):
        phi4_spectrum(Phi4.from_hopping(8, 0.2, 0.1), n_nodes=8)
    with pytest.raises(InputError, match="n_levels must be an integer >= 4"):
        phi4_spectrum(Phi4.from_hopping(4, 0.2, 0.1), n_levels=1)
