"""Mixed states against closed forms, and their outcomes against brute force."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers.statistics import accepts, chi_square_p

from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.core.random import Stream
from physgen.quantum import (
    POVM,
    Born,
    BornMixed,
    DensityMatrix,
    PauliSum,
    depolarised,
    ghz_state,
    povm,
    product_state,
    random_mps,
    w_state,
)
from physgen.quantum.povm import PAULI, names

DATA = Path(__file__).parents[3] / "shared/data/quantum"
MIXED = DensityMatrix.mixture([0.6, 0.4], [random_mps(3, 4, 1), random_mps(3, 4, 2)])


def strings(K, L):
    return np.array(list(product(range(K), repeat=L)), dtype=np.uint8)


def enumerated(rho, frame, L):
    rho = rho.reshape((2,) * (2 * L))
    for site in range(L):
        rho = np.tensordot(rho, frame.elements, axes=((0, L - site), (2, 1)))
    return rho.real.ravel()


def test_constructors():
    psi = np.array([3, 0, 0, 4j])
    pure = DensityMatrix.pure(psi)
    np.testing.assert_allclose(pure.rho, np.outer(psi, psi.conj()) / 25, atol=1e-15)
    state = random_mps(4, 4, 1)
    assert DensityMatrix.pure(state).purity() == pytest.approx(1, abs=1e-12)
    half = DensityMatrix.mixture([0.5, 0.5], [product_state("00"), np.array([0, 0, 0, 1])])
    np.testing.assert_allclose(half.rho, np.diag([0.5, 0, 0, 0.5]), atol=1e-15)
    nested = DensityMatrix.mixture([0.5, 0.5], [half, pure])
    np.testing.assert_allclose(nested.rho, (half.rho + pure.rho) / 2, atol=1e-15)
    assert repr(half) == "DensityMatrix(L=2, purity=0.5)"


def test_expectations_agree_with_the_matrix_product_state():
    state = random_mps(5, 4, 3)
    rho = DensityMatrix.pure(state)
    for paulis in ({0: "Z"}, {1: "X", 3: "Y"}, {4: "Y", 0: "X", 2: "Z"}, {2: "I"}, {}):
        assert rho.expectation(paulis) == pytest.approx(state.expectation(paulis), abs=1e-13)
    # 0 is the most significant site
    assert DensityMatrix(np.diag([0, 1, 0, 0])).expectation({1: "Z"}) == -1
    for text in ("sum XX + YY + ZZ", "1.5 - 0.3 Y0 Y1 Y2 + Z0 + 2 X2 Y1"):
        operator = PauliSum.parse(text, 5)
        exact = sum(c * rho.expectation(dict(string)) for string, c in operator)
        assert rho.expectation(operator) == pytest.approx(exact, abs=1e-13)
        assert rho.expectation(operator) == pytest.approx(state.expectation(operator), abs=1e-13)


def test_purity_and_entropies():
    L = 3
    mixed = DensityMatrix(np.eye(2**L) / 2**L)
    assert mixed.purity() == pytest.approx(2**-L)
    assert mixed.renyi2_entropy() == pytest.approx(L * np.log(2))
    assert mixed.von_neumann_entropy() == pytest.approx(L * np.log(2))
    half = DensityMatrix.pure(ghz_state(4)).reduced([1, 3])
    np.testing.assert_allclose(half.rho, np.diag([0.5, 0, 0, 0.5]), atol=1e-15)
    assert half.von_neumann_entropy() == pytest.approx(np.log(2), abs=1e-12)
    # one qubit of a W state: diag((L - 1)/L, 1/L)
    one = DensityMatrix.pure(w_state(4)).reduced([2])
    np.testing.assert_allclose(one.rho, np.diag([0.75, 0.25]), atol=1e-15)
    ordered = DensityMatrix.pure(product_state("01+")).reduced([2, 0])
    np.testing.assert_allclose(
        ordered.rho, DensityMatrix.pure(product_state("+0")).rho, atol=1e-15
    )


@pytest.mark.parametrize("p", [0.0, 0.1, 0.75])
def test_depolarised_ghz(p):
    """Its Pauli products shrink by (1 - 4p/3)^weight, so fidelity and purity are sums of them."""
    L, shrink = 3, 1 - 4 * p / 3
    noisy = DensityMatrix.pure(ghz_state(L)).depolarised(p)
    # the 8 stabilisers of 3 qubits: I; ZZ on 3 pairs; XXX and -XYY on 3 choices
    by_weight = {0: 1, 2: 3, 3: 4}
    fidelity = sum(n * shrink**w for w, n in by_weight.items()) / 2**L
    purity = sum(n * shrink ** (2 * w) for w, n in by_weight.items()) / 2**L
    assert noisy.fidelity_squared(ghz_state(L)) == pytest.approx(fidelity, abs=1e-13)
    assert noisy.fidelity_root(ghz_state(L)) == pytest.approx(np.sqrt(fidelity), abs=1e-13)
    assert noisy.purity() == pytest.approx(purity, abs=1e-13)
    assert noisy.renyi2_entropy() == pytest.approx(-np.log(purity), abs=1e-12)


def test_fidelity_of_mixed_states():
    """Of commuting states it is the classical one; of any, symmetric and not affected by turns."""
    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.2, 0.3, 0.4])
    a, b = DensityMatrix(np.diag(p)), DensityMatrix(np.diag(q))
    assert a.fidelity_root(b) == pytest.approx(np.sqrt(p * q).sum(), abs=1e-12)
    assert a.fidelity_squared(b) == pytest.approx(np.sqrt(p * q).sum() ** 2, abs=1e-12)
    assert a.trace_distance(b) == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)
    # one qubit: F = Tr(rho sigma) + 2 sqrt(det rho det sigma)
    bloch = [np.eye(2), PAULI["X"], PAULI["Y"], PAULI["Z"]]
    r, s = (np.tensordot(v, bloch, 1) / 2 for v in ([1, 0.3, 0.4, 0.1], [1, -0.2, 0.5, 0.6]))
    exact = np.trace(r @ s).real + 2 * np.sqrt(np.linalg.det(r).real * np.linalg.det(s).real)
    assert DensityMatrix(r).fidelity_squared(DensityMatrix(s)) == pytest.approx(exact, abs=1e-12)
    assert DensityMatrix(s).fidelity_squared(DensityMatrix(r)) == pytest.approx(exact, abs=1e-12)
    # Fuchs and Caves: no measurement tells the states further apart than the root fidelity allows
    other = MIXED.depolarised(0.3)
    P, Q = (BornMixed(x, "tetrahedral").log_prob(strings(4, 3)) for x in (MIXED, other))
    assert MIXED.fidelity_root(other) <= np.exp((P + Q) / 2).sum() < 1


@pytest.mark.parametrize("name", [*names(), "noisy"])
def test_outcomes_against_brute_force(name):
    frame = depolarised("pauli-4", 0.1) if name == "noisy" else povm(name)
    born = BornMixed(MIXED, frame)
    log_p = born.log_prob(strings(frame.K, 3))
    exact = enumerated(MIXED.rho, frame, 3)
    np.testing.assert_allclose(np.exp(log_p), exact, atol=1e-14)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)


def test_pure_states_agree_with_born():
    state = random_mps(6, 4, 4)
    x = Born(state, "pauli-6").sample(3000, 1)
    for frame in ("pauli-6", "pauli-4", depolarised("trine", 0.2)):
        of = povm(frame).K if isinstance(frame, str) else frame.K
        mixed = BornMixed(DensityMatrix.pure(state), frame)
        np.testing.assert_allclose(
            mixed.log_prob(x % of), Born(state, frame).log_prob(x % of), atol=1e-9
        )


def test_impossible_outcomes():
    born = BornMixed(DensityMatrix.pure(ghz_state(3)), "computational")
    log_p = born.log_prob(strings(2, 3))
    np.testing.assert_allclose(log_p[[0, 7]], np.log(0.5), atol=1e-12)
    assert np.all(log_p[1:7] == -np.inf)
    x = born.sample(5000, 1)
    assert set(x.sum(axis=1).tolist()) == {0, 3}
    never = POVM("trivial", [np.zeros((2, 2)), np.eye(2)], ("never", "always"))
    assert np.all(BornMixed(MIXED, never).sample(100, 1) == 1)


def test_it_is_a_density_with_the_interface_of_born():
    torch = pytest.importorskip("torch")
    born = BornMixed(MIXED, "pauli-4")
    assert isinstance(born, Density)
    assert (born.event_shape, born.support.K) == ((3,), 4)
    x, log_p = born.sample_and_log_prob(9000, Stream(5))
    assert (x.dtype, x.shape) == (np.uint8, (9000, 3))
    np.testing.assert_array_equal(born.sample(8500, 5), x[:8500])
    np.testing.assert_array_equal(born.log_prob(x), log_p)
    assert not np.array_equal(born.sample(100, Stream(5).at(1)), x[:100])
    np.testing.assert_array_equal(born.log_prob(x.reshape(5, 1800, 3)).ravel(), log_p)
    assert born.log_prob(x[0]).shape == ()
    assert born.log_prob(torch.from_numpy(x[:3])).dtype == torch.float64
    with pytest.raises(InputError, match=r"0\.\.3"):
        born.log_prob(np.full((2, 3), 4))
    with pytest.raises(InputError, match="n must be"):
        born.sample(0, 1)


def test_batches_do_not_change_the_draws(monkeypatch):
    """Many outcomes are handled in smaller batches; the draws belong to their own uniforms."""
    born = BornMixed(MIXED, "pauli-6")
    x, log_p = born.sample_and_log_prob(1500, 1)
    monkeypatch.setattr("physgen.quantum.born_mixed._MAX_ENTRIES", 100)
    assert born._batch < 100
    np.testing.assert_array_equal(born.sample(1500, 1), x)
    np.testing.assert_allclose(born.log_prob(x), log_p, atol=1e-13)


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["pauli-4", "pauli-6", "trine"])
def test_sampler_against_brute_force(name):
    frame = povm(name)
    exact = enumerated(MIXED.rho, frame, 3)

    def p_value(state, n, seed):
        x = BornMixed(state, frame).sample(n, seed)
        return chi_square_p(np.bincount(x @ frame.K ** np.arange(2, -1, -1)), exact)

    assert accepts(lambda n, seed: p_value(MIXED, n, seed), 20_000)
    # saboteur: the same sites in reverse order
    mirrored = MIXED.reduced([2, 1, 0])
    assert not accepts(lambda n, seed: p_value(mirrored, n, seed), 20_000)


def test_bad_density_matrices(tmp_path):
    for bad, message in (
        (np.eye(3) / 3, r"shape \(2\*\*L, 2\*\*L\)"),
        (np.ones(4), r"got \(4,\)"),
        (np.eye(2**11) / 2**11, r"L = 1\.\.10"),
        ([[0.5, 1], [0, 0.5]], "Hermitian, got 1 off"),
        (np.eye(2), "trace 1, got 2; divide it by that"),
        (np.diag([1.2, -0.2]), r"positive, got an eigenvalue -0\.2"),
        (np.full((2, 2), np.nan), "finite"),
    ):
        with pytest.raises(InputError, match=message):
            DensityMatrix(bad)
    with pytest.raises(InputError, match="probabilities that sum to 1"):
        DensityMatrix.mixture([0.5, 0.6], [product_state("0"), product_state("1")])
    with pytest.raises(InputError, match=r"same L, got \[1, 2\]"):
        DensityMatrix.mixture([0.5, 0.5], [product_state("0"), product_state("11")])
    with pytest.raises(InputError, match=r"different and in 0\.\.2, got \[1, 1\]"):
        MIXED.reduced([1, 1])
    with pytest.raises(InputError, match=r"site must be in 0\.\.2, got 3"):
        MIXED.expectation({3: "Z"})
    with pytest.raises(InputError, match="not zero"):
        DensityMatrix.pure(np.zeros(4))
    np.save(tmp_path / "rho.npy", MIXED.rho)
    np.testing.assert_array_equal(DensityMatrix.load(tmp_path / "rho.npy").rho, MIXED.rho)
    np.save(tmp_path / "rho.npy", 2 * MIXED.rho)
    with pytest.raises(InputError, match=r"trace 1, got 2; .*in .*rho\.npy"):
        DensityMatrix.load(tmp_path / "rho.npy")
    np.savez(tmp_path / "two.npz", a=MIXED.rho, b=MIXED.rho)
    with pytest.raises(InputError, match="one array, a density matrix, got a, b"):
        DensityMatrix.load(tmp_path / "two.npz")


@pytest.mark.skipif(not (DATA / "ghz6_target_dm.npy").exists(), reason="needs the shared data")
def test_the_six_qubit_target_is_a_ghz_state():
    rho = DensityMatrix.load(DATA / "ghz6_target_dm.npy")
    assert rho.fidelity_squared(ghz_state(6)) == pytest.approx(1, abs=1e-10)
    assert rho.purity() == pytest.approx(1, abs=1e-10)
