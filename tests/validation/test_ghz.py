"""GHZ fidelities: exact for states, unbiased from shots, and no coherence where there is none."""

import numpy as np
import pytest
from helpers.states import random_state
from helpers.statistics import accepts, normal_p
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from physgen.core.errors import InputError
from physgen.models import MatrixProduct
from physgen.quantum import (
    MPS,
    Born,
    BornMixed,
    DensityMatrix,
    MeasurementData,
    dephased,
    ghz_state,
    random_mps,
    read_out,
)
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import direct_estimates
from physgen.validation import exact_divergences, ghz_fidelity, ghz_numbers


def ghz_matrix(N, coherence=1.0, phase=0.0):
    """A GHZ state whose coherence has faded."""
    rho = np.zeros((2**N, 2**N), complex)
    rho[0, 0] = rho[-1, -1] = 0.5
    rho[0, -1], rho[-1, 0] = (0.5 * coherence * np.exp(s * 1j * phase) for s in (-1, 1))
    return DensityMatrix(rho)


def in_settings(rho, shots_of, seed=1, povm="pauli-6"):
    """Shots in chosen settings, such as {"ZZZ": 100, "XXX": 50}."""
    rows, labels = [], []
    for k, (name, n) in enumerate(shots_of.items()):
        bases = np.array(["ZXY".index(letter) for letter in name])
        found = np.empty((0, len(name)), np.uint8)
        for more in range(60):
            x = BornMixed(rho, povm).sample(3 ** len(name) * n, 1000 * seed + 60 * k + more)
            found = np.concatenate([found, x[(x % 3 == bases).all(axis=1)]])
            if len(found) >= n:
                break
        rows.append(found[:n])
        labels.append(np.full(n, k))
    return MeasurementData(np.concatenate(rows), povm, settings=np.concatenate(labels))


@pytest.mark.parametrize("phase", [0.0, np.pi, 0.7])
@pytest.mark.parametrize("N", [2, 3, 4])
def test_numbers_of_a_state_are_those_of_its_matrix(N, phase):
    for state in (random_mps(N, 2, N), ghz_state(N, phase)):
        found, psi = ghz_numbers(state, phase), state.to_dense() / state.norm()
        overlap = abs(np.vdot(ghz_state(N, phase).to_dense(), psi)) ** 2
        assert found.fidelity_squared == pytest.approx(overlap)
        assert found.populations == pytest.approx(abs(psi[0]) ** 2 + abs(psi[-1]) ** 2)
        assert found.parity == pytest.approx(float(np.vdot(psi, psi[::-1]).real))
        element = 2 * np.exp(1j * phase) * psi[0] * psi[-1].conj()
        assert found.coherence + 1j * found.coherence_quadrature == pytest.approx(element)


@pytest.mark.parametrize("kraus", [2, 4])
def test_ancillas_of_a_mixed_model_are_traced_out(kraus):
    model = MatrixProduct(3, "pauli-6", bond=3, kraus=kraus, rng=1)
    rho = model.density_matrix().rho
    found = ghz_numbers(model.purification(), 0.4, sites_per_qubit=model.sites_per_qubit)
    assert found.populations == pytest.approx(float((rho[0, 0] + rho[-1, -1]).real))
    assert found.coherence == pytest.approx(2 * float((np.exp(0.4j) * rho[0, -1]).real))
    assert found.parity == pytest.approx(float(np.trace(rho[::-1]).real))


def test_numbers_do_not_underflow_in_a_long_chain():
    found = ghz_numbers(ghz_state(300))
    np.testing.assert_allclose(found, [1, 1, 0, 1, 1], atol=1e-9)


def test_a_dephased_ghz_state_has_a_classical_fidelity_near_1_and_a_quantum_one_of_a_half():
    N = 6
    pure, mixed = Born(ghz_state(N), "pauli-6"), BornMixed(ghz_matrix(N, 0.0), "pauli-6")
    F_c = float(exact_divergences(mixed, pure).fidelity)
    assert F_c == pytest.approx(1 - (2 / 3) ** N * (2 - np.sqrt(2)) / 4)
    assert F_c > 0.98
    found = ghz_fidelity(MeasurementData(mixed.sample(20_000, 1), "pauli-6"))
    assert float(found.ghz_fidelity_squared_lower[1]) < 0.5
    assert found.attrs["entangled"] == 0
    assert abs(float(found.ghz_coherence)) < 4 * float(found.ghz_coherence_error) < 0.2
    assert float(found.ghz_populations) > 0.9
    whole = ghz_fidelity(MeasurementData(pure.sample(20_000, 1), "pauli-6"))
    assert whole.attrs["entangled"] == 1
    assert float(whole.ghz_fidelity_squared_lower[1]) > 0.9
    two = in_settings(ghz_matrix(4, 0.0), {"ZZZZ": 200, "XXXX": 200})
    assert float(ghz_fidelity(two).ghz_witness_lower[1]) < 0.5


