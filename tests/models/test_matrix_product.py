"""Matrix product models against dense states: distribution, symmetries, and what they learn."""

import itertools

import numpy as np
import pytest
import torch
from helpers.marks import slow
from helpers.statistics import accepts, chi_square_p

from physgen import models
from physgen.core.errors import InputError
from physgen.models import MatrixProduct, mean_spin
from physgen.quantum import (
    MPS,
    POVM,
    TFIM,
    Born,
    BornMixed,
    PauliSum,
    SitePOVM,
    depolarised,
    ghz_state,
    ground_state,
    povm,
    read_out,
    w_state,
)
from physgen.training import NegativeLogLikelihood, fit, recipe
from physgen.validation import exact_divergences

REAL = {"complex_valued": False}
OPTIONS = {
    "free": REAL,
    "reflected": REAL | {"reflection": True},
    "parity": REAL | {"parity": "X"},
    "odd parity": REAL | {"parity": "-X"},
    "parity of Z, reflected": REAL | {"parity": "Z", "reflection": True},
    "smooth": {"profile": "smooth"},
    "smooth, reflected, parity": {"profile": "smooth", "reflection": True, "parity": "X"},
    "smooth, odd parity of Z": {"profile": "smooth", "parity": "-Z"},
    "two-site cell": {"profile": "smooth", "cell": 2, "reflection": True},
    "purified": REAL | {"kraus": 2},
    "purified by two": REAL | {"kraus": 4, "bond": 3},
    "complex": {},
    "complex, purified": {"kraus": 2, "bond": 3},
    "complex, reflected, parity": {"reflection": True, "parity": "X"},
    "complex, purified, smooth": {
        "complex_valued": True,
        "kraus": 2,
        "parity": "X",
        "profile": "smooth",
    },
}


def make(L, name, frame="pauli-4"):
    model = MatrixProduct(L, frame, **({"bond": 4} | OPTIONS[name]), rng=3)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():  # far from the product state of a fresh start
        for parameter in model.parameters():
            parameter.add_(0.7 * torch.randn(parameter.shape, generator=generator))
    return model


def strings(K, L):
    return np.array(list(itertools.product(range(K), repeat=L)), dtype=np.uint8)


@pytest.mark.parametrize("L", [2, 3, 4])
@pytest.mark.parametrize("name", OPTIONS)
def test_it_is_the_born_distribution_of_its_state(L, name):
    model, x = make(L, name), strings(4, L)
    q = np.exp(model.log_prob(x))
    assert q.sum() == pytest.approx(1, abs=1e-12)
    truth = np.exp(BornMixed(model.density_matrix(), "pauli-4").log_prob(x))
    np.testing.assert_allclose(q, truth, atol=1e-13)
    assert q.std() > 1e-3
    with torch.no_grad():  # float32, of the training
        np.testing.assert_allclose(model(torch.from_numpy(x)).exp().numpy(), q, atol=2e-6)


@pytest.mark.parametrize("name", [n for n, o in OPTIONS.items() if o.get("reflection")])
def test_reflection_is_exact_and_not_there_unasked(name):
    for L in (4, 5):
        model, x = make(L, name), strings(4, L)
        here, there = np.exp(model.log_prob(x)), np.exp(model.log_prob(x[:, ::-1].copy()))
        np.testing.assert_allclose(here, there, atol=1e-13)
    plain = make(4, "free").log_prob(strings(4, 4)[5:200])
    assert abs(plain - make(4, "free").log_prob(strings(4, 4)[5:200, ::-1].copy())).max() > 0.1


@pytest.mark.parametrize("name", [n for n, o in OPTIONS.items() if "parity" in o])
def test_parity_is_exact(name):
    sign = -1 if OPTIONS[name]["parity"].startswith("-") else 1
    pauli = OPTIONS[name]["parity"][-1]
    model = make(5, name)
    assert model.expectation(dict.fromkeys(range(5), pauli)) == pytest.approx(sign, abs=1e-12)
    free = make(5, "free").expectation(dict.fromkeys(range(5), "X"))
    assert abs(free) < 0.99


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["purified", "complex", "smooth, reflected, parity"])
def test_samples_follow_the_distribution(name):
    model = make(3, name)
    q = np.exp(model.log_prob(strings(4, 3)))

    def p_value(n, seed, expected=q):
        drawn = model.sample(n, seed).numpy().astype(int)
        return chi_square_p(np.bincount(drawn @ [16, 4, 1], minlength=64), expected)

    assert accepts(p_value, 20_000)
    # Saboteur: the mirror image, or another state where that is the same.
    other = np.exp(make(3, "free").log_prob(strings(4, 3)))
    assert not accepts(lambda n, s: p_value(n, s, other), 20_000)


