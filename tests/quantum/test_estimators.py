"""Dual-frame estimators: exact on the enumerated distribution, honest error bars on samples."""

from itertools import product

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import joint_p, normal_p, unit_variance_p, within
from scipy import stats

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact import exact_observables
from physgen.quantum import (
    POVM,
    TFIM,
    Born,
    MeasurementData,
    estimate_observables,
    ground_state,
    povm,
    product_state,
)
from physgen.quantum.estimators import shot_values
from physgen.quantum.povm import names

SEES_X = [name for name in names() if povm(name).sees("X")]  # so that there is an energy
REPRESENTED = [n if n == "tetrahedral" else slow(n) for n in SEES_X]


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("name", names())
def test_exact_on_the_enumerated_distribution(name, boundary):
    tfim = TFIM(5 if boundary == "open" else 4, -0.7, 1.2, boundary)
    frame = povm(name)
    x = np.array(list(product(range(frame.K), repeat=tfim.L)), dtype=np.uint8)
    p = np.exp(Born(ground_state(tfim), frame).log_prob(x))
    exact = exact_observables(tfim)
    for key, values in shot_values(x, frame, tfim).items():
        np.testing.assert_allclose(p @ values, exact[key], atol=1e-9, err_msg=key)


@pytest.mark.statistical
@pytest.mark.parametrize("name", REPRESENTED)
def test_pulls_have_unit_variance(name):
    """The error bars are right, not only the values: 200 data sets of 400 shots."""
    tfim = TFIM(6)
    frame = povm(name)
    exact = exact_observables(tfim)
    x = Born(ground_state(tfim), frame).sample(200 * 400, 11).reshape(200, 400, 6)
    pulls = {key: [] for key in ("energy", "x_mean", "zz")}
    for shots in x:
        ds = estimate_observables(shots, frame, tfim)
        for key, seen in pulls.items():
            pull = (ds[key] - exact[key]) / ds[f"{key}_error"]
            seen.append(float(pull[-1] if pull.ndim else pull))
    for seen in pulls.values():
        assert unit_variance_p(np.array(seen)) > 1e-3
        assert unit_variance_p(1.4 * np.array(seen)) < 1e-3  # saboteur: bars too small


@pytest.mark.slow
@pytest.mark.statistical
def test_50_sites_from_10_000_shots_and_the_wrong_order():
    tfim, frame = TFIM(50, -1, -1), povm("tetrahedral")
    x = Born(ground_state(tfim, chi_max=16), frame).sample(10_000, 2)
    ds, exact = estimate_observables(x, frame, tfim), exact_observables(tfim)
    assert normal_p(float((ds.energy - exact.energy) / ds.energy_error)) > 1e-3
    assert float(ds.energy_error) * 100 == pytest.approx(20.5, rel=0.03)  # known, a shot
    i = [0, 15]
    assert joint_p((ds.zz - exact.zz)[i] / ds.zz_error[i]) > 1e-3
    # saboteur: outcomes 0 and 1 exchanged
    swapped = estimate_observables(np.array([1, 0, 2, 3])[x], frame, tfim)
    assert normal_p(float((swapped.energy - exact.energy) / swapped.energy_error)) < 1e-3


def test_batches_do_not_matter_and_names_line_up():
    tfim = TFIM(7)
    x = Stream(3).numpy().integers(4, size=(1000, 7), dtype=np.uint8)
    frame = povm("pauli-4")
    whole, pieces = (estimate_observables(x, frame, tfim, batch_size=b) for b in (1000, 77))
    values = shot_values(x, frame, tfim)
    for name in whole.data_vars:
        np.testing.assert_allclose(whole[name], pieces[name], atol=1e-12)
    for name, value in values.items():
        np.testing.assert_allclose(whole[name], value.mean(axis=0), atol=1e-12)
        standard_error = value.std(axis=0, ddof=1) / np.sqrt(1000)
        np.testing.assert_allclose(whole[f"{name}_error"], standard_error, rtol=1e-10)
    exact = exact_observables(tfim)
    for name in exact.data_vars:
        assert exact[name].dims == whole[name].dims
    assert exact.coords.equals(whole.coords)
    assert (int(whole.i[0]), int(whole.r[-1])) == (3, 3)


