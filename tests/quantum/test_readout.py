"""Readout errors of each qubit: from calibration counts to unbiased numbers."""

import itertools
import json

import numpy as np
import pytest
from helpers.statistics import unit_variance_p, within

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models import MatrixProduct
from physgen.quantum import (
    Born,
    BornMixed,
    DensityMatrix,
    MeasurementData,
    SitePOVM,
    bit_flipped,
    estimate_observables,
    ghz_state,
    load_povm,
    outcome_symmetry,
    povm,
    product_state,
    random_mps,
    read_out,
    save_povm,
)
from physgen.quantum.importing import import_measurements
from physgen.quantum.readout import confusion_matrices
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import bootstrap_estimates, direct_estimates, maximum_likelihood

ERRORS = np.array([[0.02, 0.10], [0.12, 0.03], [0.0, 0.2]])  # to read 1 for 0, 0 for 1
MATRICES = np.array([[[1 - a, b], [a, 1 - b]] for a, b in ERRORS])


def misread(outcomes, seed, errors=ERRORS):
    """Return pauli-6 outcomes whose bits a faulty detector has read."""
    bits, rng = outcomes // 3, Stream(seed).child("readout").numpy()
    wrong = rng.random(outcomes.shape) < np.where(bits == 0, errors[:, 0], errors[:, 1])
    return (outcomes % 3 + 3 * (bits ^ wrong)).astype(np.uint8)


def in_settings(state, shots_of, seed):
    """Draw pauli-6 outcomes of a state in chosen settings, by picking among random ones."""
    drawn = Born(state, "pauli-6").sample(40 * sum(shots_of.values()), seed)
    kept = [
        drawn[(drawn % 3 == np.array(setting)).all(axis=1)][:n] for setting, n in shots_of.items()
    ]
    assert [len(x) for x in kept] == list(shots_of.values())
    return np.concatenate(kept)


def uneven(L, many, few):
    every = itertools.product(range(3), repeat=L)
    return {s: many if len(set(s)) == 1 else few for s in every}


def test_calibrations_of_every_kind():
    one = {"0": {"0": 980, "1": 20}, "1": {"0": 100, "1": 900}}
    np.testing.assert_allclose(confusion_matrices(one), MATRICES[0])
    np.testing.assert_allclose(confusion_matrices([one, one]), MATRICES[[0, 0]])
    np.testing.assert_allclose(confusion_matrices(MATRICES.tolist()), MATRICES)
    both = {
        "00": {"00": 980, "01": 10, "10": 5, "11": 5},
        "11": {"11": 900, "10": 60, "01": 40},
    }
    found = confusion_matrices(both)
    np.testing.assert_allclose(found[0], [[0.99, 0.04], [0.01, 0.96]])
    np.testing.assert_allclose(found[1], [[0.985, 0.06], [0.015, 0.94]])
    for bad, says in (
        ({"0": {"0": 9}}, "prepared in 0 and 1, got qubit 0 never in 1"),
        ({"00": {"00": 9}, "01": {"01": 8}}, "got qubit 0 never in 1"),
        ({"0": {"00": 9}, "1": {"1": 3}}, "got '00': 9 for '0'"),
        ({"0": {"0": 0.5}, "1": {"1": 3}}, "got '0': 0.5"),
        ({"a": {"0": 9}}, "got 'a' as prepared"),
        (MATRICES[0].T, "its rows do: transpose it"),
        ([[1, 1], [1, 1]], "columns that do not"),
        (np.eye(3), r"got shape \(3, 3\)"),
        ("x", "got str"),
        ([one, both], "strings of several qubits in a list"),
    ):
        with pytest.raises(InputError, match=says) as error:
            confusion_matrices(bad)
        assert "\n" not in str(error.value)


def test_elements_of_every_site():
    frame = read_out("pauli-6", MATRICES)
    assert isinstance(frame, SitePOVM)
    for i, (e01, e10) in enumerate(ERRORS):
        assert frame.sites[i].matches(bit_flipped("pauli-6", e01, e10))
    assert read_out("pauli-6", MATRICES, reverse=True).sites[0].matches(frame.sites[2])
    assert read_out("pauli-6", MATRICES[0]).matches(frame.sites[0])
    assert frame.bases.names == ("Z", "X", "Y")
    assert frame.is_informationally_complete
    assert not frame.matches(povm("pauli-6"))
    with pytest.raises(InputError, match=r"must have shape \(\.\.\., 3\)"):
        MeasurementData(np.zeros((5, 2), int), frame)
    other = SitePOVM("x", [povm("pauli-6"), povm("pauli-6")])
    assert other.matches(povm("pauli-6"))
    with pytest.raises(InputError, match="must have the outcomes Z"):
        SitePOVM("x", [povm("pauli-6"), povm("pauli-4")])


@pytest.mark.parametrize("chosen", [False, True])
def test_estimates_undo_the_readout_of_each_qubit(chosen):
    """Fidelity, purity and observables of a pure state, in random and in unequal settings."""
    state = random_mps(3, 2, 4)
    shots = in_settings(state, uneven(3, 3000, 300), 1) if chosen else None
    clean = Born(state, "pauli-6").sample(30_000, 1) if shots is None else shots
    x = misread(clean, 2)
    labels = label_settings(x % 3) if chosen else None
    data = MeasurementData(x, read_out("pauli-6", MATRICES), settings=labels)
    direct = direct_estimates(data, state, blocks=[[0, 2]])
    assert within(
        float(direct.fidelity_squared), 1.0, float(direct.fidelity_squared_error), largest=0.06
    )
    assert within(float(direct.purity), 1.0, float(direct.purity_error), largest=0.15)
    assert maximum_likelihood(data).state().fidelity_squared(state) > 0.95
    ds = estimate_observables(data)
    for name, P in (("x", "X"), ("z", "Z")):
        values, errors = ds[name].values, ds[f"{name}_error"].values
        assert within(values, state.profile(P), errors, largest=0.05)
    if not chosen:
        ds = estimate_observables(data, duals="optimised")
        assert within(ds.z.values, state.profile("Z"), ds.z_error.values, largest=0.03)
    # saboteurs: one mean error for all qubits, and no error at all
    mean = bit_flipped("pauli-6", *ERRORS.mean(axis=0))
    for frame in (mean, povm("pauli-6")):
        ds = estimate_observables(data.measured_by(frame))
        off = np.abs(ds.z.values - state.profile("Z")) / ds.z_error.values
        assert off.max() > 5


