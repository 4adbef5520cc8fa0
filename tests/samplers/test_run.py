"""The sampling loop: what it returns, that it resumes bit for bit, and what it refuses."""

import inspect

import numpy as np
import pytest
import torch
import xarray as xr
from helpers.chains import Chain, Gaussian, TunedChain, ar1_tau
from helpers.statistics import accepts, joint_p, normal_p

from physgen.core.chains import Info, State
from physgen.core.errors import ChainTooShortError, InputError, NonFiniteActionError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.lattice import Graph
from physgen.samplers import (
    HMC,
    HeatBath,
    Independence,
    blocks,
    chain_statistics,
    run,
    unpack_configurations,
)
from physgen.samplers.loop.settings import RunKeywords, RunSettings
from physgen.targets import Ising, as_target


def joined(parts):
    return xr.concat([b.data for b in parts if b.data is not None], "draw")


def test_labels():
    ds = run(Chain(), Gaussian(), n_chains=64, n_draws=40, seed=3, thin=2)
    assert set(ds.data_vars) == {"action", "mean", "acceptance_rate", "length"}
    assert ds["action"].dims == ("chain", "draw")
    assert ds["action"].shape == (64, 40)
    assert ds["action"].dtype == np.float64
    assert list(np.unique(ds["start"])) == ["cold", "hot"]
    assert np.all(ds["acceptance_rate"] == 1)
    assert np.all(ds["length"] == 2)
    assert {"tau_int", "tau_int_error", "ess", "r_hat"} <= set(ds["mean"].attrs)
    assert (ds.attrs["exactness"], ds.attrs["thin"], ds.attrs["seed"]) == ("asymptotic", 2, 3)
    assert ds.attrs["warnings"] == ""


@pytest.mark.statistical
def test_law_and_autocorrelation():
    """Means within their errors, and tau_int that of the chain."""
    rho = 0.8

    def p_value(n, seed, rho_claimed=rho):
        ds = run(Chain(rho), Gaussian(), n_chains=n, n_draws=200, seed=seed)
        pulls = []
        for name, exact in (("action", 1.5), ("mean", 0.0)):
            means = ds[name].mean("draw").values
            pulls.append((means.mean() - exact) / means.std(ddof=1) * np.sqrt(n))
        a = ds["mean"].attrs
        pulls.append((a["tau_int"] - ar1_tau(rho_claimed)) / a["tau_int_error"])
        return joint_p(np.array(pulls))

    assert accepts(p_value, 100)
    assert not accepts(lambda n, seed: p_value(n, seed, 0.7), 100)


@pytest.mark.parametrize("sampler", [Chain(0.6), TunedChain()], ids=["plain", "tuned"])
@pytest.mark.parametrize("warmup", ["auto", 300, 0])
def test_resumed_run_is_the_uninterrupted_one(sampler, warmup):
    """Stopped after every block, those of the warm-up included, and through JSON and copies."""
    arguments = dict(
        n_chains=8, n_draws=25, seed=7, warmup=warmup, quiet=True, keep="configurations"
    )
    whole = run(sampler, Gaussian(), **arguments)
    data, checkpoint, n_stops = [], None, 0
    while not data or data[-1].draw[-1] < 24:
        block = next(blocks(sampler, Gaussian(), **arguments, checkpoint=checkpoint, block_size=7))
        checkpoint = block.checkpoint.copy(deep=True)
        data += [] if block.data is None else [block.data]
        n_stops += 1
    assert n_stops >= 4
    stopped = xr.concat(data, "draw")
    for name in ("action", "mean", "configurations"):
        np.testing.assert_array_equal(stopped[name], whole[name])
    np.testing.assert_array_equal(
        chain_statistics(checkpoint)["acceptance_rate"], whole["acceptance_rate"]
    )
    more = run(sampler, Gaussian(), **arguments | {"n_draws": 30}, checkpoint=checkpoint)
    longer = run(sampler, Gaussian(), **arguments | {"n_draws": 30})
    np.testing.assert_array_equal(more["action"], longer["action"][:, 25:])


def test_blocks_do_not_change_the_draws():
    arguments = dict(n_chains=4, n_draws=150, rng=Stream(5).child("a"), warmup=10)
    whole = joined(blocks(Chain(), Gaussian(), **arguments, block_size=150))
    for cut in ({"block_size": 1}, {"block_size": 64}, {"block_seconds": 1e-9}, {}):
        np.testing.assert_array_equal(
            joined(blocks(Chain(), Gaussian(), **arguments, **cut))["mean"], whole["mean"]
        )
    assert whole.draw.values.tolist() == list(range(150))


