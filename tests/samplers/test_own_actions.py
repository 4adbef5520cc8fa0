"""A user's action reaches Metropolis, tempering, SMC and weights; observables may be vectors."""

import math

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen.core.errors import ChainTooShortError, InputError, UnboundedTargetError
from physgen.core.protocols import REALS, outcomes
from physgen.core.protocols import SPINS as PLUS_MINUS
from physgen.core.random import Stream, as_stream
from physgen.lattice import Hypercubic
from physgen.samplers import (
    HMC,
    HeatBath,
    Metropolis,
    ParallelTempering,
    draws_of,
    estimates,
    importance,
    run,
    smc,
)
from physgen.samplers.forward_check import NONE, check_forward
from physgen.samplers.found_start import IndependentNormals, default_move, found_start
from physgen.samplers.own_local import OwnLocalChains
from physgen.samplers.weighing import Weighing
from physgen.targets import FreeField, Ising, as_target

RING = Hypercubic((6,))
MASS = 0.7
KHAT2 = 4 * np.sin(np.pi * np.arange(6) / 6) ** 2
G_EXACT = np.fft.ifft(1 / (KHAT2 + MASS)).real[:3]
LOG_Z = -0.5 * np.log((KHAT2 + MASS) / (2 * np.pi)).sum()


def action(x):
    return 0.5 * ((np.roll(x, 1, 1) - x) ** 2 + MASS * x**2).sum(1)


def force(x):
    return np.roll(x, 1, 1) + np.roll(x, -1, 1) - (2 + MASS) * x


def correlator(x):
    return np.stack([(x * np.roll(x, r, 1)).mean(1) for r in range(3)], 1)


FREE = as_target(
    action, force=force, lattice=RING, symmetries=["translations", "z2"],
    observables={"G": correlator},
)  # fmt: skip
FORCELESS = as_target(action, lattice=RING, observables={"G": correlator})
SPINS = as_target(
    lambda x: -0.3 * (np.einsum("nij,nij->n", x, np.roll(x, 1, 1) + np.roll(x, 1, 2))),
    (4, 4), support="spins",
)  # fmt: skip


def G_agrees(value, error, largest):
    off = (np.asarray(value) - G_EXACT) / np.asarray(error)
    return bool(np.all(np.abs(off) < 4)) and bool(np.all(np.asarray(error) < largest))


@pytest.mark.parametrize("sampler", [HMC(), Metropolis()], ids=repr)
def test_a_correlator_is_one_observable(sampler):
    target = FREE if isinstance(sampler, HMC) else FORCELESS
    ds = run(sampler, target, n_chains=128, n_draws=20, seed=1)
    assert ds["G"].dims == ("chain", "draw", "G_0")
    assert ds["G"].attrs["ess"] > 100
    table = estimates(ds)
    rows = [table.sel(quantity=f"G[{r}]") for r in range(3)]
    errors = [float(row["error"]) for row in rows]
    assert G_agrees([float(row["value"]) for row in rows], errors, 0.03)


def test_saboteur_another_mass():
    other = as_target(lambda x: action(x) + 0.2 * (x**2).sum(1), lattice=RING,
                      observables={"G": correlator})  # fmt: skip
    ds = run(Metropolis(), other, n_chains=128, n_draws=20, seed=1)
    table = estimates(ds)
    row = table.sel(quantity="G[0]")
    assert not G_agrees([float(row["value"])] * 3, [float(row["error"])] * 3, 0.03)


def test_metropolis_of_an_own_spin_action_is_that_of_the_ising_model():
    exact = run(HeatBath(), Ising(L=4, beta=0.3), n_chains=256, n_draws=40, seed=1)
    ds = run(Metropolis(), SPINS, n_chains=128, n_draws=20, seed=1)
    a, b = ds["action"].mean("draw").values, 0.3 * exact["energy"].mean("draw").values
    error = math.hypot(a.std() / math.sqrt(a.size), b.std() / math.sqrt(b.size))
    assert within(a.mean(), b.mean(), error, largest=0.2)


def test_a_local_sweep_keeps_exact_draws_exact():
    x = np.random.default_rng(1).standard_normal((4000, 2))
    target = as_target(lambda x: 0.5 * (x**2).sum(1), 2)
    for width, sound in ((1.0, True), (1.0, False)):
        chains = OwnLocalChains(target if sound else target.at(beta=1.3), width)
        state, info = chains.step(Stream(2), chains.init(Stream(1), len(x), x), 5)
        square = (state.x**2).mean()
        assert bool(abs(square - 1) < 4 * math.sqrt(2 / x.size)) is sound
        assert 0.5 < info.accepted.mean() < 0.95


def test_chains_do_not_depend_on_how_many_there_are():
    chains = OwnLocalChains(FORCELESS, 1.0)
    x = Stream(3).numpy().standard_normal((9, 6))
    few, _ = chains.step(Stream(1), chains.init(Stream(1), 4, x[:4]), 3)
    many, _ = chains.step(Stream(1), chains.init(Stream(1), 9, x), 3)
    np.testing.assert_array_equal(few.x, many.x[:4])


