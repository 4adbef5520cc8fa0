"""POVMs made of bases: outcomes tell the basis with any noise, and unequal settings count."""

import itertools

import numpy as np
import pytest
from helpers.statistics import unit_variance_p, within

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import (
    MPS,
    POVM,
    Born,
    MeasurementData,
    bit_flipped,
    damped,
    dephased,
    depolarised,
    estimate_observables,
    ghz_state,
    povm,
    save_povm,
)
from physgen.quantum.bases import bases_of, pair_values
from physgen.quantum.importing import import_measurements
from physgen.quantum.noise import misread
from physgen.quantum.povm import PAULI
from physgen.quantum.randomness import FALSE_ALARM, random_p
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import direct_estimates, maximum_likelihood

SIX = povm("pauli-6")
CONFUSED = misread(SIX, np.eye(6) + 0.1 * (np.eye(6)[[1]].T - np.eye(6)[[0]].T) @ np.eye(6)[[0]])
NOISY = {
    "readout": bit_flipped(SIX, 0.03, 0.08),
    "depolarised": depolarised(SIX, 0.1),
    "all": depolarised(damped(dephased(bit_flipped(SIX, 0.02, 0.05), 0.05), 0.1), 0.04),
}


def anonymous(frame):
    """Return the same elements with outcomes named 0, 1, 2, ..."""
    return POVM.from_elements("mine", frame.elements)


def in_settings(frame, state, shots_of, seed=1):
    """Draw outcomes of a state in settings: {(basis of each site, ...): shots}."""
    psi, rng = state.to_dense(), Stream(seed).numpy()
    psi, rows = psi / np.linalg.norm(psi), []
    for setting, n in shots_of.items():
        pairs = [(frame.bases.plus[b], frame.bases.minus[b]) for b in setting]
        strings = list(itertools.product(*pairs))
        p = []
        for string in strings:
            operator = np.ones((1, 1))
            for a in string:
                operator = np.kron(operator, frame.elements[a])
            p.append((psi.conj() @ operator @ psi).real)
        drawn = rng.choice(len(strings), n, p=np.array(p) / sum(p))
        rows.append(np.array(strings, np.uint8)[drawn])
    return np.concatenate(rows)


def uneven(L=2, many=4000, few=200):
    """Many shots in ZZ, XX, YY, few in the others."""
    every = itertools.product(range(3), repeat=L)
    return {s: many if len(set(s)) == 1 else few for s in every}


@pytest.mark.parametrize("kind", NOISY)
@pytest.mark.parametrize("named", [True, False])
def test_noise_keeps_the_bases(kind, named):
    frame = NOISY[kind] if named else anonymous(NOISY[kind])
    bases = frame.bases
    assert bases.names == ("Z", "X", "Y")
    np.testing.assert_array_equal(bases.of, [0, 1, 2, 0, 1, 2])
    np.testing.assert_allclose(bases.share, 1 / 3)
    for P in "XYZ":
        v = pair_values(frame.pauli_coefficients, bases, P)
        seen = ~np.isnan(v)
        assert seen.sum() == 2
        of_basis = np.einsum("a,aij->ij", v[seen], frame.elements[seen]) * 3
        np.testing.assert_allclose(of_basis, PAULI[P], atol=1e-12)


def test_what_has_bases_and_what_not():
    assert povm("pauli-rebit").bases.names == ("X", "Z")
    for name in ("pauli-4", "tetrahedral", "trine", "computational"):
        assert povm(name).bases is None
    assert CONFUSED.bases is None  # a detector that reports X+ for Z+
    turned = SIX.elements[[3, 0, 1, 2, 4, 5]]  # another order, without names
    assert POVM.from_elements("mine", turned).bases.names == ("Z", "X", "Y")
    assert POVM.from_elements("mine", turned).bases.plus == (1, 2, 3)
    blind = POVM.from_elements("blind", np.tile(np.eye(2) / 6, (6, 1, 1)))
    assert blind.bases is None  # any pairing would do
    tilted = (PAULI["X"] + PAULI["Z"]) / np.sqrt(2)
    own = [(PAULI["I"] + s * A) / 4 for A in (tilted, PAULI["Y"]) for s in (1, -1)]
    bases = POVM.from_elements("own", own).bases
    assert bases.names == ("0", "Y")
    assert bases_of(povm("computational").pauli_coefficients, ("Z+", "Z-")) is None


