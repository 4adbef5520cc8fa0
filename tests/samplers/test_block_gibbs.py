"""Block Gibbs chains in the loop, and proposals of a machine corrected with the true action."""

import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p, within

from physgen.core.chains import State
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.models.energy.boltzmann import BoltzmannMachine
from physgen.models.energy.rbm import RBM
from physgen.samplers import BlockGibbs, SelfLearning, block_gibbs, blocks, draws_of, run
from physgen.samplers.cuda_arrays import TensorArray
from physgen.samplers.found_start import default_move
from physgen.samplers.tensor_block_gibbs import TensorBlockGibbsChains
from physgen.targets import Ising, as_target

STATES = np.array(list(itertools.product((-1, 1), repeat=9)), np.int8).reshape(-1, 3, 3)
ISING = Ising(L=3, beta=0.25, h=0.1)


def machine(size=0.3, **options):
    model = RBM((3, 3), "periodic", n_hidden=4, **options)
    draw = np.random.default_rng(2)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(size * draw.standard_normal(p.shape)))
    return model


def law(target):
    S = np.asarray(target.action(STATES))
    return np.exp(-S - np.logaddexp.reduce(-S))


@pytest.mark.statistical
def test_run_and_draws_of_use_it_by_default():
    model = machine()
    assert isinstance(default_move(model), BlockGibbs)
    ds = run(BlockGibbs(), model, n_chains=256, n_draws=60, warmup=20, seed=1)
    assert ds.attrs["exactness"] == "asymptotic"
    m = STATES.mean((1, 2))
    series = ds["magnetization"].mean("draw").values
    error = series.std(ddof=1) / 16
    assert within(series.mean(), law(model) @ m, error, largest=0.01)
    draws = draws_of(model, None, n=2**13, rng=2)
    assert draws.attrs["exactness_for"] == "the model"
    weighed = draws_of(model, ISING, n=2**14, rng=3)
    assert "log_weight" in weighed


def test_chains_hold_the_weights_of_their_binding():
    model = machine()
    chains = BlockGibbs().bind(model)
    state = chains.init(Stream(1), 700)
    before, _ = chains.step(Stream(2), state, 2)
    with torch.no_grad():
        model.W.mul_(-1)
    np.testing.assert_array_equal(chains.step(Stream(2), state, 2)[0].x, before.x)
    other, _ = BlockGibbs().bind(model).step(Stream(2), state, 2)
    assert not np.array_equal(other.x, before.x)
    np.testing.assert_array_equal(model.moved(state.x, 2, Stream(2)), other.x)
    assert BlockGibbs(rng="fast").bind(model).step(Stream(2), state, 2)[0].x.shape == (700, 3, 3)


def test_fields_and_outcomes_have_their_types():
    reals = RBM((5,), visible="reals", scale=2.0)
    chains = BlockGibbs().bind(reals)
    state, _ = chains.step(Stream(1), chains.init(Stream(1), 7), 1)
    assert state.x.dtype == np.float32
    outcomes = BlockGibbs().bind(RBM((5,), visible="outcomes", K=4))
    state, _ = outcomes.step(Stream(1), outcomes.init(Stream(1), 7), 1)
    assert state.x.dtype == np.uint8
    assert state.x.max() < 4


# --- chains of tensors ---------------------------------------------------------------------------


def outcomes():
    return machine_of(RBM((5,), visible="outcomes", K=4, n_hidden=3))


def machine_of(model, size=0.3):
    draw = np.random.default_rng(2)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(size * draw.standard_normal(p.shape)))
    return model


MACHINES = {
    "spins": machine,
    "outcomes": outcomes,
    "reals": lambda: machine_of(RBM((3, 3), visible="reals", hidden="binary", n_hidden=4)),
}