def test_outcomes_have_no_local_metropolis():
    with pytest.raises(InputError, match="needs spins or real fields, got outcomes"):
        run(Metropolis(), as_target(lambda x: 1.0 * x.sum(1), 3, support=outcomes(3)),
            n_chains=4, n_draws=1, seed=1)  # fmt: skip


def test_replicas_of_any_action():
    replicas = ParallelTempering(HMC(), betas=(0.4, 1.0))
    ds = run(replicas, FREE, n_chains=128, n_draws=20, seed=1)
    S = ds["action"].mean(("chain", "draw")).values  # beta S, V/2 at every beta
    assert np.all(np.abs(S - 3) < 0.3)
    assert ds["G"].dims == ("chain", "draw", "beta", "G_0")
    G = ds["G"].sel(beta=1.0).mean("draw")
    value, error = G.mean("chain").values, G.std("chain").values / math.sqrt(128)
    assert G_agrees(value, error, 0.03)
    family = as_target(lambda x, m2: action(x) + (m2 - MASS) / 2 * (x**2).sum(1), lattice=RING,
                       couplings={"m2": MASS})  # fmt: skip
    ds = run(ParallelTempering(Metropolis(), betas=(0.7, 2.0), coupling="m2"), family,
             n_chains=64, n_draws=10, seed=1)  # fmt: skip
    assert list(ds["m2"].values) == [0.7, 2.0]


@pytest.mark.parametrize("target", [FREE, FORCELESS], ids=["force", "no force"])
def test_smc_finds_its_start(target):
    said = []
    ds = smc(target, n_particles=64, seed=1, progress=said.append)
    assert within(float(ds["log_z"]), LOG_Z, float(ds["log_z_error"]), largest=0.05)
    assert G_agrees(ds["G"].values, ds["G_error"].values, 0.03)
    assert {p.phase for p in said} == {"pilot", "islands"}
    assert said[-1].done == said[-1].total == 100


def test_smc_of_an_own_spin_action():
    ds = smc(SPINS, n_particles=64, seed=1)
    assert within(float(ds["log_z"]), 12.78552332571, float(ds["log_z_error"]), largest=0.1)


@pytest.mark.slow
def test_smc_gives_up_and_names_what_helps():
    far = IndependentNormals(np.full(6, 1e4), np.full(6, 1e-3))
    with pytest.raises(InputError, match=r"within max_stages = 5, got .* of the way; give start="):
        smc(FREE, start=far, n_particles=8, n_islands=8, max_stages=5, seed=1)
    with pytest.raises(InputError, match="Metropolis needs spins or real fields, got outcomes"):
        smc(as_target(lambda x: 1.0 * x.sum(1), 3, support=outcomes(3)), seed=1)
    with pytest.raises(UnboundedTargetError, match="log p"):
        smc(as_target(lambda x: -(x**2).sum(1), 3), seed=1)
    assert default_move(FREE) == HMC()
    assert default_move(FORCELESS) == Metropolis()


