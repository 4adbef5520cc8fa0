"""A generator against a critic: exact critics, penalties, terms, resumes, and named collapses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fits import assert_same_weights
from helpers.statistics import accepts, normal_p
from torch import nn

from physgen import Ising, Phi4, models
from physgen.core.errors import InputError, InterruptedRunError
from physgen.core.learning import Annealed, Judging, Objective, Validated
from physgen.core.protocols import REALS
from physgen.core.random import Stream
from physgen.models.base import Generator
from physgen.targets.configurations import Configurations
from physgen.training import ELBO, Adversarial, AdversarialFamily, FitSettings, fit
from physgen.training.collapse import collapsed
from physgen.training.critic_state import CriticState, decay
from physgen.training.divergence_names import DIVERGENCES
from physgen.training.divergences import divergence
from physgen.training.energy_score import energy_scores
from physgen.training.hybrid_terms import of_kernel, of_means
from physgen.training.penalties import between, gradient_penalty, r1, slopes
from physgen.training.site_moments import SiteMoments

PHI4 = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)
QUICK = FitSettings(n_epochs=2, batch_size=50, learning_rate=1e-3, clip_norm=None, ema_decay=0.9)
calm = pytest.mark.filterwarnings("ignore:(.*= .*)?collapsed")


def phi4_data(n=400):
    return (PHI4, PHI4.hot(Stream(5), n))


def field_model(rng=1, **options):
    return models.for_target(PHI4, "gan", channels=3, layers=1, rng=rng, **options)


class Affine(Generator):
    """x = a z + b, one number; a and b are the weights."""

    config, block = {}, 1000

    def __init__(self, a=1.0, b=0.0):
        super().__init__((1,), REALS)
        self.a, self.b = (nn.Parameter(torch.tensor(v)) for v in (a, b))

    def draw(self, n, generator):
        return self.a * torch.randn(n, 1, generator=generator) + self.b

    def sample(self, n, rng):
        with torch.no_grad():
            return self.draw(n, Stream(rng if isinstance(rng, int) else rng.seed).torch())


def normals(n, mean=0.0, width=1.0, seed=1):
    return mean + width * torch.randn(n, 1, generator=torch.Generator().manual_seed(seed))


def trained_critic(name, p, q, n=600, rate=5e-3):
    """Return the critic of two sets after n updates, each on all of both."""
    game = divergence(name)
    critic = CriticState(models.DenseCritic((1,), 32, rng=1), rate, (0.5, 0.99))
    state, generator = critic.begin("cpu"), torch.Generator().manual_seed(1)
    for step in range(n):

        def loss(w, step=step):
            scores, bound = critic.scores(w), 0.0
            if name == "wasserstein":
                bound = 10 * gradient_penalty(scores, between(p, q, generator))
            return bound - game.value(scores(p), scores(q))

        state, _ = critic.updated(state, loss, decay(step / n))
    return critic.scores(state["critic"])


# --- critics on Gaussians --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["non-saturating", "f-gan-kl", "f-gan-js"])
def test_a_trained_critic_is_the_log_ratio_of_two_gaussians(name):
    """log p/q of N(0, 1) and N(1, 1) is 1/2 - x."""
    p, q = normals(2000, seed=1), normals(2000, 1.0, seed=2)
    D = trained_critic(name, p, q, n=300)
    x = torch.linspace(-1, 2, 31)[:, None]
    off = (D(x) - (0.5 - x[:, 0])).detach()
    assert off.abs().mean() < 0.2
    assert (D(x) + (0.5 - x[:, 0])).detach().abs().mean() > 0.5  # the sign is that of p over q


def test_a_penalised_critic_measures_the_distance_of_shifted_gaussians():
    p, q = normals(500, seed=1), normals(500, 1.5, seed=2)
    D = trained_critic("wasserstein", p, q, n=400, rate=2e-2)
    found = float((D(p).mean() - D(q).mean()).detach())
    assert found == pytest.approx(float(q.mean() - p.mean()), rel=0.1)
    assert slopes(D, between(p, q, torch.Generator().manual_seed(3))).mean() < -0.8


@pytest.mark.parametrize(
    "name",
    [
        "non-saturating",
        pytest.param("wasserstein", marks=pytest.mark.slow),
        pytest.param("mmd-gan", marks=pytest.mark.slow),
    ],
)
@calm
def test_a_generator_of_two_weights_learns_a_gaussian(name):
    x = normals(2000, 1.0, 0.5).numpy()
    # On a line a critic that must have slope 1 everywhere sees the mean and hardly the width.
    longer = {"n_epochs": 30, "learning_rate": 1e-2} if name == "wasserstein" else {}
    objective = Adversarial(
        Configurations(x), name, terms={"moments": 0.0}, critic=_critic(name), critic_rate=1e-2,
        strength=1.0 if longer else None,
    )  # fmt: skip
    how = replace(QUICK, **({"n_epochs": 15, "batch_size": 100, "learning_rate": 3e-2} | longer))
    found = fit(Affine(a=1.0, b=0.0), objective, how, rng=1).model
    assert float(found.b.detach()) == pytest.approx(1.0, abs=0.15)
    assert abs(float(found.a.detach())) == pytest.approx(0.5, abs=0.2)


def _critic(name):
    return models.DenseCritic((1,), 16, outputs=4 if name == "mmd-gan" else 1, rng=1)


# --- penalties -------------------------------------------------------------------------------


def test_a_plane_of_slope_one_costs_nothing_and_a_constant_all():
    w = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(1))
    w = w / w.norm()
    x = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    plane = lambda t: (t * w).flatten(1).sum(1)  # noqa: E731
    assert float(gradient_penalty(plane, x)) == pytest.approx(0.0, abs=1e-10)
    assert float(gradient_penalty(lambda t: 3 * plane(t), x)) == pytest.approx(4.0, rel=1e-5)
    size = torch.tensor(0.0, requires_grad=True)
    found = gradient_penalty(lambda t: 2.0 + size * plane(t), x)
    assert float(found.detach()) == pytest.approx(1.0, rel=1e-5)
    found.backward()
    assert torch.isfinite(size.grad)  # the root of a square has no slope at 0
    assert float(gradient_penalty(lambda t: torch.ones(len(t)), x)) == pytest.approx(1, rel=1e-5)
    assert float(r1(lambda t: 3 * plane(t), x, 2.0)) == pytest.approx(0.5 * 36, rel=1e-5)
    assert float(r1(lambda t: torch.ones(len(t)), x, 2.0)) == 0.0


def test_points_lie_on_the_segments_one_number_a_configuration():
    x, y = torch.zeros(500, 1, 3, 3), torch.ones(500, 1, 3, 3)
    at = between(x, y, torch.Generator().manual_seed(1))
    assert bool((at == at[:, :, :1, :1]).all())
    assert 0 <= at.min() < 0.02 < 0.98 < at.max() <= 1
    assert at.mean() == pytest.approx(0.5, abs=0.05)


def test_clipped_weights_stay_within_their_bound():
    objective = Adversarial(phi4_data(), "clipped-wasserstein", augment=False)
    model = field_model()
    found = objective.loss(model, np.arange(20), Stream(1), objective.begin(model, Stream(0)))
    assert found.carry["critic"].abs().max() <= 0.01
    assert int(found.carry["critic_steps"]) == 5


def test_one_update_is_adam():
    critic = CriticState(models.DenseCritic((1,), 4, rng=1), 1e-2, (0.5, 0.9))
    w = nn.Parameter(critic.start.clone())
    optimizer = torch.optim.Adam([w], lr=1e-2, betas=(0.5, 0.9))
    state, x = critic.begin("cpu"), normals(20)
    for _ in range(3):
        state, _ = critic.updated(state, lambda w: critic.scores(w)(x).square().mean())
        optimizer.zero_grad()
        critic.scores(w)(x).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(state["critic"], w.detach())
    assert torch.equal(critic.start, critic.begin("cpu")["critic"])


# --- terms -----------------------------------------------------------------------------------


def test_the_square_of_a_mean_is_not_biased():
    """Values N(0.3, 1): the square of the mean is 0.09, that of a sample mean 0.09 + 1/B."""
    draws = 0.3 + torch.randn(20_000, 8, 1, generator=torch.Generator().manual_seed(1)).double()

    def p_value(values, seed):
        pull = (values.mean() - 0.09) / (values.std() / len(values) ** 0.5)
        return normal_p(float(pull))

    def ours(n, seed):
        d = 0.3 + torch.randn(n, 8, 1, generator=torch.Generator().manual_seed(seed)).double()
        return p_value(torch.stack([of_means(one).value for one in d]), seed)

    assert accepts(ours, 3000)
    assert p_value(draws.mean(1)[:, 0].square(), 1) < 1e-4


def test_advantages_give_the_gradient_of_the_value():
    """Weights of two states: sum over all batches of probability x advantage x score."""
    values = torch.tensor([[1.0, -0.5], [0.2, 0.7]], dtype=torch.float64)
    for part, true in ((of_means, _square), (lambda y: of_kernel(values.flip(0), y), _kernel)):
        theta = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
        q = torch.stack([torch.sigmoid(theta), 1 - torch.sigmoid(theta)])
        (exact,) = torch.autograd.grad(true(q, values), theta)
        scores = torch.stack([1 - q[0], -q[0]]).detach()
        found = 0.0
        for a in range(8):  # batches of three draws
            index = [(a >> k) & 1 for k in range(3)]
            advantages = part(values[index]).advantages
            found += float(q.detach()[index].prod() * (advantages * scores[index]).mean())
        assert found == pytest.approx(float(exact), rel=1e-10)


def _square(q, values):
    return (q @ values).square().sum()


def _kernel(q, values):
    from physgen.training.divergences import _kernel as k

    data = values.flip(0)
    return q @ k(values, values) @ q - 2 * (q @ k(values, data)).mean()


def test_every_term_is_logged_and_weighed():
    features = lambda x: torch.stack([x.flatten(1).sum(1), x.square().flatten(1).sum(1)], 1)  # noqa: E731
    objective = Adversarial(
        phi4_data(), features=features, terms={"moments": 2.0, "features": 0.5}
    )
    model = field_model()
    found = objective.loss(model, np.arange(30), Stream(1), objective.begin(model, Stream(0)))
    told = found.metrics
    assert {"adversarial", "moments", "features", "critic_value", "critic_loss"} == set(told)
    total = told["adversarial"] + 2 * told["moments"] + 0.5 * told["features"]
    assert float(found.value.detach()) == pytest.approx(total, rel=1e-6)


def test_moments_are_those_of_the_table():
    x = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = SiteMoments(PHI4.lattice, REALS, even=True)
    assert found.names == ("phi2", "phi4", "bond", "abs_m", "m2")
    bonds = 0.5 * (x * x.roll(1, 1) + x * x.roll(1, 2)).mean((1, 2))
    m = x.mean((1, 2))
    exact = [(x**2).mean((1, 2)), (x**4).mean((1, 2)), bonds, m.abs(), m**2]
    torch.testing.assert_close(found(x), torch.stack(exact, 1))
    assert SiteMoments(None, REALS, even=False).names == ("phi2", "phi4", "abs_m", "m2", "m")
    spins = SiteMoments(PHI4.lattice, Ising((4, 4), beta=0.1).support, even=True)
    assert spins.names == ("bond", "abs_m", "m2", "m4")


# --- a fit -----------------------------------------------------------------------------------


@calm
@pytest.mark.parametrize("name", DIVERGENCES)
def test_every_divergence_trains(name):
    objective = Adversarial(phi4_data(120), name)
    model = field_model()
    before = [p.detach().clone() for p in model.parameters()]
    found = fit(model, objective, replace(QUICK, n_epochs=1), rng=1)
    assert all(bool((p != q).any()) for p, q in zip(model.parameters(), before, strict=True))
    assert found.history["validation_energy_score"].values[-1] > 0
    assert model.trained_by["objective"] == f"adversarial, {name}"
    back = models.from_dataset(models.to_dataset(model))
    assert back.trained_by == model.trained_by


def test_it_is_an_objective_whose_held_out_figure_chooses():
    objective = Adversarial(phi4_data())
    for protocol in (Objective, Validated, Judging, Annealed):
        assert isinstance(objective, protocol)


@pytest.mark.parametrize("name", ["wasserstein", "mmd-gan"])
@calm
def test_a_resumed_fit_is_the_same_bit_for_bit(name):
    def objective():
        return Adversarial(phi4_data(200), name)

    def other_model():
        model = field_model()
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.3)
        return model

    whole = fit(field_model(), objective(), QUICK, rng=3)
    kept, count = [], iter(range(100))
    with pytest.raises(InterruptedRunError):
        fit(field_model(), objective(), QUICK, rng=3, should_stop=lambda: next(count) == 5,
            on_checkpoint=lambda state, history: kept.append(state))  # fmt: skip
    assert {"carry.critic", "carry.critic_first", "carry.critic_steps"} <= set(kept[-1].data_vars)
    rest = fit(other_model(), objective(), QUICK, rng=3, resume_from=kept[-1])
    assert_same_weights(whole.model, rest.model)
    lost = kept[-1].assign({"carry.critic": kept[-1]["carry.critic"] + 0.5})
    other = fit(other_model(), objective(), QUICK, rng=3, resume_from=lost)
    with pytest.raises(AssertionError):
        assert_same_weights(whole.model, other.model)


@calm
def test_the_loss_is_a_function_of_its_arguments():
    objective = Adversarial(phi4_data())
    model = field_model()
    carry = objective.begin(model, Stream(0))
    kept = {name: t.clone() for name, t in carry.items()}
    one, two = (objective.loss(model, np.arange(20), Stream(4), carry) for _ in range(2))
    assert torch.equal(one.value, two.value)
    assert all(torch.equal(carry[name], kept[name]) for name in kept)
    assert all(torch.equal(one.carry[name], two.carry[name]) for name in kept)
    assert not torch.equal(one.carry["critic"], carry["critic"])


@calm
def test_a_flow_as_generator_keeps_its_density():
    target = Phi4.from_hopping(L=4, kappa=0.2, lam=0.1)
    flow = models.for_target(target, "coupling-flow", decimate=False, rng=1)
    data = (target, target.hot(Stream(1), 200))
    objective = Adversarial(data, terms={"likelihood": 0.5})
    before = flow.log_prob(data[1][:3])
    found = fit(flow, objective, replace(QUICK, n_epochs=1), rng=1)
    assert {"likelihood", "adversarial"} <= set(found.history.data_vars)
    after = flow.log_prob(data[1][:3])
    assert np.isfinite(after).all()
    assert np.abs(after - before).max() > 1e-6


@calm
def test_a_decoder_is_a_generator_and_keeps_its_bound():
    """A critic moves the decoder, ELBO moves the encoder as well; both are of one model."""
    data = phi4_data()
    model = models.VAE.for_target(Configurations(data[1], boundary="periodic"), channels=2, rng=1)
    encoder, decoder = ([p.clone() for p in part.parameters()]
                        for part in (model.encoder, model.decoder))  # fmt: skip
    once = replace(QUICK, n_epochs=1)
    fit(model, Adversarial(data), once, rng=1)
    assert all(torch.equal(p, q) for p, q in zip(model.encoder.parameters(), encoder))
    assert any(not torch.equal(p, q) for p, q in zip(model.decoder.parameters(), decoder))
    fit(model, ELBO(Configurations(data[1], boundary="periodic")), once, rng=1)
    assert any(not torch.equal(p, q) for p, q in zip(model.encoder.parameters(), encoder))


@pytest.mark.slow
@calm
def test_one_generator_for_a_range_of_a_coupling():
    """Widths 0.5 and 1.5 at the ends: the family draws as wide as the data at each."""
    g = np.random.default_rng(1)
    data = {c: Configurations(c * g.standard_normal((600, 4)), symmetries=["z2"])
            for c in (0.5, 1.0, 1.5)}  # fmt: skip
    options = {"kind": "reals", "shape": (4,), "net": "dense", "hidden": 8, "odd": True}
    family = models.ConditionalGenerator(options, "width", 0.5, 1.5, rng=1)
    objective = AdversarialFamily(data, family)
    assert isinstance(objective, Objective)
    found = fit(family, objective, replace(QUICK, n_epochs=12, learning_rate=2e-2), rng=1).model
    widths = [float(found.at(width=c).sample(2000, 1).std()) for c in (0.5, 1.5)]
    assert widths == pytest.approx([0.5, 1.5], rel=0.25)
    with pytest.raises(InputError, match="at least 2 couplings"):
        AdversarialFamily({0.5: data[0.5]}, family)
    with pytest.raises(InputError, match="must lie in"):
        AdversarialFamily({0.5: data[0.5], 2.0: data[1.0]}, family)
    with pytest.raises(InputError, match="critic is not a known option"):
        AdversarialFamily(data, family, critic=None)


# --- judged ----------------------------------------------------------------------------------


def test_the_energy_score_is_least_at_the_law_of_the_points():
    points = normals(3000, seed=1)
    score = lambda mean, width: energy_scores(normals(3000, mean, width, 2), points).mean()  # noqa: E731
    best = score(0.0, 1.0)
    assert best == pytest.approx(2 / np.pi**0.5 / 2, abs=0.02)  # E|x - x'| / 2 of a unit normal
    for mean, width in ((0.3, 1.0), (-0.3, 1.0), (0.0, 0.7), (0.0, 1.4)):
        assert score(mean, width) > best + 0.005


def two_modes(n, seed, share=0.5, width=0.3):
    g = np.random.default_rng(seed)
    sign = np.where(g.random(n) < share, 1.0, -1.0)[:, None, None]
    return sign * 0.8 + width * g.standard_normal((n, 4, 4))


def test_a_collapse_is_named():
    data = two_modes(1000, 1)
    assert collapsed(two_modes(1000, 2), data, even=True) == []
    assert collapsed(two_modes(1000, 2), data) == []
    (mode,) = collapsed(two_modes(1000, 2, share=0.99), data, even=True)
    assert "a mode is missing, m < 0" in mode
    lines = collapsed(two_modes(1000, 2, share=0.0), data)
    assert any("m > 0" in line for line in lines)
    narrow = collapsed(0.5 * two_modes(1000, 2), data, even=True)
    assert any("too little spread" in line for line in narrow)
    few = np.repeat(two_modes(100, 2), 10, axis=0)
    (copies,) = collapsed(few[np.random.default_rng(1).permutation(1000)], data, even=True)
    assert "duplicates" in copies
    with pytest.raises(InputError, match="at least 100 configurations like the data"):
        collapsed(data[:50], data)


def test_data_in_one_mode_do_not_ask_for_the_other():
    assert collapsed(two_modes(500, 1, share=1.0), two_modes(500, 2, share=1.0)) == []


def test_an_ordered_phase_has_copies_of_its_own():
    """Half of the spins of cold data are all equal: no distance says anything."""
    spins = np.ones((400, 3, 3))
    spins[::2, 0, 0] = -1
    assert not any("duplicates" in line for line in collapsed(spins, spins))


def test_a_fit_that_loses_a_mode_warns():
    objective = Adversarial(Configurations(two_modes(400, 1), symmetries=["z2"]))

    class Stuck(Affine):
        def __init__(self):
            super().__init__()
            self._event_shape = (4, 4)

        def draw(self, n, generator):
            z = torch.randn(n, 4, 4, generator=generator)
            return 0.8 + 0.3 * z + 1e-6 * (self.a + self.b)

    with pytest.warns(UserWarning, match="a mode is missing"):
        found = fit(Stuck(), objective, replace(QUICK, n_epochs=1, learning_rate=1e-6), rng=1)
    assert "a mode is missing, m < 0" in found.warnings
    assert "m < 0" in found.history.attrs["warnings"]


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"divergence": "tv"}, "divergence must be one of"),
        ({"terms": {"perceptual": 1.0}}, "terms must be one of"),
        ({"terms": {"moments": -1.0}}, "weights of terms must be >= 0"),
        ({"terms": {"features": 1.0}}, "'features' needs a network"),
        ({"terms": {"adversarial": 0.0, "moments": 0.0}}, "a weight above 0"),
        ({"strength": -1.0}, "strength must be a finite number >= 0"),
        ({"divergence": "clipped-wasserstein", "strength": 0.0}, "strength must be"),
        ({"n_critic": 0}, "n_critic must be a positive integer"),
        ({"critic": nn.Sequential(nn.BatchNorm2d(1))}, "must not normalise over a batch"),
        ({"critic": nn.Flatten()}, "must have parameters"),
        ({"moments": lambda x: x.mean()}, "moments must return finite numbers"),
    ],
)
def test_bad_arguments(how, said):
    with pytest.raises(InputError, match=said):
        Adversarial(phi4_data(), **how)


def test_bad_models_and_data():
    objective = Adversarial(phi4_data())
    with pytest.raises(InputError, match="term 'likelihood' needs a density"):
        Adversarial(phi4_data(), terms={"likelihood": 1.0}).begin(field_model(), Stream(1))
    with pytest.raises(InputError, match="decimate = False"):
        objective.begin(models.for_target(PHI4, "coupling-flow", rng=1), Stream(1))
    with pytest.raises(InputError, match="draws depend on its weights"):
        objective.begin(models.ConvolutionalEnergy.for_target(PHI4, rng=1), Stream(1))
    ising = Ising((4, 4), beta=0.2)
    spins = Adversarial((ising, ising.hot(Stream(1), 100)))
    with pytest.raises(InputError, match="draws of spins have no gradients"):
        spins.begin(models.for_target(ising, "masked-net", decimate=False, rng=1), Stream(1))
    with pytest.raises(InputError, match="needs spins or real fields, got outcomes"):
        Adversarial(np.zeros((100, 4), np.uint8))
    with pytest.raises(InputError, match="model and data must agree"):
        spins.begin(field_model(), Stream(1))


@pytest.mark.parametrize("estimator", ["straight-through", "reinforce"])
@calm
def test_spins_are_trained_and_the_estimator_is_told(estimator):
    ising = Ising((4, 4), beta=0.2)
    data = Configurations(ising.hot(Stream(1), 200), boundary="periodic", symmetries=["z2"])
    model = models.for_target(data, "spin-gan", channels=3, estimator=estimator, rng=1)
    fit(model, Adversarial(data), replace(QUICK, n_epochs=1), rng=1)
    assert model.trained_by["estimator"] == estimator
    stored = json.loads(models.to_dataset(model).attrs["trained_by"])
    assert stored["terms"] == {"adversarial": 1.0, "moments": 3.0}