@pytest.mark.slow
def test_pulls_of_the_fidelity():
    """Over data sets in unequal settings, the error bar of the fidelity is right."""
    state, pulls = ghz_state(2), []
    frame = read_out("pauli-6", MATRICES[:2])
    for seed in range(60):
        clean = in_settings(state, uneven(2, 300, 60), seed)
        x = misread(clean, seed, ERRORS[:2])
        data = MeasurementData(x, frame, settings=label_settings(x % 3))
        direct = direct_estimates(data, state)
        pulls.append(float((direct.fidelity_squared - 1) / direct.fidelity_squared_error))
    assert unit_variance_p(pulls) > 1e-3


def test_resampling_and_distribution_of_each_site():
    state = random_mps(2, 2, 4)
    frame = read_out("pauli-6", MATRICES[:2])
    rho = DensityMatrix(np.outer(state.to_dense(), state.to_dense().conj()))
    born = BornMixed(rho, frame)
    x = born.sample(20_000, 1)
    strings = np.indices((6, 6)).reshape(2, -1).T
    p = np.exp(born.log_prob(strings))
    assert p.sum() == pytest.approx(1)
    clean = np.exp(BornMixed(rho, "pauli-6").log_prob(strings)).reshape(2, 3, 2, 3)
    read = np.einsum("sx,tw,xawb->satb", MATRICES[0], MATRICES[1], clean)
    np.testing.assert_allclose(p, read.ravel(), atol=1e-12)
    data = MeasurementData(x, frame)
    table = bootstrap_estimates(data, state, n_resamples=50, rng=1)
    assert float(table.fidelity_squared) > 0.97
    assert float(table.fidelity_squared_error) < 0.03


def test_files(tmp_path):
    frame = read_out("pauli-6", MATRICES)
    save_povm(frame, tmp_path / "povm.npz")
    assert load_povm(tmp_path / "povm.npz").matches(frame)
    x = misread(Born(product_state("0+r"), "pauli-6").sample(3000, 1), 2)
    data = MeasurementData(x, frame, settings=label_settings(x % 3))
    data.save(tmp_path / "a.h5")
    again = MeasurementData.load(tmp_path / "a.h5")
    assert again.povm.matches(frame)
    assert again.povm.bases.names == ("Z", "X", "Y")
    assert load_povm(tmp_path / "a.h5").matches(frame)
    np.save(tmp_path / "x.npy", x)
    data = import_measurements(tmp_path / "x.npy", povm=str(tmp_path / "povm.npz"))
    assert data.povm.matches(frame)
    ds = estimate_observables(data)
    assert within(ds.z.values, [1, 0, 0], ds.z_error.values, largest=0.1)


def test_readout_at_import(tmp_path):
    x = misread(Born(product_state("0+r"), "pauli-6").sample(3000, 1), 2)
    lines = [f"{''.join('ZXY'[a % 3] for a in r)} {''.join(str(a // 3) for a in r)}" for r in x]
    (tmp_path / "shots.txt").write_text("\n".join(lines))
    counts = [
        {"0": {"0": 1000 - 1000 * a, "1": 1000 * a}, "1": {"0": 1000 * b, "1": 1000 - 1000 * b}}
        for a, b in ERRORS
    ]
    (tmp_path / "calibration.json").write_text(json.dumps(counts))
    data = import_measurements(tmp_path / "shots.txt", readout=tmp_path / "calibration.json")
    assert data.povm.matches(read_out("pauli-6", MATRICES))
    ds = estimate_observables(data)
    assert within(ds.z.values, [1, 0, 0], ds.z_error.values, largest=0.1)
    data = import_measurements(tmp_path / "shots.txt", readout=MATRICES, reverse=True)
    ds = estimate_observables(data)
    assert within(ds.z.values, [0, 0, 1], ds.z_error.values, largest=0.1)
    data = import_measurements(tmp_path / "shots.txt", readout="0.02,0.1")
    assert data.povm.matches(bit_flipped("pauli-6", 0.02, 0.1))
    with pytest.raises(InputError, match="of one qubit or of all 3 sites, got 2"):
        import_measurements(tmp_path / "shots.txt", readout=MATRICES[:2])
    for bad in ("0.1", "absent.json", "1,2"):
        with pytest.raises(InputError):
            import_measurements(tmp_path / "shots.txt", readout=bad)


def test_one_povm_for_all_sites_is_told_from_one_a_site():
    frame = read_out("pauli-6", MATRICES)
    with pytest.raises(InputError, match="must have one POVM for all sites"):
        outcome_symmetry(frame, "z2")
    with pytest.raises(InputError, match=r"povm must be of 4 sites, got .* of 3"):
        Born(ghz_state(4), frame)
    same = SitePOVM("x", [povm("pauli-6")] * 3)
    assert Born(ghz_state(3), same).povm is MatrixProduct(3, same).povm is povm("pauli-6")