@pytest.mark.parametrize("labelled", [False, True])
def test_from_shots_it_is_the_direct_fidelity(labelled):
    x = BornMixed(ghz_matrix(3, 0.9, np.pi).depolarised(0.1), "pauli-6").sample(6000, 2)
    data = MeasurementData(x, "pauli-6", settings=label_settings(x % 3) if labelled else None)
    found = ghz_fidelity(data, np.pi)
    direct = direct_estimates(data, ghz_state(3, np.pi))
    for name in ("fidelity_squared", "fidelity_squared_error"):
        assert float(found[f"ghz_{name}"]) == pytest.approx(float(direct[name]))
    half = (found.ghz_populations + found.ghz_coherence) / 2
    assert float(found.ghz_fidelity_squared) == pytest.approx(float(half))
    assert ("ghz_witness" in found) == labelled
    assert float(found.ghz_parity) == pytest.approx(
        -0.9 * (1 - 0.4 / 3) ** 3, abs=4 * float(found.ghz_parity_error)
    )


def test_the_error_of_a_shot_is_the_exponential_one():
    for N in (4, 6):
        x = Born(ghz_state(N), "pauli-6").sample(40_000, N)
        found = ghz_fidelity(MeasurementData(x, "pauli-6"))
        for name, variance in (
            ("coherence", 2 * 1.5**N - 1),
            ("coherence_quadrature", 2 * 1.5**N),
        ):
            assert float(found[f"ghz_{name}_error"]) == pytest.approx(
                np.sqrt(variance / 40_000), rel=0.05
            )


@pytest.mark.statistical
@pytest.mark.parametrize("povm", ["pauli-4", "tetrahedral"])
def test_other_complete_measurements_give_the_same_without_bias(povm):
    rho = ghz_matrix(3, 0.6, 0.5)

    def p_value(n, seed, turn=1):
        found = ghz_fidelity(MeasurementData(BornMixed(rho, povm).sample(n, seed), povm))
        c, q = float(found.ghz_coherence), turn * float(found.ghz_coherence_quadrature)
        pulls = (
            (c - 0.6 * np.cos(0.5)) / float(found.ghz_coherence_error),
            (q + 0.6 * np.sin(0.5)) / float(found.ghz_coherence_quadrature_error),
        )
        return min(1.0, 2 * min(normal_p(pull) for pull in pulls))

    assert accepts(p_value, 20_000)
    assert not accepts(lambda n, seed: p_value(n, seed, -1), 20_000)


def projector_bound(rho, phase, strings, bonds):
    """W of a matrix: populations or bonds, and the mean over strings of X and Y."""
    N = len(rho).bit_length() - 1
    bits = np.indices((2,) * N).reshape(N, -1)
    broken = (bits[1:] != bits[:-1]).sum(axis=0)
    outside = broken if bonds else (broken > 0)
    matrices = {"X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]])}
    means = []
    for string in strings:
        S = np.eye(1)
        for letter in string:
            S = np.kron(S, matrices[letter])
        sign = np.sign(np.cos(string.count("Y") * np.pi / 2 - phase))
        means.append(sign * np.trace(rho @ S).real)
    return 1 - np.diag(rho).real @ outside - (1 - np.mean(means)) / 2


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(1, 3), st.integers(0, 999), st.floats(0, 1), st.booleans())
def test_the_bound_of_two_settings_never_exceeds_the_fidelity(N, rank, seed, share, bonds):
    psi = ghz_state(N).to_dense()
    rho = share * random_state(N, rank, seed) + (1 - share) * np.outer(psi, psi)
    strings = ["X" * N, "YY" + "X" * (N - 2)]
    fidelity = float((psi @ rho @ psi).real)
    assert projector_bound(rho, 0.0, strings, bonds) <= fidelity + 1e-12
    assert projector_bound(np.outer(psi, psi), 0.0, strings, bonds) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings_of", "phase", "bonds"),
    [
        ({"ZZZ": 900, "XXX": 900}, 0.0, False),
        ({"ZZZ": 900, "XXX": 500, "XYY": 500, "XXY": 50}, 0.0, False),  # XXY tells nothing
        ({"ZZX": 900, "XZZ": 900, "XXX": 900}, 0.0, True),
        ({"ZZZ": 900, "XXY": 900}, np.pi / 2, False),
        ({"ZZZ": 900, "XXX": 900}, np.pi, False),
    ],
)
def test_two_settings_give_the_bound(settings_of, phase, bonds):
    rho = ghz_matrix(3, 0.9, phase).depolarised(0.02)
    strings = [s for s in settings_of if set(s) <= set("XY")]
    strings = [s for s in strings if abs(np.cos(s.count("Y") * np.pi / 2 - phase)) > 0.5]
    found = ghz_fidelity(in_settings(rho, settings_of), phase)
    truth = projector_bound(rho.rho, phase, strings, bonds)
    error = float(found.ghz_witness_error)
    assert abs(float(found.ghz_witness) - truth) < 4 * error < 0.1
    assert "ghz_fidelity_squared" not in found
    assert found.attrs["entangled"] == 1
    assert truth < rho.fidelity_squared(ghz_state(3, phase))