@pytest.mark.parametrize("kind", NOISY)
def test_unequal_settings_with_known_noise(tmp_path, kind):
    """A Bell state of fidelity 1: labels are kept at import, and every estimate is unbiased."""
    save_povm(anonymous(NOISY[kind]), tmp_path / "noisy.npz")
    frame, bell = povm(str(tmp_path / "noisy.npz")), ghz_state(2)
    x = in_settings(frame, bell, uneven())
    np.save(tmp_path / "x.npy", Stream(2).numpy().permutation(x))
    data = import_measurements(tmp_path / "x.npy", povm=frame)
    assert len(data.setting_table) == 9
    assert data.attrs["settings"].startswith("labelled: not random")
    direct = direct_estimates(data, bell)
    value, error = float(direct.fidelity_squared), float(direct.fidelity_squared_error)
    assert within(value, 1.0, error, largest=0.04)
    assert within(float(direct.purity), 1.0, float(direct.purity_error), largest=0.1)
    assert maximum_likelihood(data).state().fidelity_squared(bell) > 0.97
    ds = estimate_observables(data)
    assert within(ds.zz.values, 1.0, ds.zz_error.values, largest=0.04)
    assert within(ds.x.values, 0.0, ds.x_error.values, largest=0.04)
    # saboteur: taken as random, the settings decide the fidelity
    wrong = direct_estimates(
        import_measurements(tmp_path / "x.npy", povm=frame, settings="random")
    )
    assert abs(float(wrong.purity) - 1) > 10 * float(wrong.purity_error)


@pytest.mark.slow
def test_errors_of_unequal_settings_with_known_noise():
    """Pulls of the direct fidelity and of <ZZ>, <X> over data sets have unit variance."""
    frame, bell, pulls = NOISY["all"], ghz_state(2), {"F": [], "zz": [], "x": [], "purity": []}
    for seed in range(60):
        x = in_settings(frame, bell, uneven(many=400, few=60), seed)
        data = MeasurementData(x, frame, settings=label_settings(frame.bases.of[x]))
        direct, ds = direct_estimates(data, bell), estimate_observables(data)
        pulls["F"].append(float((direct.fidelity_squared - 1) / direct.fidelity_squared_error))
        pulls["zz"].append(float((ds.zz[0] - 1) / ds.zz_error[0]))
        pulls["x"].append(float(ds.x[0] / ds.x_error[0]))
    for name in ("F", "zz", "x"):
        assert unit_variance_p(pulls[name]) > 1e-3, name


def test_the_same_outcomes_of_another_povm():
    x = in_settings(SIX, ghz_state(2), uneven(many=300, few=50))
    data = MeasurementData(x, SIX, {"source": "mine"}, label_settings(x % 3))
    noisy = data.measured_by(NOISY["all"])
    np.testing.assert_array_equal(noisy.settings, data.settings)
    np.testing.assert_allclose(noisy.weights, data.weights)
    assert noisy.attrs["source"] == "mine"
    with pytest.raises(InputError, match="must have the outcomes Z"):
        data.measured_by("pauli-4")
    with pytest.raises(InputError, match="must keep the bases of labelled data"):
        data.measured_by(CONFUSED)
    with pytest.raises(InputError, match="that tell their bases"):
        MeasurementData(x, CONFUSED, settings=data.settings)


def test_a_file_keeps_noisy_settings(tmp_path):
    x = in_settings(NOISY["all"], ghz_state(2), uneven(many=30, few=5))
    data = MeasurementData(x, NOISY["all"], settings=label_settings(x % 3))
    data.save(tmp_path / "a.h5")
    again = MeasurementData.load(tmp_path / "a.h5")
    assert again.setting_table.names == data.setting_table.names
    assert import_measurements(tmp_path / "a.h5").settings is not None