def test_a_pure_model_is_its_purification():
    model = make(4, "free")
    state = model.purification()
    assert (state.L, model.sites_per_qubit) == (4, 1)
    x = strings(4, 4)
    np.testing.assert_allclose(Born(state, "pauli-4").log_prob(x), model.log_prob(x), atol=1e-9)
    mixed = make(4, "purified")
    assert mixed.purification().L == 8
    assert mixed.density_matrix().purity() < 0.9
    rho = mixed.density_matrix()
    value = mixed.expectation({1: "Z", 2: "X"})
    assert value == pytest.approx(rho.expectation({1: "Z", 2: "X"}), abs=1e-12)
    operator = PauliSum.parse("0.5 + sum XX + YY + ZZ", mixed.L)
    assert mixed.expectation(operator) == pytest.approx(rho.expectation(operator), abs=1e-12)


def learned(frame, shots, L, seed=1, **options):
    model = MatrixProduct(L, frame, **options, spin=mean_spin(shots, frame), rng=seed)
    fit(model, NegativeLogLikelihood(shots, rng=seed), recipe("mps"), rng=seed)
    return model


@pytest.mark.statistical
def test_it_learns_a_ground_state_and_the_wrong_order_of_outcomes_is_no_state():
    chain, frame = TFIM(6), povm("pauli-4")
    truth = Born(ground_state(chain, chi_max=16), frame)
    shots = truth.sample(4000, 2)
    found = learned(frame, shots, 6, reflection=True, complex_valued=False)
    divergence = float(exact_divergences(found, truth).kl_forward)
    assert divergence < 0.006  # 448 weights, fewer that count, of 3,800 shots
    energy = found.purification().energy(chain)
    assert chain.ground_state_energy() - 1e-9 <= energy < chain.ground_state_energy() + 0.15
    # Saboteur: Z+ and X+ exchanged.  That is another state of the chain, but not this one.
    swapped = learned(frame, np.array([1, 0, 2, 3], np.uint8)[shots], 6, reflection=True)
    assert float(exact_divergences(swapped, truth).kl_forward) > 0.3


@pytest.mark.slow
@pytest.mark.statistical
def test_a_purified_model_learns_mixed_data_that_a_pure_one_cannot():
    frame = povm("tetrahedral")
    noisy = Born(ghz_state(4), depolarised(frame, 0.25))
    shots = noisy.sample(6000, 3)
    kl = {
        kraus: float(exact_divergences(learned(frame, shots, 4, kraus=kraus), noisy).kl_forward)
        for kraus in (1, 2)
    }
    assert kl[2] < 0.02 < 0.05 < kl[1]
    # With the noise in the elements a pure state does it.
    assert (
        float(exact_divergences(learned(depolarised(frame, 0.25), shots, 4), noisy).kl_forward)
        < 0.012
    )


def test_complex_states_have_a_y():
    plus_y = MPS([np.array([[[1.0], [1.0j]]])] * 3)
    frame = povm("pauli-6")
    shots = Born(plus_y, frame).sample(3000, 1)
    assert learned(frame, shots, 3, bond=2).expectation({1: "Y"}) > 0.95
    real = learned(frame, shots, 3, bond=2, complex_valued=False)
    assert real.expectation({1: "Y"}) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    "state", [slow(ghz_state(6)), ghz_state(6, phase=np.pi / 2), slow(w_state(6))]
)
def test_entangled_states_are_found_from_every_start(state):
    """Complex tensors do not get stuck; real ones do, which is why they are not the default."""
    frame = povm("pauli-6")
    shots = Born(state, frame).sample(3000, 1)
    for seed in (1, 2):
        found = learned(frame, shots, 6, seed=seed).purification()
        assert abs(found.overlap(state)) ** 2 > 0.97


def test_mean_spin_points_along_the_shots():
    frame = povm("pauli-6")
    down = Born(MPS([np.array([[[0.0], [1.0]]])] * 4), frame).sample(2000, 1)
    a, b = mean_spin(down, frame)
    assert a**2 - b**2 == pytest.approx(-1, abs=0.02)
    assert mean_spin(Born(ghz_state(4), frame).sample(4000, 1), frame) == (1.0, 1.0)


def test_own_povms_are_kept():
    frame = depolarised("pauli-6", 0.1)
    model = models.build({"family": "mps", "L": 3, "povm": frame, "bond": 2}, rng=1)
    again = models.from_dataset(models.to_dataset(model))
    assert again.povm.name == frame.name
    x = strings(6, 3)
    np.testing.assert_allclose(again.log_prob(x), model.log_prob(x), atol=1e-12)


