"""The Born distribution against dense enumeration, and its sampler against the distribution."""

from itertools import pairwise, product

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import accepts, chi_square_p, normal_p

from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.core.random import Stream
from physgen.quantum import (
    MPS,
    POVM,
    TFIM,
    Born,
    BornMixed,
    DensityMatrix,
    SitePOVM,
    depolarised,
    ground_state,
    povm,
)
from physgen.quantum.born import _Memory
from physgen.quantum.povm import names


@pytest.fixture(scope="module")
def critical():
    return ground_state(TFIM(50), chi_max=13)


def random_state(L, *, complex_valued, chi=4, seed=1):
    draw = Stream(seed).numpy().standard_normal
    bonds = [1, *[chi] * (L - 1), 1]
    shapes = [(a, 2, b) for a, b in pairwise(bonds)]
    return MPS([draw(s) + (1j * draw(s) if complex_valued else 0) for s in shapes])


def strings(K, L):
    return np.array(list(product(range(K), repeat=L)), dtype=np.uint8)


def enumerated(state, frame):
    """P of every string by brute force: <psi| M_a1 x ... x M_aL |psi>."""
    psi = state.to_dense()
    psi = psi / np.linalg.norm(psi)
    rho = np.outer(psi, psi.conj()).reshape((2,) * (2 * state.L))
    for site in range(state.L):  # contract one ket and one bra index, append one outcome index
        rho = np.tensordot(rho, frame.elements, axes=((0, state.L - site), (2, 1)))
    return rho.real.ravel()


# The Born rule must hold for noise as well: depolarised elements have rank 2, all of them.
NOISY = POVM(
    "noisy",
    0.8 * povm("tetrahedral").elements + 0.2 * np.eye(2) / 4,
    povm("tetrahedral").outcomes,
)
FRAMES = [*(povm(name) for name in names()), NOISY]


@pytest.mark.parametrize("complex_valued", [False, True])
@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_log_prob_against_enumeration(frame, complex_valued):
    L = 4 if frame.K == 6 else 5
    state = random_state(L, complex_valued=complex_valued)
    log_p = Born(state, frame).log_prob(strings(frame.K, L))
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.exp(log_p), enumerated(state, frame), atol=1e-14)
    np.testing.assert_allclose(log_p, np.log(enumerated(state, frame)), atol=1e-10)


def test_log_prob_of_a_ground_state_to_1e_12():
    state = ground_state(TFIM(6))
    for frame in (povm("pauli-4"), povm("tetrahedral"), NOISY):
        log_p = Born(state, frame).log_prob(strings(4, 6))
        np.testing.assert_allclose(log_p, np.log(enumerated(state, frame)), atol=1e-12)


@pytest.mark.slow
def test_vector_and_matrix_form_agree_at_50_sites(critical):
    born = Born(critical, "tetrahedral")
    x = born.sample(300, 1)
    vector = born.log_prob(x)
    padded = np.ascontiguousarray(np.pad(x, ((0, 20), (0, 0))).T)
    p = born._matrix_block(padded, _Memory())
    np.testing.assert_allclose(vector, np.log(p[:, :300]).sum(axis=0), atol=1e-11)


def test_impossible_outcomes_have_minus_infinity_and_are_never_drawn():
    plus = np.full((1, 2, 1), np.sqrt(0.5))
    born = Born(MPS([plus] * 4), "pauli-6")
    assert born.log_prob(np.array([[0, 1, 4, 1], [0, 1, 1, 1]]))[0] == -np.inf
    x = born.sample(20000, 3)
    assert np.all(np.isfinite(born.log_prob(x)))
    assert not np.any(x == 4)


def test_an_outcome_that_never_happens():
    never = POVM("trivial", [np.zeros((2, 2)), np.eye(2)], ("never", "always"))
    born = Born(random_state(3, complex_valued=False), never)
    assert np.all(born.sample(100, 1) == 1)
    log_p = born.log_prob(strings(2, 3))
    assert log_p[-1] == pytest.approx(0, abs=1e-12)
    assert np.all(log_p[:-1] == -np.inf)