def test_checkpoint_of_another_run_is_refused():
    arguments = dict(n_chains=4, n_draws=5, seed=1, warmup=0, quiet=True)
    *_, last = blocks(Chain(), Gaussian(), **arguments)
    with pytest.raises(InputError, match=r"rng \(was .*now"):
        blocks(Chain(), Gaussian(), **arguments | {"seed": 2}, checkpoint=last.checkpoint)
    with pytest.raises(InputError, match="exceed"):
        run(Chain(), Gaussian(), **arguments, checkpoint=last.checkpoint)
    with pytest.raises(InputError, match="blocks"):
        run(Chain(), Gaussian(), **arguments, checkpoint=xr.Dataset())


def test_checkpoint_of_other_disorder_is_refused():
    """Two spin glasses of one size print alike; their couplings differ."""
    arguments = dict(n_chains=4, n_draws=2, seed=1, warmup=0, quiet=True)
    one, other = (Ising.spin_glass(L=4, beta=0.5, rng=seed) for seed in (1, 2))
    *_, last = blocks(HeatBath(), one, **arguments)
    longer = arguments | {"n_draws": 3}
    assert next(blocks(HeatBath(), one, **longer, checkpoint=last.checkpoint)).data is not None
    with pytest.raises(InputError, match="changed: fingerprint"):
        next(blocks(HeatBath(), other, **longer, checkpoint=last.checkpoint))


def stiff(c):
    return HMC(), as_target(lambda x: 0.5 * c * (x**2).sum(1), 3, force=lambda x: -c * x)