@pytest.mark.parametrize("visible", MACHINES)
def test_chains_of_tensors_are_those_of_the_compiled_loops(visible):
    """On the CPU, as on any device of torch."""
    model = MACHINES[visible]()
    host, device = BlockGibbs().bind(model), TensorBlockGibbsChains(model, "cpu")
    states = [c.init(Stream(1), 70) for c in (host, device)]
    np.testing.assert_array_equal(np.asarray(states[1].x), states[0].x)
    for i in range(3):
        pairs = zip((host, device), states, strict=True)
        states = [c.step(Stream(2).at(i), s, 2)[0] for c, s in pairs]
    same = np.testing.assert_allclose if visible == "reals" else np.testing.assert_array_equal
    close = {"atol": 1e-4} if visible == "reals" else {}
    found = device.configurations(states[1])
    same(found, states[0].x, **close)
    assert found.dtype == states[0].x.dtype
    assert isinstance(states[1].x, TensorArray)
    for name, values in host.measure(states[0]).items():
        np.testing.assert_allclose(device.measure(states[1])[name], values, atol=1e-3)
    # A step is a pure function; chains may change sides; other words are other chains.
    before = np.asarray(states[1].x)
    crossed = device.step(Stream(3), states[0])[0]
    same(np.asarray(crossed.x), np.asarray(device.step(Stream(3), states[1])[0].x), **close)
    np.testing.assert_array_equal(np.asarray(states[1].x), before)
    assert np.any(np.asarray(device.step(Stream(4), states[1])[0].x) != np.asarray(crossed.x))


def test_tensors_hold_the_weights_of_their_binding():
    model = machine()
    device = TensorBlockGibbsChains(model, "cpu")
    assert device.layers[1] == (0, 0)
    start = STATES[:80]
    expected = BlockGibbs().bind(model).step(Stream(2), State(start))[0].x
    with torch.no_grad():
        model.W.mul_(-1)
    np.testing.assert_array_equal(np.asarray(device.step(Stream(2), State(start))[0].x), expected)
    other = TensorBlockGibbsChains(model, "cpu").step(Stream(2), State(start))[0].x
    assert np.any(np.asarray(other) != expected)


def test_a_run_of_tensors_is_that_of_the_compiled_loops(monkeypatch):
    model, how = machine(), {"n_chains": 8, "n_draws": 6, "warmup": 2, "seed": 1, "quiet": True}
    expected = run(BlockGibbs(), model, **how)
    monkeypatch.setattr(block_gibbs, "require_cuda_of_torch", lambda: None)
    monkeypatch.setattr(
        block_gibbs, "TensorBlockGibbsChains", lambda target: TensorBlockGibbsChains(target, "cpu")
    )
    sampler = BlockGibbs(device="cuda")
    parts = list(blocks(sampler, model, block_size=3, **how))
    series = expected["magnetization"]
    np.testing.assert_array_equal(parts[-1].data["magnetization"], series[:, 3:])
    middle = parts[-2].checkpoint
    assert all(type(v.data) is np.ndarray for v in middle.variables.values())  # fit for a file
    rest = run(sampler, model, checkpoint=middle, **how)
    np.testing.assert_array_equal(rest["magnetization"], series[:, 3:])


def test_a_state_of_another_machine_is_refused():
    device = TensorBlockGibbsChains(machine(), "cpu")
    with pytest.raises(InputError, match=r"state must be one of this sampler, int8 of shape"):
        device.step(Stream(1), State(np.ones((4, 9), np.int8)))
    with pytest.raises(InputError, match="n must be a positive integer, got 0"):
        device.step(Stream(1), device.init(Stream(1), 4), 0)


def test_others_are_refused():
    for target in (ISING, BoltzmannMachine((2, 2))):
        with pytest.raises(InputError, match="BlockGibbs needs a restricted Boltzmann machine"):
            BlockGibbs().bind(target)
    with pytest.raises(InputError, match="rng must be one of"):
        BlockGibbs(rng="numpy")


# --- proposals ----------------------------------------------------------------------------------