def test_unphysical_estimates_are_flagged():
    tfim, frame = TFIM(4), povm("pauli-6")
    x = np.zeros((100, 4), np.uint8)  # every shot Z+: <Z> = 3 and <ZZ> = 9
    x[:, 3] = np.arange(100) % 6
    ds = estimate_observables(x, frame, tfim)
    assert ds.z_unphysical.dtype == np.int8
    assert ds.z_unphysical.values.tolist() == [1, 1, 1, 0]
    assert ds.x_unphysical.values.tolist() == [0, 0, 0, 0]
    assert ds.zz_unphysical.values[0] == 1
    assert int(ds.energy_unphysical) == 1
    honest = Born(ground_state(tfim), frame).sample(5000, 1)
    ds = estimate_observables(honest, frame, tfim)
    assert not any(ds[name].any() for name in ds if name.endswith("_unphysical"))


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", REPRESENTED)
def test_flags_of_a_perfect_measurement_keep_their_level(name):
    """200 data sets of a state on the edge: E is E0, and <X_i> is 0.99 on each of 20 sites."""
    tfim, frame, level = TFIM(20, h=5), povm(name), 1e-3
    x = Born(ground_state(tfim, chi_max=8), frame).sample(200 * 1000, 1).reshape(200, 1000, 20)
    alarms = dict.fromkeys(("energy", "x", "z", "zz", "x_mean", "z_mean"), 0)
    for shots in x:
        ds = estimate_observables(shots, frame, tfim)
        assert ds.attrs["unphysical_level"] == level
        for key in alarms:
            alarms[key] += bool(ds[f"{key}_unphysical"].any())
    for key, k in alarms.items():
        assert stats.binom.sf(k - 1, len(x), level) > 1e-3, key
    if name == "pauli-4":  # saboteur: Z+ and rest exchanged makes <X> = <Z> = 1 of one spin
        for shots in np.array([3, 1, 2, 0])[x[:20]]:
            assert estimate_observables(shots, frame, tfim).energy_unphysical == 1


def test_without_a_hamiltonian_there_is_no_energy_and_none_is_named():
    frame, tfim = povm("pauli-6"), TFIM(5)
    x = Stream(4).numpy().integers(6, size=(500, 5), dtype=np.uint8)
    ds, named = estimate_observables(x, frame), estimate_observables(x, frame, tfim)
    energies = ["energy", "energy_error", "energy_unphysical"]
    assert ds.drop_attrs().identical(named.drop_vars(energies).drop_attrs())
    assert not set(tfim.attrs()) & set(ds.attrs)
    assert "energy" not in shot_values(x, frame)


def test_a_measurement_blind_to_x_gives_what_it_sees():
    tfim, frame = TFIM(4), povm("computational")
    x = Born(ground_state(tfim), frame).sample(3000, 1)
    ds, exact = estimate_observables(x, frame, tfim), exact_observables(tfim)
    assert joint_p((ds.zz - exact.zz)[:1] / ds.zz_error[:1]) > 1e-3
    assert not {"energy", "x", "x_mean", "x_error"} & set(ds)
    assert ds.attrs["missing"] == "x, x_mean, energy: computational does not see X"
    blind = POVM("y", (povm("pauli-6").elements[[2, 5]] * 3), ("Y+", "Y-"))
    with pytest.raises(InputError, match="must have Z in the span"):
        estimate_observables(x, blind)


def test_measurement_data_bring_their_own_povm_and_hamiltonian(tmp_path):
    tfim, frame = TFIM(5), povm("pauli-6")
    x = Stream(4).numpy().integers(6, size=(500, 5), dtype=np.uint8)
    data = MeasurementData(x, frame, tfim.attrs())
    ds = estimate_observables(data)
    assert ds.identical(estimate_observables(x, frame, tfim))
    data.save(tmp_path / "shots.h5")
    assert ds.identical(estimate_observables(MeasurementData.open(tmp_path / "shots.h5")))
    with pytest.raises(InputError, match="must be pauli-4"):
        estimate_observables(data, povm("pauli-4"))
    with pytest.raises(InputError, match="povm must be given with an array"):
        estimate_observables(x)


def test_bad_input():
    frame, tfim = povm("pauli-4"), TFIM(4)
    with pytest.raises(InputError, match=r"must be in 0\.\.3"):
        estimate_observables(np.full((5, 4), 5), frame, tfim)
    with pytest.raises(InputError, match="shape"):
        estimate_observables(np.zeros((5, 3), int), frame, tfim)
    with pytest.raises(InputError, match="at least 2 shots"):
        estimate_observables(np.zeros((1, 4), int), frame, tfim)


def test_one_site():
    """|+> on a single qubit: no pairs, everything else."""
    x = Born(product_state("+"), povm("pauli-6")).sample(5000, 1)
    ds = estimate_observables(x, povm("pauli-6"))
    assert within(float(ds.x[0]), 1.0, float(ds.x_error[0]), largest=0.03)
    assert "zz" not in ds
    labelled = MeasurementData(x, "pauli-6", settings=x[:, 0] % 3)
    ds = estimate_observables(labelled)
    assert float(ds.x[0]) == 1
    assert within(float(ds.z[0]), 0.0, float(ds.z_error[0]), largest=0.04)
    assert "zz" not in ds