def test_a_found_start_covers_both_wells_and_is_a_density():
    wells = as_target(lambda x: ((x**2 - 9) ** 2).sum(1) / 4, 2)
    q = found_start(wells)
    assert np.all(np.abs(q.mean) < 1.5)
    assert np.all(q.scale > 2.5)
    x, log_q = q.sample_and_log_prob(5, 1)
    normal = -0.5 * ((x - q.mean) / q.scale) ** 2 - np.log(q.scale * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(log_q, normal.sum(1))
    np.testing.assert_allclose(q.force(x), -(x - q.mean) / q.scale**2)
    assert isinstance(q.log_prob(torch.from_numpy(x)), torch.Tensor)
    even = found_start(FREE)
    assert not even.mean.any()
    assert len(np.unique(even.scale)) == 1


class Wells:
    """Unit Gaussians at +-a in two dimensions, the first of them with a share of the draws."""

    event_shape, support = (2,), REALS

    def __init__(self, a, share=0.5):
        self.a, self.share = a, share

    def log_prob(self, x):
        parts = [
            np.log(max(p, 1e-300)) - ((np.asarray(x) - s * self.a) ** 2).sum(-1) / 2
            for p, s in ((self.share, 1), (1 - self.share, -1))
        ]
        return np.logaddexp(*parts) - math.log(2 * math.pi)

    def sample_and_log_prob(self, n, rng):
        generator = as_stream(rng).numpy()
        sign = np.where(generator.random((n, 1)) < self.share, 1, -1)
        x = sign * self.a + generator.standard_normal((n, 2))
        return x, self.log_prob(x)

    def sample(self, n, rng):
        return self.sample_and_log_prob(n, rng)[0]


def two_wells(a):
    return as_target(
        lambda x: -Wells(a).log_prob(x), 2, lambda x: a * np.tanh(a * x.sum(1))[:, None] - x
    )


@pytest.mark.parametrize("a", [3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_a_lost_well_is_found_without_samples(a, seed):
    ds = importance(Wells(a, 1.0), two_wells(a), n=20_000, seed=seed)
    assert abs(float(ds["log_z"]) + math.log(2)) < 0.05  # and looks perfect
    assert float(ds["ess_share"]) > 0.9
    assert "log Z is low by about 0." in ds.attrs["warnings"]
    assert ds.attrs["forward_check"].startswith("annealed particles")


@pytest.mark.parametrize("a", [3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_a_sound_model_raises_no_alarm(a, seed):
    ds = importance(Wells(a, 0.5), two_wells(a), n=2000, seed=seed)
    assert ds.attrs["warnings"] == ""
    uneven = importance(Wells(a, 0.8), two_wells(a), n=2000, seed=seed)
    assert uneven.attrs["warnings"] == ""


def test_what_was_compared_is_in_the_result_and_the_table():
    q, target = Wells(3), two_wells(3)
    how = {"n": 2000, "seed": 1}
    without = importance(q, target, forward_check=False, **how)
    assert without.attrs["forward_check"].startswith(NONE)
    assert "weights cannot show what the model never draws" in without.attrs["warnings"]
    assert NONE in repr(without)
    sampled = importance(q, target, samples=q.sample(500, 2), **how)
    assert sampled.attrs["forward_check"] == "500 configurations of the target"
    given = importance(q, target, log_z=(0.0, 0.01), **how)
    assert given.attrs["forward_check"] == "an independent log Z"


def test_a_check_that_cannot_be_made_says_so(monkeypatch):
    from physgen.samplers import forward_check

    q, target = Wells(3), two_wells(3)
    weighing = Weighing.of(q, target)
    x, log_w = weighing.draw(256, Stream(1))
    monkeypatch.setattr(forward_check, "TIME", 0.0)
    made = check_forward(weighing, x, log_w, Stream(1)).made
    assert made.startswith(NONE)
    assert "took more than 0 s" in made
    monkeypatch.undo()
    monkeypatch.setattr(forward_check, "STAGES", 1)
    assert "max_stages = 1" in check_forward(weighing, x, log_w, Stream(1)).made


def test_weighted_draws_take_own_observables():
    q = FreeField((6,), m2=MASS)
    ds = importance(q, FREE, n=20_000, seed=1, keep="draws")
    assert ds["G"].dims == ("chain", "draw", "G_0")
    table = estimates(ds)
    rows = [table.sel(quantity=f"G[{r}]") for r in range(3)]
    assert G_agrees([float(r["value"]) for r in rows], [float(r["error"]) for r in rows], 0.02)
    overflow = importance(
        _Fair(), as_target(lambda x: 0 * x.sum(1), 200, support="spins"), n=256, seed=1,
        observables={"n": lambda x: np.einsum("ni,ni->n", x, x)}, forward_check=False,
    )  # fmt: skip
    assert float(overflow.sel(quantity="n")["value"]) == 200
    drawn = draws_of(_Fair(), None, 128, observables={"n": lambda x: np.einsum("ni,ni->n", x, x)})
    assert np.all(drawn["n"].values == 200)
    with pytest.raises(InputError, match="observable 'c' must be real"):
        importance(q, FREE, n=128, observables={"c": lambda x: 1j * x.sum(1)})
    with pytest.raises(InputError, match="without '/'"):
        draws_of(q, FREE, 128, observables={"a/b": lambda x: x.sum(1)})


class _Fair:
    event_shape, support = (200,), PLUS_MINUS

    def log_prob(self, x):
        return np.full(len(x), -200 * math.log(2))

    def sample(self, n, rng):
        return 2 * as_stream(rng).numpy().integers(0, 2, (n, 200), np.int8) - 1

    def sample_and_log_prob(self, n, rng):
        x = self.sample(n, rng)
        return x, self.log_prob(x)


def test_spins_reach_functions_of_runs_as_numbers_that_do_not_overflow():
    def pairs(x):
        return np.einsum("nij,nij->n", x, np.roll(x, 1, 1))

    both = {"nn": pairs, "safe": lambda x: (x * np.roll(x, 1, 1)).sum((1, 2))}
    ds = run(HeatBath(), Ising(L=16, beta=0.3), n_chains=64, n_draws=3, seed=1, warmup=20,
             quiet=True, observables=both)  # fmt: skip
    np.testing.assert_array_equal(ds["nn"].values, ds["safe"].values)
    assert float(ds["nn"].max()) > 127


@pytest.mark.parametrize("name", ["draw", "chain", "a/b", "beta"])
def test_bad_names_are_refused_before_the_first_step(name):
    with pytest.raises(InputError, match="name of an observable"):
        run(HeatBath(), Ising(L=4, beta=0.3), n_chains=10**4, n_draws=10**6, seed=1,
            observables={name: lambda x: 1 / 0})  # fmt: skip


def test_short_chains_come_with_their_draws():
    with pytest.raises(ChainTooShortError) as caught:
        run(HMC(), FREE, n_chains=4, n_draws=20, seed=1)
    assert caught.value.draws["G"].sizes["draw"] == 20
    assert caught.value.draws.attrs["warnings"]
