"""Weights of paths: exact log Z for any score and any steps, coverage, resampling, refusals."""

import numpy as np
import pytest
import torch
from helpers.flows import make
from helpers.statistics import unit_variance_p, within

from physgen import EquivariantCNF, FreeField, Phi4, Phi4Cluster, estimates, run
from physgen.core.errors import InputError
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models.diffusion import path_weights
from physgen.models.diffusion.path_kernels import PATHS, Kernel, kernels
from physgen.models.diffusion.path_weights import path_importance
from physgen.models.diffusion.processes import PROCESSES, process_of
from physgen.models.diffusion.samplers import times
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers import unpack_configurations

FREE = FreeField(L=4, m2=0.5)
PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
LOG_Z = 2.405138962  # of phi4_torus, see tests/exact/test_phi4_quadrature.py


def gaussian(process="ou"):
    """The free field: its spectrum, and a network that is zero."""
    model = ScoreModel(FREE.event_shape, process=process, rng=1).double()
    fields = model.modes.numpy().T.reshape(-1, *FREE.event_shape)
    model.assign_spectrum(-1 / (fields * FREE.force(fields)).sum((1, 2)))
    return model


@pytest.fixture(scope="module")
def rough():
    """A poor model of phi^4: solved on few configurations, without a step of training."""
    how = {"n_chains": 128, "n_draws": 8, "thin": 2, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), PHI4, keep="configurations", **how)
    x = unpack_configurations(ds).values.reshape(-1, 4, 4)
    model = ScoreModel.for_target(PHI4, rng=1, channels=2, times=2)
    model.even.standardise(model.rest(x))
    with torch.no_grad():  # a network that is wrong, so that paths have work to do
        for out in model.even.network.out:
            out.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("process", PROCESSES)
def test_a_gaussian_field_is_exact_in_two_steps_of_any_clock(process):
    found = path_importance(gaussian(process), FREE, 128, 1, n_steps=2, ess_floor=1)
    assert float(found.ess_share) > 1 - 1e-6
    assert float(found.log_z) == pytest.approx(FREE.log_z, abs=1e-5)


def pulls(model, target, log_z, n_seeds, **how):
    found = [path_importance(model, target, ess_floor=1, seed=s, **how) for s in range(n_seeds)]
    values, errors = ([float(d[k]) for d in found] for k in ("log_z", "log_z_error"))
    return np.subtract(values, log_z) / errors, np.array(values), np.array(errors)


def test_errors_of_a_free_field_cover_its_log_z():
    """A model of the wrong mass: weights have work to do, and pulls unit variance."""
    model = gaussian()
    model.spectrum.mul_(0.8)
    found, values, errors = pulls(model, FREE, FREE.log_z, 20, n=256, n_steps=4)
    assert unit_variance_p(found) > 1e-3
    assert within(values.mean(), FREE.log_z, errors.mean() / 20**0.5, largest=0.02)
    # Steps that forget the spectrum have weights too, if there are many.
    how = {"n": 512, "n_steps": 100, "resample": 0.0}
    found, _, _ = pulls(gaussian(), FREE, FREE.log_z, 2, method="frozen", **how)
    assert np.abs(found).max() < 4


@pytest.mark.parametrize(("below", "n"), [(0.0, 512), (0.7, 2048)])
def test_errors_cover_the_exact_log_z_of_phi4_whatever_the_score(rough, below, n):
    found, values, errors = pulls(rough, PHI4, LOG_Z, 20, n=n, n_steps=6, resample=below)
    assert unit_variance_p(found) > 1e-3
    assert within(values.mean(), LOG_Z, errors.mean() / 20**0.5, largest=0.02)
    shares = path_importance(rough, PHI4, n, 1, n_steps=6, resample=below, ess_floor=1)
    assert 0.1 < float(shares.ess_share) < 0.9
    if below:
        assert float(shares.resampled.max()) > 0.5