def read_out_of(L, seed=1):
    """pauli-6 with the readout errors of each qubit, from 1 to 30 %."""
    e01, e10 = np.random.default_rng(seed).uniform(0.01, 0.3, (2, L))
    return read_out("pauli-6", np.array([[[1 - a, b], [a, 1 - b]] for a, b in zip(e01, e10)]))


@pytest.mark.parametrize("name", ["free", "parity", "complex, purified", "purified by two"])
def test_one_povm_a_site_is_in_the_likelihood(name):
    """Against all strings; the gradient, against a difference; after a round trip to a file."""
    frame, x = read_out_of(3), strings(6, 3)
    model = make(3, name, frame)
    q = np.exp(model.log_prob(x))
    exact = np.exp(BornMixed(model.density_matrix(), frame).log_prob(x))
    np.testing.assert_allclose(q, exact, atol=1e-13)
    assert q.sum() == pytest.approx(1, abs=1e-12)
    mean = np.exp(BornMixed(model.density_matrix(), frame.sites[1]).log_prob(x))
    assert abs(mean - q).max() > 1e-4  # saboteur: the elements of one site for all
    again = models.from_dataset(models.to_dataset(model))
    np.testing.assert_allclose(again.log_prob(x), model.log_prob(x), atol=1e-12)

    double, shots = make(3, name, frame).double(), torch.from_numpy(x[5:40])
    weights = double.tensors.weights
    double(shots).mean().backward()
    with torch.no_grad():
        at = tuple(
            int(i) for i in np.unravel_index(int(weights.grad.abs().argmax()), weights.shape)
        )
        values = []
        for step in (1e-5, -2e-5):
            weights[at] += step
            values.append(float(double(shots).mean()))
    assert float(weights.grad[at]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)


@pytest.mark.statistical
def test_samples_of_one_povm_a_site_follow_the_distribution():
    frame = read_out_of(3)
    model = make(3, "complex, purified", frame)
    q = np.exp(model.log_prob(strings(6, 3)))

    def p_value(n, seed, expected=q):
        drawn = model.sample(n, seed).numpy().astype(int)
        return chi_square_p(np.bincount(drawn @ [36, 6, 1], minlength=216), expected)

    assert accepts(p_value, 20_000)
    swapped = SitePOVM("swapped", frame.sites[::-1])  # saboteur
    wrong = np.exp(BornMixed(model.density_matrix(), swapped).log_prob(strings(6, 3)))
    assert not accepts(lambda n, s: p_value(n, s, wrong), 20_000)


@pytest.mark.statistical
def test_a_fit_to_one_povm_a_site_is_as_near_as_its_shots_allow():
    """The divergence of a fit of f free numbers to n shots is about f / 2n; 14 of a pure state."""
    frame, n = read_out_of(3), 3000
    truth = Born(ghz_state(3), frame)
    found = learned(frame, truth.sample(n, 2), 3, bond=2)
    assert float(exact_divergences(found, truth).kl_forward) < 3 * 14 / (2 * n)
    assert found.density_matrix().fidelity_squared(ghz_state(3)) > 0.9
    # Saboteur: the mean readout error for all.
    mean = POVM.from_elements("mean", frame.elements.mean(axis=0), frame.outcomes)
    wrong = learned(mean, truth.sample(n, 2), 3, bond=2)
    assert float(exact_divergences(wrong, truth).kl_forward) > 3 * 14 / (2 * n)


def test_mean_spin_of_one_povm_a_site():
    frame = read_out_of(3)
    down = Born(MPS([np.array([[[0.0], [1.0]]])] * 3), frame).sample(4000, 1)
    a, b = mean_spin(down, frame)
    assert a**2 - b**2 == pytest.approx(-1, abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"povm": read_out_of(3)}, "povm must be of 4 sites, got .* of 3"),
        ({"bond": 0}, "bond must be a positive integer"),
        ({"kraus": 3}, "kraus must be 1, 2 or 4"),
        ({"profile": "flat"}, "profile must be one of 'free', 'smooth'"),
        ({"cell": 2}, "cell must be 1 where every site has its own tensor"),
        ({"parity": "Y"}, "parity must be one of"),
        ({"parity": "-X", "reflection": True}, "parity must be 'X' or 'Z' together with"),
        ({"parity": "X", "bond": 1}, "bond must be at least 2 with a parity"),
        ({"spin": (0, 0)}, "spin must be two numbers, not both 0"),
        ({"K": 6}, "K must be the 4 outcomes of pauli-4, got 6"),
        ({"L": 1, "reflection": True}, "L must be at least 2 for a reflection"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(InputError, match=message):
        MatrixProduct(**({"L": 4, "povm": "pauli-4"} | change))