def test_shapes_kinds_and_protocol():
    torch = pytest.importorskip("torch")
    born = Born(ground_state(TFIM(6)), "tetrahedral")
    assert isinstance(born, Density)
    assert born.event_shape == (6,)
    assert born.support.K == 4
    x = born.sample(10, 1)
    assert (x.dtype, x.shape) == (np.uint8, (10, 6))
    log_p = born.log_prob(x)
    np.testing.assert_array_equal(born.log_prob(x.reshape(2, 5, 6)).ravel(), log_p)
    assert born.log_prob(x[0]).shape == ()
    as_torch = born.log_prob(torch.from_numpy(x))
    assert as_torch.dtype == torch.float64
    np.testing.assert_array_equal(as_torch.numpy(), log_p)


def test_samples_depend_on_stream_and_index_alone():
    born = Born(ground_state(TFIM(8)), "pauli-4")
    x = born.sample(3000, Stream(5))
    np.testing.assert_array_equal(born.sample(1100, 5), x[:1100])
    drawn, log_p = born.sample_and_log_prob(3000, 5)
    np.testing.assert_array_equal(drawn, x)
    np.testing.assert_array_equal(log_p, born.log_prob(x))
    for other in (Stream(6), Stream(5).at(1), Stream(5).child("born")):
        assert not np.array_equal(born.sample(100, other), x[:100])


def test_pauli_4_is_pauli_6_merged():
    state = ground_state(TFIM(8))
    fine, coarse = Born(state, "pauli-6").sample(2000, 1), Born(state, "pauli-4").sample(2000, 1)
    np.testing.assert_array_equal(np.minimum(fine, 3), coarse)


@pytest.mark.statistical
@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
@pytest.mark.parametrize("complex_valued", [False, True])
def test_sampler_against_enumeration(frame, complex_valued):
    state = random_state(3, complex_valued=complex_valued, chi=2)
    exact = enumerated(state, frame)
    radix = frame.K ** np.arange(2, -1, -1)

    def p_value(n, seed, order=None):
        x = Born(state, frame).sample(n, seed)
        x = x if order is None else order[x]
        return chi_square_p(np.bincount(x @ radix, minlength=exact.size), exact)

    assert accepts(p_value, 40_000)
    # saboteur: the same draws with two outcomes exchanged
    swapped = np.arange(frame.K, dtype=np.uint8)
    swapped[[0, 1]] = 1, 0
    assert not accepts(lambda n, seed: p_value(n, seed, swapped), 40_000)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "entropy", "error"),
    [slow("tetrahedral", 1.2510, 0.0005), slow("pauli-4", 1.2884, 0.0007)],
)
def test_entropy_at_50_sites(critical, name, entropy, error):
    """Nats a site of the critical chain, known from an independent contraction."""

    def p_value(state, n, seed):
        born = Born(state, name)
        log_p = born.log_prob(born.sample(n, seed)) / 50
        return normal_p((-log_p.mean() - entropy) / np.hypot(error, log_p.std() / np.sqrt(n)))

    assert accepts(lambda n, seed: p_value(critical, n, seed), 4000)
    wrong_field = ground_state(TFIM(50, h=2), chi_max=8)
    assert not accepts(lambda n, seed: p_value(wrong_field, n, seed), 4000)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "n"), [slow("pauli-4", 8000), slow("pauli-6", 3000), slow("tetrahedral", 3000)]
)
def test_last_of_20_outcomes_follows_the_other_19(name, n):
    """-log p(a_20 | a_1 .. a_19) minus its own entropy has mean zero, whatever came before.

    Energy and correlators hardly see a wrong Y coefficient in the sampler; this does.
    """
    state = ground_state(TFIM(20), chi_max=12)
    born, saboteur = Born(state, name), Born(state, name)
    ((vectors, coefficients, owner),) = born._parts
    saboteur.__dict__["_parts"] = [(vectors, coefficients * [1, 1, -1, 1], owner)]

    def p_value(sampler, n, seed):
        x = sampler.sample(n, seed)
        every_last = np.repeat(x[:, None], born.povm.K, axis=1)
        every_last[:, :, -1] = np.arange(born.povm.K)
        p = np.exp(born.log_prob(every_last))
        p /= p.sum(axis=1, keepdims=True)
        log_p = np.log(np.maximum(p, 1e-300))
        score = (p * log_p).sum(axis=1) - log_p[np.arange(n), x[:, -1]]
        return normal_p(score.mean() / score.std() * np.sqrt(n))

    assert accepts(lambda n, seed: p_value(born, n, seed), n)
    assert not accepts(lambda n, seed: p_value(saboteur, n, seed), n)


