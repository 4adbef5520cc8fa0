"""MALA from kept forces: HMC of one step, detailed balance, and what is rejected."""

import numpy as np
import pytest
from helpers.statistics import accepts, joint_p, within

from physgen.core.random import Stream
from physgen.kernels.cpu.normals import draw_normals
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers import HMC, MALA, ULA, ParallelTempering
from physgen.samplers.fields import blocked
from physgen.samplers.fields.checks import key_words
from physgen.samplers.fields.moves import fields_of
from physgen.targets import LocalAction, Phi4, as_target

PHI4 = Phi4.from_halved((4, 6), m2=-0.5, lam=0.3)
LOCAL = LocalAction(
    (4, 6), field=0.1, nearest=-0.4, diagonal=0.1, phi2=0.9, phi4=0.2, phi6=0.02
)  # fmt: skip
H = np.full(6, np.sqrt(2 * 0.05))


def own(target):
    """The same action as a target that no compiled loop knows."""
    return as_target(target.action, target.event_shape, force=target.force)


CASES = {"phi4": PHI4, "local action": LOCAL, "numpy": own(LOCAL)}


@pytest.mark.parametrize("case", CASES)
def test_it_is_hmc_of_one_step(case):
    fields = fields_of(CASES[case], "MALA", "float64", "philox")
    state = fields.init(Stream(1), 40, LOCAL.hot(Stream(1), 40))
    (one, stats), (two, wanted) = (
        fields.mala(Stream(2), state, H),
        fields.trajectories(Stream(2), state, H, 1),
    )
    assert 0.1 < stats[0].mean() / len(H) < 0.95
    np.testing.assert_array_equal(stats[0], wanted[0])
    np.testing.assert_allclose(stats[1:], wanted[1:], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(one.x, two.x, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(one.aux["action"], two.aux["action"], rtol=1e-12, atol=1e-12)
    assert "force" not in two.aux


@pytest.mark.parametrize("sampler", [MALA(step_size=0.05), HMC(step_size=0.2), ULA()], ids=repr)
def test_compiled_and_numpy_loops_make_the_same_chain(sampler):
    x, ends = LOCAL.hot(Stream(1), 40), []
    for target in (LOCAL, own(LOCAL)):
        chains = type(sampler)(**{**vars(sampler), "dtype": "float64"}).bind(target)
        state, info = chains.step(Stream(2), chains.init(Stream(1), 40, x), 5)
        ends.append((chains.configurations(state), chains.measure(state)["action"], info.accepted))
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-9)
    if ends[0][2] is not None:
        np.testing.assert_array_equal(ends[0][2], ends[1][2])


@pytest.mark.parametrize("case", CASES)
def test_the_kept_force_is_the_force_of_the_fields(case):
    chains = MALA(step_size=0.05, dtype="float64").bind(CASES[case])
    state, _ = chains.step(Stream(2), chains.init(Stream(1), 32), 4)
    fresh = chains.init(Stream(1), 32, chains.configurations(state))
    np.testing.assert_allclose(state.aux["force"], fresh.aux["force"], rtol=1e-11, atol=1e-11)


def test_one_call_or_many_make_steps_of_the_same_kind():
    """A state goes from MALA to HMC and back; no force is kept that belongs to other fields."""
    mala, hmc = (s.bind(LOCAL) for s in (MALA(step_size=0.05), HMC(step_size=0.1)))
    state, _ = mala.step(Stream(1), mala.init(Stream(2), 20), 2)
    state, _ = hmc.step(Stream(3), state)
    after, _ = mala.step(Stream(4), state, 2)
    x = hmc.configurations(state)
    fresh, _ = mala.step(Stream(4), mala.init(Stream(2), 20, x), 2)
    np.testing.assert_array_equal(mala.configurations(after), mala.configurations(fresh))


def test_threads_make_no_difference(monkeypatch):
    import numba

    monkeypatch.setattr(blocked, "_SECONDS", 1.0)  # any work is worth a thread
    ends = []
    for n_threads in (1, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", n_threads)
        for sampler in (MALA(step_size=0.05), ULA()):
            chains = sampler.bind(LOCAL)
            state, _ = chains.step(Stream(3), chains.init(Stream(2), 600), 3)
            ends.append(chains.configurations(state))
    np.testing.assert_array_equal(ends[0], ends[2])
    np.testing.assert_array_equal(ends[1], ends[3])


def test_replicas_of_mala_are_exchanged():
    sampler = ParallelTempering(MALA(step_size=0.05), (0.1, 0.2, 0.3), coupling="phi4")
    chains = sampler.bind(LOCAL)
    state, info = chains.step(Stream(1), chains.init(Stream(2), 8), 4)
    assert np.all(np.isfinite(state.x))
    assert info.metrics["swap_rate"].mean() > 0.05


# --- one site: S = g1 x + g2 x^2 + g4 x^4 ---------------------------------------------------

SITE = LocalAction(Hypercubic((1,), "open"), field=0.4, phi2=-0.5, phi4=0.6)
GRID = np.linspace(-4, 4, 401)


def action(x):
    return SITE.action(np.asarray(x)[..., None])


def density(x):
    return np.exp(-action(x))


def force(x):
    return SITE.force(np.asarray(x)[..., None])[..., 0]


def cost(start, end, pull, h):
    """-log of the density of a proposal."""
    return 0.5 * ((end - start) / h - h / 2 * pull) ** 2


def change(x, y, h):
    """-log of the Metropolis-Hastings ratio of x -> y, from the densities of both proposals."""
    return action(y) - action(x) + cost(y, x, force(y), h) - cost(x, y, force(x), h)


def at_start(x, y, h):
    """The trap: the reverse proposal with the force at the first point."""
    return action(y) - action(x) + cost(y, x, force(x), h) - cost(x, y, force(x), h)


@pytest.mark.parametrize("target", [SITE, own(SITE)], ids=["compiled", "numpy"])
def test_the_ratio_is_metropolis_and_hastings(target):
    """The change of every proposal, from its noise; with that of the trap it is another number."""
    n, h = 500, 0.8
    fields = fields_of(target, "MALA", "float64", "philox")
    x = np.random.default_rng(1).normal(size=(n, 1))
    _, stats = fields.mala(Stream(2), fields.init(Stream(1), n, x), np.array([h]))
    blocks = -(-n // 16)
    noise = np.empty((blocks, 2, 16))
    draw_normals(noise, 0, 0, key_words(Stream(2)), np.empty((blocks, 0), np.uint64))
    x, xi = x[:, 0], noise[:, 0].ravel()[:n]
    y = x + h * (xi + h / 2 * force(x))
    np.testing.assert_allclose(stats[2], change(x, y, h), rtol=1e-9, atol=1e-9)
    assert np.abs(stats[2] - at_start(x, y, h)).max() > 0.1


def flow(h, ratio):
    """pi(x) q(y | x) a(x, y) on a grid of both: symmetric in detailed balance."""
    x, y = GRID[:, None], GRID[None, :]
    q = np.exp(-0.5 * ((y - x) / h - h / 2 * force(x)) ** 2)
    return density(x) * q * np.exp(-np.maximum(ratio(x, y, h), 0.0))


@pytest.mark.parametrize("h", [0.3, 1.0])
def test_detailed_balance_by_quadrature(h):
    found = flow(h, change)
    np.testing.assert_allclose(found, found.T, atol=1e-12 * found.max())
    wrong = flow(h, at_start)  # saboteur
    assert np.abs(wrong - wrong.T).max() > 0.01 * wrong.max()


def wrong_step(x, h, rng):
    """One step with the reverse term at the first point."""
    y = x + h * (rng.standard_normal(x.shape) + h / 2 * force(x))
    return np.where(rng.random(x.shape) < np.exp(-at_start(x, y, h)), y, x)


@pytest.mark.statistical
def test_exact_draws_of_a_well_stay_exact():
    weight = density(GRID) / density(GRID).sum()
    powers = np.array([1, 2])
    exact = (GRID[:, None] ** powers * weight[:, None]).sum(axis=0)

    def p(n, seed, right=True):
        rng = np.random.default_rng(seed)
        x = np.interp(rng.random(n), np.cumsum(weight) - weight / 2, GRID)
        if right:
            chains = MALA(step_size=0.32, dtype="float64").bind(SITE)
            state = chains.init(Stream(1), n, x[:, None])
            state, info = chains.step(Stream(seed), state, 3)
            assert 0.3 < info.accepted.mean() < 0.97
            x = chains.configurations(state)[:, 0]
        else:
            for _ in range(3):
                x = wrong_step(x, 0.8, rng)
        seen = x[:, None] ** powers - exact
        cov = np.cov(seen.T) / n
        pulls = np.linalg.solve(np.linalg.cholesky(cov), seen.mean(axis=0))
        return joint_p(pulls)

    assert accepts(p, 20_000)
    assert not accepts(lambda n, seed: p(n, seed, right=False), 20_000)


# --- temperature: the harmonic mode --------------------------------------------------------


@pytest.mark.statistical
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize(
    "sampler",
    [ULA(step_size=0.02), MALA(step_size=0.3), HMC(step_size=0.3, n_leapfrog=3)],
    ids=["ula", "mala", "hmc"],
)
@pytest.mark.parametrize("compiled", [True, False])
def test_a_unit_mode_has_the_variance_of_its_temperature(sampler, temperature, compiled):
    """Temperature is 1; another one is in the action, S / T."""
    target = LocalAction(Hypercubic((16,), "open"), phi2=0.5 / temperature)
    chains = sampler.bind(target if compiled else own(target))
    eps = sampler.step_size if isinstance(sampler, ULA) else 0.0
    exact = temperature / (1 - eps / (2 * temperature))  # of ULA with this step
    rng, n = Stream(7), 2048
    state = chains.init(rng, n, np.sqrt(exact) * rng.numpy().normal(size=(n, 16)))
    state, _ = chains.step(rng.child("steps"), state, 150 if eps else 12)
    square = chains.configurations(state).astype(float) ** 2
    error = square.std() / np.sqrt(square.size)
    value = square.mean()
    assert within(value, exact, error, largest=0.02 * temperature)
    assert not within(value, 1.05 * exact, error, largest=0.02 * temperature)  # 5 % too warm
    assert not within(value, 0.5 * exact, error, largest=0.02 * temperature)  # noise sqrt(eps)


# --- large energies and proposals that are not finite --------------------------------------


def test_energies_are_never_clamped():
    """An offset of 1e12 changes no decision: differences are those of float64."""
    plain = Phi4((4, 4), hop=0.4, quad=0.5, quart=0.3)
    high = Phi4((4, 4), hop=0.4, quad=0.5, quart=0.3, const=1e12 / 16)
    x, ends = plain.hot(Stream(1), 300), []
    for target in (plain, high, own(high)):
        chains = MALA(step_size=0.1, dtype="float64").bind(target)
        state, info = chains.step(Stream(2), chains.init(Stream(1), 300, x), 3)
        ends.append((chains.configurations(state), info.accepted))
    assert 0.2 < ends[0][1].mean() < 0.95
    for fields, accepted in ends[1:]:
        same = accepted == ends[0][1]
        assert same.mean() > 0.99  # 1e12 is known to 1e-4
        np.testing.assert_allclose(fields[same], ends[0][0][same], atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compiled", [True, False])
def test_proposals_that_are_not_finite_are_rejected_and_counted(compiled, dtype):
    target = LocalAction((4, 4), nearest=-0.2, phi2=0.7, phi6=0.5)
    chains = MALA(step_size=1e60 if dtype == "float64" else 1e16, dtype=dtype)
    chains = chains.bind(target if compiled else own(target))
    state = chains.init(Stream(1), 16, target.hot(Stream(1), 16))
    new, info = chains.step(Stream(2), state, 3)
    np.testing.assert_array_equal(info.metrics["divergent"], 3)
    np.testing.assert_array_equal(info.accepted, 0)
    for name in ("action", "force"):
        np.testing.assert_array_equal(new.aux[name], state.aux[name])
    np.testing.assert_array_equal(new.x, state.x)


@pytest.mark.statistical
def test_an_infinite_wall_is_a_rejection():
    """S = x^2 / 2 within 1.5 and infinity beyond: both ends infinite would not be equal."""

    class Box:
        event_shape, support = (1,), SITE.support

        def action(self, x):
            return np.where(np.abs(x[:, 0]) > 1.5, np.inf, 0.5 * x[:, 0] ** 2)

        def force(self, x):
            return -x

        def hot(self, rng, n):
            return np.zeros((n, 1))

    chains, n = MALA(step_size=0.5).bind(Box()), 20_000
    state = chains.init(Stream(1), n, np.zeros((n, 1)))
    state, info = chains.step(Stream(2), state, 40)
    assert info.metrics["divergent"].sum() > n
    square = chains.configurations(state)[:, 0] ** 2
    from scipy.stats import truncnorm

    error = square.std() / np.sqrt(n)
    assert np.abs(square).max() <= 1.5**2
    assert within(square.mean(), truncnorm(-1.5, 1.5).var(), error, largest=0.01)


def test_action_and_force_together_where_a_target_has_them():
    calls = []

    class Both:
        event_shape, support = (3,), SITE.support

        def action(self, x):
            calls.append("action")
            return 0.5 * np.sum(x**2, axis=1)

        def force(self, x):
            calls.append("force")
            return -x

        def action_and_force(self, x):
            calls.append("both")
            return 0.5 * np.sum(x**2, axis=1), -x

    chains = MALA(step_size=0.1).bind(Both())
    state = chains.init(Stream(1), 4)
    calls.clear()
    chains.step(Stream(2), state, 3)
    assert calls == ["both"] * 3