def test_bits_become_outcomes_of_a_noisy_povm(tmp_path):
    lines = ["ZX 01", "YY 10", "XZ 11"] * 20
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    frame = NOISY["all"]
    data = import_measurements(tmp_path / "a.txt", povm=frame)
    assert data.povm is frame
    labels = [[frame.outcomes[a] for a in row] for row in data.outcomes[:3]]
    assert labels == [["Z+", "X-"], ["Y-", "Y+"], ["X-", "Z-"]]
    order = [1, 4, 2, 5, 0, 3]  # X+, X-, Y+, Y-, Z+, Z-
    turned = POVM("turned", frame.elements[order], tuple(np.array(frame.outcomes)[order]))
    again = import_measurements(tmp_path / "a.txt", povm=turned)
    labels = [[turned.outcomes[a] for a in row] for row in again.outcomes[:3]]
    assert labels == [["Z+", "X-"], ["Y-", "Y+"], ["X-", "Z-"]]
    (tmp_path / "z.txt").write_text("01\n11\n00\n" * 9)
    flipped = bit_flipped("computational", 0.1, 0.2)
    data = import_measurements(tmp_path / "z.txt", povm=flipped, format="bits")
    np.testing.assert_array_equal(data.outcomes[:3], [[0, 1], [1, 1], [0, 0]])
    with pytest.raises(InputError, match="bases must be given to make pauli-6, depolarised"):
        import_measurements(tmp_path / "z.txt", povm=depolarised(SIX, 0.1), format="bits")
    with pytest.raises(InputError, match="bases must be Z, X for povm pauli-rebit"):
        import_measurements(tmp_path / "a.txt", povm="pauli-rebit")


def weighted_six(shares):
    """Return pauli-6 with bases of other probabilities."""
    scale = 3 * np.tile(shares, 2)
    return POVM("weighted", SIX.elements * scale[:, None, None], SIX.outcomes)


@pytest.mark.parametrize("L", [1, 2, 12])
def test_random_bases_of_unequal_probability(L):
    """Pass where they follow the POVM, at the stated false alarm rate; fail where they do not."""
    frame, p = weighted_six([0.5, 0.3, 0.2]), [0.5, 0.3, 0.2]
    found = []
    for seed in range(300):
        axes = Stream(seed).numpy().choice(3, (400, L), p=p)
        found.append(random_p(axes.astype(np.uint8), frame.bases))
    found = np.array(found)
    assert (found < FALSE_ALARM).sum() <= 3
    assert 0.2 < (found < 0.5).mean() < 0.6
    even = Stream(1).numpy().integers(0, 3, (400, L)).astype(np.uint8)
    assert random_p(even, frame.bases) < FALSE_ALARM
    assert random_p(np.sort(axes, axis=0).astype(np.uint8), frame.bases) < FALSE_ALARM
    blocks = np.repeat(axes[:40], 10, axis=0).astype(np.uint8)
    assert random_p(blocks, frame.bases) < FALSE_ALARM


def test_weights_of_unequal_probability():
    """Shots in equal numbers of all settings, for a POVM that prefers Z: weights restore it."""
    frame = depolarised(weighted_six([0.5, 0.3, 0.2]), 0.06)
    bell = ghz_state(2)
    x = in_settings(frame, bell, dict.fromkeys(itertools.product(range(3), repeat=2), 2000))
    data = MeasurementData(x, frame, settings=label_settings(x % 3))
    assert data.weights.mean() == pytest.approx(1)
    share = np.bincount(x[:, 0] % 3, weights=data.weights) / data.n
    np.testing.assert_allclose(share, [0.5, 0.3, 0.2])
    direct = direct_estimates(data, bell)
    error = float(direct.fidelity_squared_error)
    assert within(float(direct.fidelity_squared), 1.0, error, largest=0.05)
    assert within(float(direct.purity), 1.0, float(direct.purity_error), largest=0.1)
    drawn = MeasurementData(Born(bell, frame).sample(20_000, 1), frame)
    direct = direct_estimates(drawn, bell)
    error = float(direct.fidelity_squared_error)
    assert within(float(direct.fidelity_squared), 1.0, error, largest=0.03)


def test_settings_of_two_bases():
    """pauli-rebit has 2^L settings."""
    frame, state = povm("pauli-rebit"), MPS.from_dense(np.array([3.0, 1, 1, 2]))
    x = in_settings(frame, state, {(0, 0): 900, (1, 1): 300, (0, 1): 200})
    data = MeasurementData(x, frame, settings=label_settings(frame.bases.of[x]))
    assert data.setting_table.names == ["XX", "ZZ", "XZ"]
    assert data.setting_table.missing() == ["ZX"]
    ds = estimate_observables(data)
    for name, P in (("x", "X"), ("z", "Z")):
        values, errors = ds[name].values, ds[f"{name}_error"].values
        assert within(values, state.profile(P), errors, largest=0.1)