def transition_matrix(model):
    """Return the matrix of one block Gibbs sweep of spins with hidden spins."""
    W, a, b = (t.detach().numpy().astype(float) for t in (model.W, model.visible_bias,
                                                          model.hidden_bias))  # fmt: skip
    h = np.array(list(itertools.product((-1, 1), repeat=len(b))))
    v = STATES.reshape(len(STATES), -1)
    given_v, given_h = np.exp((b + v @ W) @ h.T), np.exp((a + h @ W.T) @ v.T)
    given_v /= given_v.sum(1, keepdims=True)
    given_h /= given_h.sum(1, keepdims=True)
    return given_v @ given_h


def test_corrected_proposals_leave_the_true_law_invariant():
    """The matrix of three sweeps and the accept step; in saboteurs the accept rule differs."""
    model = machine()
    K = np.linalg.matrix_power(transition_matrix(model), 3)
    S, S_m, pi = ISING.action(STATES), model.action(STATES), law(ISING)

    def invariant(log_weight):
        P = K * np.minimum(1, np.exp(log_weight[None, :] - log_weight[:, None]))
        np.fill_diagonal(P, 0)
        np.fill_diagonal(P, 1 - P.sum(1))
        return np.abs(pi @ P - pi).max()

    assert invariant(-S + S_m) < 1e-12
    assert invariant(-S) > 1e-4  # the proposal taken for symmetric
    assert invariant(-S - S_m) > 1e-4


@pytest.mark.statistical
def test_exact_starts_stay_exact():
    pi = law(ISING)

    def p_value(model, told=None):
        def test(n, seed):
            rng = Stream(seed)
            chains = SelfLearning(model, n_sweeps=2).bind(ISING)
            if told is not None:  # the action that the correction is told
                object.__setattr__(chains, "model", told(model))
            start = STATES[rng.child("start").numpy().choice(512, n, p=pi)]
            state, info = chains.step(rng, chains.init(rng, n, start), 2)
            assert 0.1 < info.accepted.mean() < 0.95
            index = (state.x.reshape(n, 9) > 0) @ (1 << np.arange(8, -1, -1))
            return chi_square_p(np.bincount(index, minlength=512), pi)

        return test

    class Wrong:
        def __init__(self, model):
            self.moved, self.action = model.moved, model.tempered(0.9).action

    assert accepts(p_value(machine()), 20_000)
    assert not accepts(p_value(machine(), Wrong), 40_000)


def test_a_perfect_machine_is_always_accepted():
    model = machine()
    chains = SelfLearning(model).bind(model)
    state, info = chains.step(Stream(1), chains.init(Stream(1), 50), 4)
    assert np.all(info.accepted == 1)
    assert np.abs(chains.measure(state)["log_weight"]).max() < 1e-12
    poor, weak = SelfLearning(machine(0.1), n_sweeps=3), Ising(L=3, beta=0.1, h=0.1)
    ds = run(poor, weak, n_chains=64, n_draws=200, warmup=100, seed=1)
    assert 0.1 < float(ds["acceptance_rate"].mean()) < 0.95
    exact = law(weak) @ STATES.mean((1, 2))
    error = ds["magnetization"].mean("draw").values.std(ddof=1) / 8
    assert within(float(ds["magnetization"].mean()), exact, error, largest=0.02)


def test_machines_of_something_else_are_refused():
    with pytest.raises(InputError, match="whose sweeps are reversible, got BoltzmannMachine"):
        SelfLearning(BoltzmannMachine((3, 3))).bind(ISING)
    with pytest.raises(InputError, match=r"spins of shape \(3, 3\), got spins of shape \(4,\)"):
        SelfLearning(RBM((4,))).bind(ISING)
    with pytest.raises(InputError, match="n_sweeps must be a positive integer, got 0"):
        SelfLearning(machine(), n_sweeps=0)
    broken = as_target(lambda x: np.where(x[:, 0, 0] > 0, np.nan, 0.0), (3, 3), support=SPINS)
    chains = SelfLearning(machine()).bind(broken)
    with pytest.raises(NonFiniteActionError, match="got NaN, chain"):
        chains.step(Stream(1), chains.init(Stream(1), 20, -np.ones((20, 3, 3))), 3)