def nearly_perfect(n, rng, fault=0.01):
    """Shots of a GHZ state of 3 qubits in ZZZ and XXX whose coherence is 1 - 2 fault."""
    z = np.repeat(rng.random((n, 1)) < 0.5, 3, axis=1)
    x = rng.random((n, 3)) < 0.5
    x[:, 2] = x[:, 0] ^ x[:, 1] ^ (rng.random(n) < fault)
    return MeasurementData(
        np.concatenate([3 * z, 1 + 3 * x]), "pauli-6", settings=np.repeat([0, 1], n)
    )


@pytest.mark.statistical
def test_few_perfect_shots_do_not_certify_a_perfect_state():
    """Where most data sets show no fault at all, the bound must still cover."""
    rng = np.random.default_rng(1)
    for n in (10, 40, 200):
        found = [ghz_fidelity(nearly_perfect(n, rng)) for _ in range(120)]
        assert all(float(ds.ghz_witness_error) > 0 for ds in found)
        covered = sum(float(ds.ghz_witness_lower_raw[1]) < 0.99 for ds in found)
        assert stats.binom.cdf(covered, len(found), 0.95) > 1e-3


def test_perfect_shots_in_all_settings_leave_an_error():
    x = Born(ghz_state(3), "pauli-6").sample(6000, 2)
    data = MeasurementData(x, "pauli-6", settings=label_settings(x % 3))
    assert float(direct_estimates(data, ghz_state(3)).fidelity_squared_error) < 1e-9
    found = ghz_fidelity(data)
    # Among 222 shots of each of 27 settings, a fault of 1 % would show in two.
    assert float(found.ghz_fidelity_squared) == pytest.approx(1)
    assert 1e-4 < float(found.ghz_fidelity_squared_error) < 1e-2
    assert 0.98 < float(found.ghz_fidelity_squared_lower[1]) < 0.9998


def test_a_known_readout_error_is_undone():
    confusion = np.array([[[0.97, 0.06], [0.03, 0.94]]] * 2)
    frame = read_out("pauli-6", confusion)
    data = in_settings(ghz_matrix(2, 0.9), {"ZZ": 4000, "XX": 4000}, povm=frame)
    found = ghz_fidelity(data)
    assert abs(float(found.ghz_witness) - 0.95) < 4 * float(found.ghz_witness_error) < 0.1
    wrong = ghz_fidelity(MeasurementData(data.outcomes, "pauli-6", settings=data.settings))
    assert float(wrong.ghz_witness) < 0.9


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (MeasurementData([[0], [1]], "pauli-6"), "at least 2 sites"),
        (MeasurementData([[0, 1]], "pauli-4"), "at least 2 shots"),
        (MeasurementData([[0, 1]] * 4, "trine"), "trine is not informationally complete"),
        (MeasurementData([[0] * 13] * 4, "pauli-6"), "more than 12 sites drowns"),
        (MeasurementData([[1, 1]] * 9 + [[0, 1]] * 9, "pauli-6"), "9 shots have X or Y on all 2"),
        (MeasurementData([[0, 0]] * 4, "pauli-6", settings=[0] * 4), "no setting of X and Y"),
        (MeasurementData([[1, 1]] * 4, "pauli-6", settings=[0] * 4), "see Z0 Z1 in 0 shots"),
    ],
)
def test_what_tells_no_coherence_is_refused_in_one_line(data, message):
    with pytest.raises(InputError, match=message):
        ghz_fidelity(data)


def test_a_string_that_no_shot_sees_has_no_value():
    x = Born(ghz_state(6), "pauli-6").sample(300, 1)
    found = ghz_fidelity(MeasurementData(x[~(x % 3 == 1).all(axis=1)], "pauli-6"))
    assert "ghz_parity" not in found
    assert float(found.ghz_coherence_error) > 0.1


def test_a_phase_that_no_string_stabilises_needs_all_settings():
    data = in_settings(ghz_matrix(2), {"ZZ": 20, "XX": 20})
    with pytest.raises(InputError, match="no setting of X and Y"):
        ghz_fidelity(data, 0.3)
    with pytest.raises(InputError, match="phase must be"):
        ghz_fidelity(data, np.nan)


def test_dephasing_in_the_elements_is_undone_by_them():
    frame = dephased("pauli-6", 0.05)
    x = Born(MPS(ghz_state(3).tensors), frame).sample(20_000, 1)
    found = ghz_fidelity(MeasurementData(x, frame))
    assert abs(float(found.ghz_coherence) - 1) < 4 * float(found.ghz_coherence_error) < 0.2
    seen = ghz_fidelity(MeasurementData(x, "pauli-6"))
    assert abs(float(seen.ghz_coherence) - 0.9**3) < 4 * float(seen.ghz_coherence_error)