def test_bad_input():
    born = Born(ground_state(TFIM(4)), "pauli-4")
    with pytest.raises(InputError, match=r"0\.\.3"):
        born.log_prob(np.full((2, 4), 4))
    with pytest.raises(InputError, match="shape"):
        born.log_prob(np.zeros((2, 5), int))
    with pytest.raises(InputError, match="n must be"):
        born.sample(0, 1)
    with pytest.raises(InputError, match="povm must be"):
        Born(ground_state(TFIM(4)), "sic")


def test_a_matrix_is_not_taken_for_amplitudes():
    """Of four qubits: 16 amplitudes, or a matrix of 16 x 16 numbers."""
    rho, psi = np.eye(16) / 16, np.full(16, 0.25)
    mixed = DensityMatrix(rho)
    for wrong, says in (
        (lambda: MPS.from_dense(rho), r"length 2\*\*L, .* got \(16, 16\)"),
        (lambda: DensityMatrix(psi), r"shape \(2\*\*L, 2\*\*L\), .* got \(16,\)"),
        (lambda: DensityMatrix.pure(rho), r"state vector must .* shape \(16, 16\)"),
        (lambda: Born(rho, "pauli-4"), r"takes an MPS, got an array \(16, 16\)"),
        (lambda: Born(mixed, "pauli-4"), "takes an MPS, got DensityMatrix; .* BornMixed"),
        (lambda: BornMixed(rho, "pauli-4"), r"takes a DensityMatrix, got an array \(16, 16\)"),
        (lambda: BornMixed(psi, "pauli-4"), r"takes a DensityMatrix, got an array \(16,\)"),
        (lambda: mixed.fidelity_squared(psi[:8]), r"\(16,\) or .* \(16, 16\), got shape \(8,\)"),
    ):
        with pytest.raises(InputError, match=says):
            wrong()
    # Either is a state for a fidelity, and they are not confused.
    assert mixed.fidelity_squared(rho) == pytest.approx(1)
    assert mixed.fidelity_squared(psi) == pytest.approx(1 / 16)


@pytest.mark.statistical
def test_one_povm_a_site_is_in_the_distribution_and_in_its_draws():
    """Ranks one, two and one: the vector form where all are of rank one, else matrices."""
    state, x = random_state(3, complex_valued=True), strings(6, 3)
    rho = DensityMatrix.pure(state)
    turned = np.array([[1, 1j], [1j, 1]]) / np.sqrt(2)
    plain = povm("pauli-6")
    own = POVM("turned", turned @ plain.elements @ turned.conj().T, plain.outcomes)
    for middle in (own, depolarised("pauli-6", 0.2)):
        frame = SitePOVM("mine", [plain, middle, own])
        exact = np.exp(BornMixed(rho, frame).log_prob(x))
        born = Born(state, frame)
        np.testing.assert_allclose(np.exp(born.log_prob(x)), exact, atol=1e-13)

        def p_value(n, seed, expected=exact, born=born):
            drawn = born.sample(n, seed).astype(int)
            return chi_square_p(np.bincount(drawn @ [36, 6, 1], minlength=216), expected)

        assert accepts(p_value, 20_000)
        # Saboteur: the measurements of two sites are exchanged.
        other = SitePOVM("mine", [own, middle, plain])
        wrong = np.exp(BornMixed(rho, other).log_prob(x))
        assert not accepts(lambda n, s, wrong=wrong, p=p_value: p(n, s, wrong), 20_000)