@pytest.mark.parametrize("what", ["wrong copies", "no start", "white noise", "scale"])
def test_saboteurs_of_the_weight_are_caught(rough, what, monkeypatch):
    if what == "wrong copies":  # resampled by the squares of the weights
        right = path_weights.Islands.resample

        def squared(self, below, rng):
            log_w = 2 * self.log_weight
            self.log_weight = log_w - np.log(np.exp(log_w).sum(1, keepdims=True))
            return right(self, below, rng)

        monkeypatch.setattr(path_weights.Islands, "resample", squared)
    elif what == "no start":
        monkeypatch.setattr(path_weights.Paths, "log_law", lambda self, x: torch.zeros(len(x)))
    elif what == "white noise":  # drawn with one deviation, scored with another
        drawn = Kernel.drawn
        monkeypatch.setattr(Kernel, "drawn", lambda self, x, s, xi: drawn(self, x, s, 1.03 * xi))
    else:
        ratio = Kernel.log_ratio

        def unnormalised(self, x, new, xi):
            return ratio(self, x, new, xi) - float((self.noise / self.variance**0.5).log().sum())

        monkeypatch.setattr(Kernel, "log_ratio", unnormalised)
    found, _, _ = pulls(rough, PHI4, LOG_Z, 2, n=4096, n_steps=6, resample=0.9)
    assert np.abs(found).max() > 5


def test_observables_are_those_of_the_target(rough):
    found = path_importance(rough, PHI4, 4096, 3, n_steps=8)
    phi2 = estimates(found).sel(quantity="phi2")
    assert within(phi2.value, phi4_torus(PHI4)["phi2"], phi2.error, largest=0.006)
    assert found.attrs["exactness_for"] == "the target"
    assert found["log_weight"].dims == ("chain", "draw")
    with torch.no_grad():
        raw = rough.even.sample(4096, 1).square().mean()
    assert abs(float(raw) - float(phi2.value)) > 0.01  # of the even sites, not corrected


def test_resampling_helps_poor_paths():
    how = {"n_steps": 40, "method": "frozen", "ess_floor": 1}
    poor, helped = (
        float(path_importance(gaussian(), FREE, 2048, 1, resample=r, **how).log_z_error)
        for r in (0.0, 0.5)
    )
    assert helped < 0.7 * poor


def test_the_log_ratio_is_that_of_two_normal_densities():
    process, c = process_of("vp"), torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    for method in PATHS:
        for kernel in kernels(process, c, times(process, 3), method):
            x, s, xi = torch.randn(3, 2, 3, generator=generator, dtype=torch.float64)
            new = kernel.drawn(x, s, xi)
            a = float(process.alpha(kernel.t) / process.alpha(kernel.s))
            v = float(process.sigma(kernel.t) ** 2 - (a * process.sigma(kernel.s)) ** 2)
            forward = torch.distributions.Normal(a * new, v**0.5).log_prob(x).sum(1)
            mean = kernel.keep * x + kernel.pull * s
            back = torch.distributions.Normal(mean, kernel.noise).log_prob(new).sum(1)
            torch.testing.assert_close(kernel.log_ratio(x, new, xi), forward - back)
            torch.testing.assert_close(kernel.deviates(x, s, new), xi)


def test_bad_input(rough):
    for n in (0, 1):
        with pytest.raises(InputError, match="n_steps must be an integer >= 2"):
            path_importance(rough, PHI4, 128, n_steps=n)
    with pytest.raises(InputError, match=r"make.* the last one without; take 'posterior'"):
        path_importance(rough, PHI4, 128, method="ancestral")
    with pytest.raises(InputError, match="resample must be a share in"):
        path_importance(rough, PHI4, 128, resample=1.0)
    with pytest.raises(InputError, match=r"at least 200 effective draws, got .* after 5 steps"):
        path_importance(gaussian(), FREE, 4096, n_steps=5, method="frozen", resample=0.0)
    with pytest.raises(InputError, match="take importance"):
        path_importance(EquivariantCNF.for_target(PHI4), PHI4)
    with pytest.raises(InputError, match="must live on the configurations of the target"):
        path_importance(make("score"), Phi4.from_unhalved(L=6, m2=1.0, lam=1.0))