def learned(seed):
    """An energy in float32, as one trains it."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    return HMC(), as_target(lambda x: (x**2).sum(1) + net(x.float())[:, 0], 3, library="torch")


def proposed(seed):
    from physgen.models import MaskedNet

    return Independence(MaskedNet((4, 4), hidden=2, rng=seed)), Ising(L=4, beta=0.2)


@pytest.mark.parametrize("make", [stiff, learned, proposed])
def test_checkpoint_of_other_numbers_is_refused(make):
    """Functions, learned energies and proposals print alike whatever numbers are in them."""
    arguments = dict(n_chains=4, n_draws=2, seed=1, warmup=0, quiet=True)
    *_, last = blocks(*make(1), **arguments)
    longer = arguments | {"n_draws": 3, "checkpoint": last.checkpoint}
    assert next(blocks(*make(1), **longer)).data.sizes["draw"] == 1
    with pytest.raises(InputError, match=r"changed: (fingerprint|proposals)"):
        next(blocks(*make(9), **longer))


def test_observables_by_name_and_by_function():
    arguments = dict(n_chains=70, n_draws=30, seed=1)
    own = {"square": lambda x: (x**2).mean(axis=1), "first": lambda x: x[:, 0]}
    ds = run(Chain(), Gaussian(), **arguments, observables=own, keep="configurations")
    x = ds["configurations"]
    assert x.dims == ("chain", "draw", "x0")
    assert x.dtype == np.float32
    np.testing.assert_allclose(ds["first"], x[:, :, 0], rtol=1e-6)
    np.testing.assert_allclose(ds["square"], (x**2).mean("x0"), rtol=1e-5)
    named = run(Chain(), Gaussian(), **arguments, observables=["mean", "magnetization"])
    assert list(named.data_vars)[:2] == ["mean", "magnetization"]
    np.testing.assert_allclose(named["mean"], named["magnetization"], atol=1e-15)


class Spins:
    """Independent fair spins: a target and its sampler in one."""

    event_shape = (3, 5)
    support = SPINS
    exactness = "exact"
    symmetries = frozenset({"z2"})

    def action(self, x):
        return np.zeros(x.shape[:-2])

    def bind(self, target):
        self.target = target
        return self

    def init(self, rng, n_chains, start="hot"):
        return State(2 * rng.numpy().integers(0, 2, (n_chains, 3, 5), dtype=np.int8) - 1)

    def step(self, rng, state, n=1):
        return self.init(rng, len(state.x)), Info()

    def measure(self, state):
        return {"magnetization": state.x.mean(axis=(1, 2), dtype=float)}

    def configurations(self, state):
        return state.x


def test_spins_are_kept_as_bits_and_exact_draws_need_no_warm_up():
    ds = run(Spins(), Spins(), n_chains=3, n_draws=4, seed=1, keep="configurations")
    assert ds["configurations"].dtype == np.uint8
    assert ds["configurations"].shape == (3, 4, 2)
    x = unpack_configurations(ds)
    assert x.dims == ("chain", "draw", "x0", "x1")
    assert x.dtype == np.int8
    assert set(np.unique(x)) == {-1, 1}
    np.testing.assert_allclose(x.mean(["x0", "x1"]), ds["magnetization"], atol=1e-15)
    assert set(ds["start"].values) == {"hot"}
    with pytest.raises(InputError, match="keep="):
        unpack_configurations(ds.drop_vars("configurations"))


def test_given_start():
    x = np.full((2, 3), 50.0)
    ds = run(Chain(0.9), Gaussian(), n_chains=2, n_draws=1, seed=1, warmup=0, start=x, quiet=True)
    assert np.all(ds["mean"] > 30)
    assert set(ds["start"].values) == {"given"}


def test_progress_says_the_size_first_and_then_how_it_goes():
    told = []
    run(Chain(), Gaussian(), n_chains=64, n_draws=400, seed=1, progress=told.append)
    assert (told[0].phase, told[0].done) == ("warmup", 0)
    assert told[0].n_bytes == 64 * 400 * 8 * 3  # action, mean and mean square
    assert (told[-1].phase, told[-1].done, told[-1].total) == ("draws", 400, 400)
    assert told[-1].tau_int == pytest.approx(1.5, abs=0.5)
    assert told[-1].r_hat < 1.1


def test_non_finite_values_say_where_and_keep_the_state():
    with pytest.raises(NonFiniteActionError, match=r"chain 2 at draw \d") as caught:
        run(Chain(0.5, "nan"), Gaussian(), n_chains=5, n_draws=500, seed=4, warmup=0)
    assert caught.value.chain == 2
    assert 0 <= caught.value.draw < 500
    assert np.all(np.isfinite(caught.value.state.x))
    with pytest.raises(NonFiniteActionError, match="in warm-up"):
        run(Chain(0.5, "nan"), Gaussian(), n_chains=5, n_draws=500, seed=4)


def test_chains_that_never_move():
    with pytest.raises(ChainTooShortError, match="never moved"):
        run(Chain(0.5, "stuck"), Gaussian(), n_chains=64, n_draws=20, seed=1, warmup=0)


@pytest.mark.slow
@pytest.mark.statistical
def test_spread_of_chain_means_against_shared_random_numbers():
    """The variance of the mean over chains is that of one chain over n: not if noise is shared."""

    def p_value(n, seed, fault=""):
        ds = run(
            Chain(0.5, fault), Gaussian(), n_chains=256, n_draws=n, seed=seed, thin=10, quiet=True
        )
        over_chains = ds["mean"].mean("chain").values * np.sqrt(256 * 3)
        return normal_p((np.mean(over_chains**2) - 1) * np.sqrt(n / 2))

    assert accepts(p_value, 200)
    assert not accepts(lambda n, seed: p_value(n, seed, "shared"), 200)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_chains": -1}, "n_chains must be a positive integer, got -1"),
        ({"n_chains": 0}, "n_chains must be a positive integer, got 0"),
        ({"n_draws": 0}, "n_draws must be a positive integer, got 0"),
        ({"checkpoint": 3}, "checkpoint must be a Dataset that `blocks` gave, got 3"),
        ({"progress": 3}, "progress must be a function of a Progress, or None, got 3"),
        ({"observables": 3}, "observables must be names, or a mapping .* got 3"),
        ({"observables": []}, "observables must be at least one"),
        ({"observables": ["two_point"]}, "structure_factor_kmin, got 'two_point'; others"),
        ({"n_draws": 2.5}, "n_draws must be a positive integer"),
        ({"thin": 0}, "thin must be a positive integer, got 0"),
        ({"warmup": -1}, "warmup must be an integer >= 0, got -1"),
        ({"warmup": "long"}, "warmup must be one of 'auto', got 'long'"),
        ({"seed": None}, "seed or rng must be given"),
        ({"rng": 2}, "seed or rng must be given, and not both"),
        ({"seed": -4}, "seed must be an integer"),
        ({"start": "warm"}, "start must be one of"),
        ({"start": np.zeros((4, 2))}, r"shape \(4, 3\).*got shape \(4, 2\)"),
        ({"keep": "spins"}, "keep must be None or 'configurations', got 'spins'"),
        ({"observables": ["energie"]}, "observable must be one of .*action.* got 'energie'"),
        ({"observables": {"a": 3}}, "functions of configurations, got 3 for 'a'"),
        ({"observables": {"a": lambda x: x.sum()}}, r"one number, or one array.*got shape \(\)"),
        ({"n_chains": 10**9, "n_draws": 10**6}, "n_chains = 1000000000 and .* PB.* are free"),
        ({"n_chains": 10**12, "n_draws": 1}, "must fit in memory"),
        ({"keep": "configurations", "n_draws": 10**12}, "keep='configurations'.*a draw and chain"),
        ({"block_size": 0}, "block_size must be a positive integer"),
        ({"block_seconds": 0}, "block_seconds must be a positive number"),
    ],
)
def test_bad_input(wrong, message):
    arguments = dict(n_chains=4, n_draws=5, seed=1, block_size=10**13) | wrong
    with pytest.raises(InputError, match=message):
        list(blocks(Chain(), Gaussian(), **arguments))


def test_settings_are_named_in_the_help_and_for_type_checkers():
    kinds = inspect.signature(RunSettings).parameters
    assert set(RunKeywords.__annotations__) == set(kinds)
    texts = {name: a.__forward_arg__ for name, a in RunKeywords.__annotations__.items()}
    for name, p in kinds.items():
        kind = f"Required[{p.annotation}]" if p.default is p.empty else p.annotation
        assert texts[name] == kind
    for function, own in ((run, []), (blocks, ["block_size", "block_seconds"])):
        assert list(inspect.signature(function).parameters) == ["sampler", "target", *kinds, *own]
        assert all(name in (run.__doc__ or "") for name in kinds)
    for wrong, message in (({"nchains": 4}, "unexpected.*'nchains'"), ({}, "missing.*'n_chains'")):
        with pytest.raises(TypeError, match=message):
            run(Chain(), Gaussian(), n_draws=2, seed=1, **wrong)


def test_the_sampler_and_the_target_are_what_they_should_be():
    arguments = dict(n_chains=4, n_draws=0, seed=1)
    with pytest.raises(InputError, match="n_draws must be a positive integer, got 0"):
        run(Chain(), Gaussian(), **arguments)
    arguments["n_draws"] = 5
    with pytest.raises(InputError, match=r"got the class HeatBath; write HeatBath\(\)"):
        run(HeatBath, Ising(L=4), **arguments)
    with pytest.raises(InputError, match=r"sampler must come first.* got Ising"):
        run(Ising(L=4), Ising(L=4), **arguments)
    for wrong in (Ising, HeatBath(), lambda x: x):
        with pytest.raises(InputError, match="target must be an object with action and event_"):
            run(HeatBath(), wrong, **arguments)
    on_graph = Ising(Graph(3, [(0, 1), (1, 2)]))
    with pytest.raises(InputError, match="needs a Hypercubic lattice"):
        run(HeatBath(), on_graph, **arguments, observables=["structure_factor_kmin"])


def test_an_object_with_an_action_a_force_and_a_shape_is_enough():
    class Well:
        event_shape = (4,)

        def action(self, x):
            return 0.5 * (x**2).sum(axis=1)

        def force(self, x):
            return -x

    arguments = dict(n_chains=64, n_draws=5, seed=1)
    ds = run(HMC(), Well(), **arguments)
    np.testing.assert_array_equal(
        ds["action"], run(HMC(), as_target(Well()), **arguments)["action"]
    )


def test_errors_inside_a_step_of_the_warm_up_say_so_and_keep_the_state():
    broken = as_target(
        lambda x: 0.5 * (x**2).sum(1) + np.where(x[:, 0] > 2, np.nan, 0), 3, force=lambda x: -x
    )
    with pytest.raises(NonFiniteActionError, match="in warm-up; the state before") as caught:
        run(HMC(), broken, n_chains=64, n_draws=100, seed=1)
    assert caught.value.draw == -1
    assert np.all(np.isfinite(caught.value.state.x))
