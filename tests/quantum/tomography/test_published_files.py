"""Files of other programs: they give the states that they say they are of."""

from pathlib import Path

import numpy as np
import pytest
from helpers.statistics import normal_p

from physgen.quantum import MeasurementData
from physgen.quantum.tomography import direct_estimates, linear_inversion, maximum_likelihood
from physgen.quantum.tomography.functionals import as_target

FILES = Path(__file__).parents[4] / "shared/data/quantum"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the files are not here")


def test_ghz_of_six_qubits():
    x, target = np.load(FILES / "ghz6_sim_40000.npy"), np.load(FILES / "ghz6_target_dm.npy")
    data = MeasurementData(x, "pauli-6")
    ds = direct_estimates(data, target, blocks=[[0, 1, 2]])
    assert float(ds.fidelity_squared) == pytest.approx(1.005, abs=0.001)
    for name, value in (("fidelity_squared", 1.0), ("purity", 1.0), ("block_purity", 0.5)):
        assert abs(float(ds[name].squeeze()) - value) < 2 * float(ds[f"{name}_error"].squeeze())
    # A stabiliser state is certain of its own settings: weighted equally, they have no noise.
    chosen = MeasurementData(x, "pauli-6", settings=(x % 3) @ 3 ** np.arange(6))
    assert float(direct_estimates(chosen, target).fidelity_squared) == pytest.approx(1, abs=1e-9)
    assert linear_inversion(data).lowest_eigenvalue < -0.1
    best = maximum_likelihood(data)
    assert np.vdot(target, best.rho).real > 0.998
    one = x.copy()
    one[:, 0] = np.array([3, 1, 2, 0, 4, 5])[one[:, 0]]  # saboteur: one site's Z reversed
    wrong = direct_estimates(MeasurementData(one, "pauli-6"), target)
    assert abs(float(wrong.fidelity_squared) - 1) > 5 * float(wrong.fidelity_squared_error)


def test_w_state_of_two_qubits():
    stem = "N2_W_state_1000_samples"
    bases = np.loadtxt(FILES / f"{stem}_bases.txt", dtype=str)
    bits = np.loadtxt(FILES / f"{stem}_data.txt", dtype=int)
    basis = np.vectorize("ZXY".index)(bases)
    data = MeasurementData(basis + 3 * bits, "pauli-6", settings=basis @ [3, 1])
    # The shots are of a W state of which half is lost in the mixed state: <ZZ> is -0.48, not -1.
    w = np.array([0, 1, 1, 0]) / np.sqrt(2)
    noisy = np.outer(w, w) / 2 + np.eye(4) / 8
    ds = direct_estimates(data, w)
    assert float(ds.fidelity_squared) == pytest.approx(0.603, abs=0.001)
    assert normal_p(float((ds.fidelity_squared - 0.625) / ds.fidelity_squared_error)) > 1e-3
    assert normal_p(float((ds.purity - np.vdot(noisy, noisy)) / ds.purity_error)) > 1e-3
    assert normal_p(float((ds.fidelity_squared - 1) / ds.fidelity_squared_error)) < 1e-3
    best = maximum_likelihood(data)
    assert (w @ best.rho @ w).real == pytest.approx(0.603, abs=0.002)
    assert as_target(noisy, 2).fidelity(best.rho) == pytest.approx(0.9977, abs=0.0005)
