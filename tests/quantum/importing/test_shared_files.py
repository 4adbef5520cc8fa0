"""Files of other projects give what their targets imply; skipped where they are not at hand."""

from pathlib import Path

import numpy as np
import pytest
from helpers.statistics import joint_p, normal_p

from physgen.exact import exact_observables
from physgen.quantum import TFIM, estimate_observables
from physgen.quantum.importing import import_measurements

DATA = Path(__file__).parents[4] / "shared/data/quantum"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="files of other projects are not here")


def test_ghz_of_six_qubits():
    """<ZZ> = 1 and <X X X X X X> = 1; <Z> = <X> = 0."""
    data = import_measurements(DATA / "ghz6_sim_40000.npy", povm="pauli-6", outcome_order="aqt")
    assert (data.n, data.L, data.settings) == (40_000, 6, None)
    ds = estimate_observables(data)
    assert normal_p(float((ds.zz[0] - 1) / ds.zz_error[0])) > 1e-3
    assert normal_p(float((ds.zz[2] - 1) / ds.zz_error[2])) > 1e-3
    assert normal_p(float(ds.z_mean / ds.z_mean_error)) > 1e-3
    assert joint_p((ds.x / ds.x_error).values) > 1e-3
    w = data.povm.weights("X")[data.outcomes].prod(axis=1)
    assert normal_p((w.mean() - 1) / (w.std() / np.sqrt(data.n))) > 1e-3
    # saboteur: the order of another program
    wrong = import_measurements(
        DATA / "ghz6_sim_40000.npy", povm="pauli-6", outcome_order="povm-genmodel"
    )
    ds = estimate_observables(wrong)
    assert normal_p(float((ds.zz[0] - 1) / ds.zz_error[0])) < 1e-3


def test_w_state_in_nine_settings():
    """Half of it is white noise: <ZZ> = -1/2, <XX> = <YY> = 1/2, all else 0."""
    name = str(DATA / "N2_W_state_1000_samples_{}.txt")
    data = import_measurements(name.format("data"), bases=name.format("bases"))
    table = data.setting_table
    assert (data.n, len(table), table.n_missing) == (9000, 9, 0)
    assert set(table.counts) == {1000}
    np.testing.assert_allclose(data.weights, 1)
    ds = estimate_observables(data)
    assert normal_p(float((ds.zz[0] + 0.5) / ds.zz_error[0])) > 1e-3
    assert joint_p((ds.z / ds.z_error).values) > 1e-3
    assert joint_p((ds.x / ds.x_error).values) > 1e-3
    sign = 1 - 2.0 * (data.outcomes // 3)
    for basis in ("XX", "YY"):
        o = sign[data.settings == table.names.index(basis)].prod(axis=1)
        assert normal_p((o.mean() - 0.5) / (o.std() / np.sqrt(len(o)))) > 1e-3


def test_critical_chain_in_the_z_basis():
    """H = -sum ZZ - sum X on ten open sites, against free fermions."""
    tfim = TFIM(10)
    path = DATA / "tfim1d_data.txt"
    data = import_measurements(path, format="bits", bit_one="up", attrs=tfim.attrs())
    assert (data.n, data.L, data.povm.name) == (10_000, 10, "computational")
    ds, exact = estimate_observables(data), exact_observables(tfim)
    for k in range(5):
        assert normal_p(float((ds.zz[k] - exact.zz[k]) / ds.zz_error[k])) > 1e-3
    assert normal_p(float(ds.z_mean / ds.z_mean_error)) > 1e-3
    other = exact_observables(TFIM(10, h=1.1))  # saboteur
    assert normal_p(float((ds.zz[4] - other.zz[4]) / ds.zz_error[4])) < 1e-3
    # bit by bit, the shots are those of the amplitudes that come with them
    psi = np.loadtxt(DATA / "tfim1d_psi.txt")[:, 0]
    index = (1 - data.outcomes.astype(int)) @ 2 ** np.arange(9, -1, -1)
    nll = -np.log(psi[index] ** 2)
    entropy = -np.sum(psi**2 * np.log(psi**2))
    assert normal_p((nll.mean() - entropy) / (nll.std() / np.sqrt(data.n))) > 1e-3
