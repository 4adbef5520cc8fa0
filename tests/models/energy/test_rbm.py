"""Restricted Boltzmann machines: every sum and integral over hidden units, done by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p, within

from physgen import models
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import EnergyModel, Target
from physgen.core.random import Stream
from physgen.exact import rbm as exact
from physgen.models.energy.rbm import RBM
from physgen.models.io import from_dataset, to_dataset
from physgen.samplers import BlockGibbs
from physgen.targets import Ising, Phi4
from physgen.targets.configurations import Configurations

VISIBLE = {
    "spins": {"visible": "spins"},
    "bits": {"visible": "outcomes", "K": 2},
    "outcomes": {"visible": "outcomes", "K": 3},
    "reals": {"visible": "reals", "scale": 0.7},
}
HIDDEN = ("spin", "binary", "gaussian")
KINDS = list(itertools.product(VISIBLE, HIDDEN))
DISCRETE = [kind for kind in KINDS if kind[0] != "reals"]
every_kind = pytest.mark.parametrize(("visible", "hidden"), KINDS)
every_discrete = pytest.mark.parametrize(("visible", "hidden"), DISCRETE)


def make(visible="spins", hidden="spin", n=4, n_hidden=3, size=0.5, **options):
    """Return a machine in float64 with weights and biases that show every error."""
    options = {"shape": (n,), "n_hidden": n_hidden, **VISIBLE[visible], **options}
    model = RBM(hidden=hidden, **options).double()
    draw = np.random.default_rng(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(size * draw.standard_normal(parameter.shape)))
        if (visible, hidden) == ("reals", "gaussian"):
            model.W *= 0.6 / np.linalg.norm(model._scaled(), 2)
    return model


def states(values, n):
    return np.array(list(itertools.product(values, repeat=n)))


def visible_states(visible, n=4):
    return {
        "spins": states((-1, 1), n).astype(np.int8),
        "bits": states((0, 1), n).astype(np.uint8),
        "outcomes": states((0, 1, 2), n).astype(np.uint8),
    }[visible]


def rows(visible, v):
    """Return visible units as the rows of W count them."""
    return np.eye(3)[v].reshape(len(v), -1) if visible == "outcomes" else v.astype(np.float64)


def numbers(model):
    return [t.detach().numpy() for t in (model.W, model.visible_bias, model.hidden_bias)]


def log_sum_over_hidden(model, visible, hidden, v):
    """Return log sum_h e^{-E(v, h)} with the joint energy written out; a grid for real h."""
    W, a, b = numbers(model)
    grid = np.linspace(-14, 14, 141)
    values = {"spin": (-1, 1), "binary": (0, 1), "gaussian": grid}[hidden]
    total = np.zeros(len(v))
    u = rows(visible, v)
    square = 0.5 * ((v / model.width.numpy()) ** 2).sum(1) if visible == "reals" else 0.0
    for j in range(len(b)):  # hidden units are independent given v: one sum a unit
        h = np.array(values, float)
        minus_E = (b[j] + u @ W[:, j])[:, None] * h
        if hidden == "gaussian":
            minus_E = minus_E - h**2 / 2 + np.log(grid[1] - grid[0])
        total += np.logaddexp.reduce(minus_E, axis=1)
    return total + u @ a - square


@every_kind
def test_free_energy_is_the_sum_over_hidden_units(visible, hidden):
    model = make(visible, hidden)
    assert isinstance(model, Target)
    assert isinstance(model, EnergyModel)
    if visible == "reals":
        v = 0.8 * np.random.default_rng(1).standard_normal((20, 4))
    else:
        v = visible_states(visible)
    expected = -log_sum_over_hidden(model, visible, hidden, v)
    np.testing.assert_allclose(model.action(v), expected, atol=1e-11)
    # Sums over all hidden states at once, not unit by unit: the joint energy itself.
    if hidden != "gaussian":
        W, a, b = numbers(model)
        h = states((-1, 1) if hidden == "spin" else (0, 1), 3)
        u = rows(visible, v)
        minus_E = (u @ a)[:, None] + h @ b + u @ W @ h.T
        if visible == "reals":
            minus_E -= 0.5 * ((v / model.width.numpy()) ** 2).sum(1)[:, None]
        np.testing.assert_allclose(-np.logaddexp.reduce(minus_E, 1), expected, atol=1e-12)


@every_kind
def test_log_z_against_brute_force(visible, hidden):
    model = make(visible, hidden, n=2 if visible == "reals" else 4)
    if visible == "reals":
        x = np.linspace(-16, 16, 321)
        v = np.stack(np.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
        weight = 2 * np.log(x[1] - x[0])
    else:
        v, weight = visible_states(visible), 0.0
    expected = np.logaddexp.reduce(-model.action(v)) + weight
    assert model.log_z_exact() == pytest.approx(expected, abs=1e-10)
    # Independent sites: the same machine without W.
    assert model.tempered(0.0).log_z_exact() == pytest.approx(
        model.tempered(0.0).log_z_independent(), abs=1e-12
    )


def test_log_z_is_the_same_from_either_layer_and_refuses_two_large_ones(monkeypatch):
    model = make("spins", "spin", n=9, n_hidden=6)
    W, a, b = numbers(model)
    swapped = RBM((6,), n_hidden=9).double()
    with torch.no_grad():
        swapped.W.copy_(torch.tensor(W.T))
        swapped.visible_bias.copy_(torch.tensor(b))
        swapped.hidden_bias.copy_(torch.tensor(a))
    assert model.log_z_exact() == pytest.approx(swapped.log_z_exact(), abs=1e-12)
    brute = np.logaddexp.reduce(-model.action(states((-1, 1), 9)))
    assert model.log_z_exact() == pytest.approx(brute, abs=1e-12)
    monkeypatch.setattr(exact, "_BLOCK", 50)  # 5 states at once, so 13 blocks
    assert model.log_z_exact() == pytest.approx(brute, abs=1e-12)
    with pytest.raises(InputError, match=r"at most 2\^22 states, got 23 visible and 24 hidden"):
        RBM((23,), n_hidden=24).log_z_exact()


def test_units_of_other_conventions():
    """Spins and units 0 and 1: W differs by a factor 4 or 2; without it, it is another law."""
    spins = make("spins", "spin")
    W, a, b = numbers(spins)
    v = visible_states("spins")
    p = np.exp(-spins.action(v))
    p /= p.sum()

    def law(visible, hidden, W, a, b):
        model = make(visible, hidden)
        with torch.no_grad():
            for parameter, value in (
                (model.W, W),
                (model.visible_bias, a),
                (model.hidden_bias, b),
            ):
                parameter.copy_(torch.tensor(value))
        q = np.exp(-model.action(visible_states(visible)))
        return q / q.sum()

    both = (2 * (a - W.sum(1)), 2 * (b - W.sum(0)))
    np.testing.assert_allclose(law("bits", "binary", 4 * W, *both), p, atol=1e-14)
    one = (a - W.sum(1), 2 * b)  # hidden alone
    np.testing.assert_allclose(law("spins", "binary", 2 * W, *one), p, atol=1e-14)
    assert np.abs(law("bits", "binary", W, *both) - p).max() > 0.01  # saboteur
    # log Z counts states: a hidden unit without weights adds log 2 in both conventions.
    for hidden in ("spin", "binary"):
        assert RBM((2,), n_hidden=5, hidden=hidden).tempered(0.0).log_z_exact() == pytest.approx(
            7 * math.log(2)
        )


# --- transition matrices ------------------------------------------------------------------------


def conditionals(model, visible, hidden):
    """Return p(h | v) and p(v | h) as matrices, from the inputs of the units alone."""
    W, a, b = numbers(model)
    v, h = visible_states(visible), states((-1, 1) if hidden == "spin" else (0, 1), 3)
    u = rows(visible, v)

    def softmax(log_p):
        p = np.exp(log_p - log_p.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    return softmax((b + u @ W) @ h.T), softmax((a + h @ W.T) @ u.T)


@pytest.mark.parametrize(("visible", "hidden"), [k for k in DISCRETE if k[1] != "gaussian"])
def test_sweeps_leave_the_law_invariant_and_are_reversible(visible, hidden):
    model = make(visible, hidden)
    given_v, given_h = conditionals(model, visible, hidden)
    P = given_v @ given_h
    pi = np.exp(-model.action(visible_states(visible)))
    pi /= pi.sum()
    np.testing.assert_allclose(pi @ P, pi, atol=1e-12)
    three = np.linalg.matrix_power(P, 3)
    flow = pi[:, None] * three
    np.testing.assert_allclose(flow, flow.T, atol=1e-14)
    # Saboteur: temperature off by 5 %.
    hot, _ = conditionals(model.tempered(0.95), visible, hidden)
    assert np.abs(pi @ (hot @ given_h) - pi).max() > 1e-4


def index_of(visible, v):
    base = 3 if visible == "outcomes" else 2
    digits = (v + 1) // 2 if visible == "spins" else v
    return digits.astype(np.int64) @ base ** np.arange(3, -1, -1)


@pytest.mark.statistical
@every_discrete
@pytest.mark.parametrize("mode", ["philox", "fast", "torch"])
def test_exact_starts_stay_exact(visible, hidden, mode):
    """Draws of the law, moved, are draws of the law; at a temperature 5 % off they are not."""
    model, n_hidden = make(visible, hidden), 3
    v = visible_states(visible)
    pi = np.exp(-model.action(v))
    pi /= pi.sum()

    def p_value(moving):
        def test(n, seed):
            rng = Stream(seed)
            x = v[rng.child("start").numpy().choice(len(v), n, p=pi)]
            if mode == "torch":
                moved = in_torch(moving, x, 3, rng)
            else:
                chains = BlockGibbs(rng=mode).bind(moving)
                state, _ = chains.step(rng, chains.init(rng, n, x), 3)
                moved = chains.configurations(state)
            return chi_square_p(np.bincount(index_of(visible, moved), minlength=len(v)), pi)

        return test

    assert n_hidden == model.n_hidden
    assert accepts(p_value(model), 20_000)
    if (visible, hidden, mode) == ("spins", "spin", "philox"):
        assert not accepts(p_value(model.tempered(0.9)), 40_000)


def in_torch(model, x, n, rng):
    """Return x moved by the code of other devices."""
    from physgen.kernels.torch.units import sweeps

    W, _, a, b, width, _ = (torch.from_numpy(each) for each in model.kernel[1])
    rows = model._rows(model._batch(x), torch.float32).T
    moved = sweeps((W, a, b, width), model.units, rows, n, rng)
    return model._labels(moved).numpy()


@every_kind
def test_torch_and_compiled_sweeps_draw_the_same(visible, hidden):
    model = make(visible, hidden, n=21, n_hidden=13, size=0.2)
    x = model.hot(1, 70)
    a, b = model.moved(x, 4, Stream(3)), in_torch(model, x, 4, Stream(3))
    assert a.dtype == x.dtype
    if visible == "reals":
        np.testing.assert_allclose(a, b, atol=1e-4)
    else:
        np.testing.assert_array_equal(a, b)
    # A sweep is h given v, then v given h; fewer chains are the first chains.
    once = model.moved(x, 1, Stream(3))
    h = model.hidden_given(x, Stream(3))
    assert h.shape == (70, 13)
    np.testing.assert_allclose(model.visible_given(h, Stream(3)), once, atol=1e-4)
    np.testing.assert_allclose(model.moved(x[:20], 4, Stream(3)), a[:20], atol=1e-4)
    tensor = model.moved(torch.from_numpy(x), 4, Stream(3))
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(tensor.numpy(), a)


@pytest.mark.statistical
@pytest.mark.parametrize("hidden", HIDDEN)
def test_real_fields_have_the_moments_of_their_law(hidden):
    """<v> and <v v^T> by quadrature, of two real sites."""
    model = make("reals", hidden, n=2)
    x = np.linspace(-16, 16, 321)
    v = np.stack(np.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2)
    p = np.exp(-model.action(v) - model.log_z_exact()) * (x[1] - x[0]) ** 2
    assert p.sum() == pytest.approx(1, abs=1e-9)
    features = lambda v: np.stack([v[:, 0], v[:, 1], v[:, 0] ** 2, v[:, 0] * v[:, 1]], 1)  # noqa: E731
    exact = p @ features(v)
    sd = np.sqrt(p @ features(v) ** 2 - exact**2)
    n = 20_000

    def agree(moving):
        found = features(moving.moved(model.hot(1, n), 60, Stream(5)).astype(np.float64))
        return within(found.mean(0), exact, sd / math.sqrt(n), largest=0.05)

    assert agree(model)
    assert not agree(model.tempered(0.8))


def test_hidden_mean_belongs_to_the_last_v():
    """Saboteur: the negative phase with p(h | v) of the v before the last half step is biased."""
    model = make("spins", "spin")
    W, _, b = numbers(model)
    given_v, given_h = conditionals(model, "spins", "spin")
    v = visible_states("spins")
    for hidden, mean in (("spin", np.tanh), ("gaussian", lambda x: x)):
        other = make("spins", hidden)
        np.testing.assert_allclose(other.hidden_mean(v), mean(b + v @ W), atol=1e-12)
    # Gradient of log Z in W is sum_v pi(v) v <h | v>: of the last v, not of the one before.
    pi = np.exp(-model.action(v))
    pi /= pi.sum()
    right = np.einsum("s,si,sj->ij", pi, v, model.hidden_mean(v))
    lagged = np.einsum("s,st,ti,sj->ij", pi, given_v @ given_h, v, model.hidden_mean(v))
    copied = [make("spins", "spin") for _ in range(2)]
    for sign, machine in zip((1, -1), copied, strict=True):
        with torch.no_grad():
            machine.W[2, 1] += sign * 1e-5
    slope = (copied[0].log_z_exact() - copied[1].log_z_exact()) / 2e-5
    assert slope == pytest.approx(right[2, 1], abs=1e-9)
    assert abs(lagged[2, 1] - right[2, 1]) > 0.01


# --- gradients, identity, symmetry --------------------------------------------------------------


@every_kind
def test_gradients_are_finite_differences(visible, hidden):
    model = make(visible, hidden)
    x = torch.from_numpy(model.hot(2, 5))
    if visible == "reals":
        x = x.double()
    model(x).sum().backward()
    for parameter in model.parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for k in (0, len(flat) - 1):
            values = []
            for step in (1e-5, -1e-5):
                flat[k] += step
                values.append(model.action(x.numpy()).sum())
                flat[k] -= step
            assert float(gradient[k]) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-7)
    if visible == "reals":
        v, step = x.numpy(), np.zeros((1, 4))
        step[0, 1] = 1e-5
        slope = (model.action(v + step) - model.action(v - step)) / 2e-5
        np.testing.assert_allclose(model.force(v)[:, 1], -slope, atol=1e-8)


@every_kind
def test_stores_and_tells_its_weights(visible, hidden):
    model = make(visible, hidden).float()
    again = from_dataset(to_dataset(model))
    assert again.fingerprint == model.fingerprint
    x = model.hot(3, 6)
    np.testing.assert_array_equal(again.action(x), model.action(x))
    assert make(visible, hidden, size=0.4).float().fingerprint != model.fingerprint
    assert models.build(model.config).config == model.config


@pytest.mark.parametrize("visible", ["spins", "reals"])
def test_even_machines(visible):
    model = make(visible, "spin", even=True)
    x = model.hot(1, 50)
    np.testing.assert_allclose(model.action(-x), model.action(x), atol=1e-12)
    assert "z2" in model.symmetries
    assert not any("bias" in name for name, _ in model.named_parameters())
    assert "z2" not in make(visible, "spin").symmetries
    again = from_dataset(to_dataset(model.float()))
    np.testing.assert_array_equal(again.action(x), model.action(x))
    for options in ({"hidden": "binary"}, {"visible": "outcomes", "K": 2}):
        with pytest.raises(InputError, match="even needs spins or reals"):
            RBM((4,), even=True, **options)


def test_made_for_a_target_or_for_data():
    ising = RBM.for_target(Ising(L=4, beta=0.3), n_hidden=5)
    assert ising.even
    assert ising.boundary == "periodic"
    assert ising.config["family"] == "rbm"
    assert not RBM.for_target(Ising(L=4, beta=0.3, h=0.1)).even
    assert not RBM.for_target(Ising(L=4, beta=0.3), hidden="binary").even
    phi4 = models.for_target(Phi4.from_halved(4, m2=1.0, lam=0.1), "gaussian-rbm")
    assert phi4.config["family"] == "gaussian-rbm"
    assert phi4.scale == pytest.approx(phi4.hot(1, 4000).std(), rel=0.05)
    assert phi4.hidden == "spin"
    x = np.random.default_rng(1).choice([-1, 1], (30, 6))
    assert RBM.for_target(Configurations(x)).event_shape == (6,)
    with pytest.raises(InputError, match="is an energy of reals"):
        RBM.for_target(Ising(L=4, beta=0.3), visible="reals")


# --- data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("visible", VISIBLE)
def test_data_bias_gives_the_single_site_law(visible):
    draw, n = np.random.default_rng(1), 4000
    x = {
        "spins": draw.choice([-1, 1], (n, 4), p=[0.2, 0.8]),
        "bits": draw.choice([0, 1], (n, 4), p=[0.2, 0.8]),
        "outcomes": draw.choice(3, (n, 4), p=[0.2, 0.1, 0.7]),
        "reals": 0.3 + 0.5 * draw.standard_normal((n, 4)),
    }[visible]
    x[:, 2] = x[0, 2]  # a dead site
    model = make(visible, "spin")
    assert model.constant_sites(x) == [(2,)]
    with pytest.warns(UserWarning, match=r"sites \(2,\) have one value in all 4000 conf"):
        other = model.with_data_bias(x)
    assert all(torch.isfinite(p).all() for p in other.parameters())
    alone = other.tempered(0.0, other.visible_bias)
    q = alone.moved(np.repeat(x[:1], 4000, 0), 1, Stream(1))
    for site in range(4):
        for value in np.unique(x[:, site]) if visible != "reals" else ():
            share = (x[:, site] == value).mean()
            assert abs((q[:, site] == value).mean() - share) < 0.04
    if visible == "reals":
        np.testing.assert_allclose(q.mean(0), x.mean(0), atol=0.05)
        np.testing.assert_allclose(q.std(0)[[0, 1, 3]], x.std(0)[[0, 1, 3]], rtol=0.1)
    np.testing.assert_array_equal(numbers(model)[0], numbers(other)[0])


def test_wrong_units_are_refused_with_a_remedy():
    spins, bits = make("spins"), make("bits")
    zeros_and_ones, plus_minus = visible_states("bits"), visible_states("spins")
    for call in (spins.action, lambda x: spins.moved(x, 1, Stream(1)), spins.with_data_bias):
        with pytest.raises(InputError, match=r"give 2 \* x - 1, or make the model with visible"):
            call(zeros_and_ones)
    for call in (bits.action, lambda x: bits.moved(x, 1, Stream(1)), bits.with_data_bias):
        with pytest.raises(InputError, match=r"give \(x \+ 1\) // 2, or make the model"):
            call(plus_minus)
    with pytest.raises(InputError, match="K is the number of visible outcomes"):
        RBM((4,), visible="outcomes")
    with pytest.raises(InputError, match="K is the number of visible outcomes"):
        RBM((4,), K=2)
    with pytest.raises(InputError, match="n must be a positive integer, got 0"):
        spins.moved(plus_minus, 0, Stream(1))
    with pytest.raises(InputError, match="n_hidden"):
        RBM((4,), n_hidden=0)


def test_an_indefinite_gaussian_machine_is_refused():
    """W = diag(1.5, 2): the determinant is positive, and e^-E grows without bound."""
    model = RBM((2,), visible="reals", hidden="gaussian", n_hidden=2).double()
    with torch.no_grad():
        model.W.copy_(torch.diag(torch.tensor([1.5, 2.0])))
    assert np.linalg.det(np.eye(2) - model.W.detach().numpy() ** 2) > 0
    for call in (
        model.log_z_exact,
        lambda: BlockGibbs().bind(model),
        lambda: model.moved(np.zeros((3, 2)), 1, Stream(1)),
    ):
        with pytest.raises(UnboundedTargetError, match="singular values below 1"):
            call()
    with torch.no_grad():
        model.W *= 0.49
    assert np.isfinite(model.log_z_exact())


def test_large_weights_stay_finite():
    """512 sites, inputs of thousands: no overflow in S, its gradient, log Z or the sweeps."""
    model = make("spins", "spin", n=512, n_hidden=4, size=30.0).float()
    x = model.hot(1, 16)
    S = model.action(x)
    W, a, b = (t.astype(np.float64) for t in numbers(model))
    exact = -(x @ a) - np.abs(b + x @ W).sum(1)  # log 2cosh y = |y| here
    np.testing.assert_allclose(S, exact, rtol=1e-9)
    assert np.abs(S).max() > 2000
    model(torch.from_numpy(x).float()).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert np.isfinite(model.log_z_exact())
    assert set(np.unique(model.moved(x, 3, Stream(1)))) <= {-1, 1}
    with torch.no_grad():
        model.W[0, 0] = math.nan
    with pytest.raises(InputError, match="weights must be finite"):
        model.moved(x, 1, Stream(1))


def test_ratios_of_amplitudes_are_differences_of_actions():
    """Of psi = p^(1/2): on 512 sites e^{-S} overflows, and a ratio of two amplitudes does not."""
    model = make("spins", "spin", n=512, n_hidden=4, size=20.0)
    x = model.hot(1, 4)
    flipped = x.copy()
    flipped[:, 0] *= -1
    ratio = (model.action(x) - model.action(flipped)) / 2
    assert np.isfinite(np.exp(ratio)).all()
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(-model.action(flipped)) / np.exp(-model.action(x))
    assert not np.isfinite(naive).any()
    small = make("spins", "spin", n=10, n_hidden=4, size=0.5)
    x = states((-1, 1), 10)[::37]
    flipped = x.copy()
    flipped[:, 3] *= -1
    W, a, b = (t.astype(np.longdouble) for t in numbers(small))
    p, q = (np.exp(s @ a) * np.prod(2 * np.cosh(b + s @ W), axis=1) for s in (x, flipped))
    ratio = (small.action(x) - small.action(flipped)) / 2
    np.testing.assert_allclose(np.exp(ratio), np.sqrt(q / p).astype(float), rtol=1e-12)


def test_features_are_singular_values_and_do_not_see_the_gauge():
    model = make("outcomes", "spin")
    before = model.features
    assert before.shape == (3,)
    v = visible_states("outcomes")
    S, z = model.action(v), model.projected(v, 2)
    assert z.shape == (81, 2)
    with torch.no_grad():  # the gauge: rows of a site shifted, b by the opposite
        shift = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
        model.W[3:6] += shift
        model.hidden_bias -= shift
    np.testing.assert_allclose(model.action(v), S, atol=1e-12)
    np.testing.assert_allclose(model.features, before, atol=1e-12)
    spins = make("spins", "spin")
    np.testing.assert_allclose(
        spins.features, np.linalg.svd(numbers(spins)[0], compute_uv=False), atol=1e-12
    )


@pytest.mark.parametrize("visible", VISIBLE)
def test_projections_are_along_the_features(visible):
    """The part of the inputs that v makes, b aside, is v in the basis of the singular vectors."""
    model = make(visible, "spin")
    x = model.hot(1, 30)
    W, _, _ = numbers(model)
    z = model.projected(x, 3)
    assert model.projected(x).shape == (30, 1)
    inputs = rows(visible, x) @ W
    if visible == "outcomes":
        W = W.reshape(4, 3, 3)
        inputs = rows(visible, x) @ (W - W.mean(1, keepdims=True)).reshape(12, 3)
    np.testing.assert_allclose(
        np.linalg.norm(z * model.features, axis=1), np.linalg.norm(inputs, axis=1), atol=1e-10
    )


@every_kind
def test_the_path_from_independent_sites(visible, hidden):
    model = make(visible, hidden)
    reference = 0.1 * np.arange(len(model.visible_bias))
    x = model.hot(1, 9)
    ends = [model.tempered(beta, reference).action(x) for beta in (0.0, 1.0)]
    np.testing.assert_allclose(ends[1], model.action(x), atol=1e-12)
    u = rows(visible, x)
    square = 0.5 * ((x / model.width.numpy()) ** 2).sum(1) if visible == "reals" else 0.0
    own = {"spin": math.log(2), "binary": math.log(2), "gaussian": 0.5 * math.log(2 * math.pi)}
    np.testing.assert_allclose(ends[0], -(u @ reference) + square - 3 * own[hidden], atol=1e-12)
    with pytest.raises(InputError, match="reference_bias must have shape"):
        model.tempered(0.5, np.zeros(2))
