"""Samplers with the exact score of a free field: propagator, orders, laws of the start."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import FreeField
from physgen.core.errors import InputError
from physgen.models.diffusion.predictions import KINDS, predicted, score_from
from physgen.models.diffusion.processes import OU, PROCESSES, process_of
from physgen.models.diffusion.samplers import SAMPLERS, carried, diffused, times

FIELD = FreeField(L=4, m2=0.3)
C = torch.tensor(np.sort(1 / FIELD.spectrum.ravel())[::-1].copy())  # variances of modes
N = len(C)
every_process = pytest.mark.parametrize("name", PROCESSES)


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def law(process, t):
    """Variances of the modes at time t."""
    return torch.tensor(process.variance(t, C.numpy()))


def exact_score(process):
    return lambda x, t: -x / law(process, t)


def divergence(process):
    return lambda x, t: torch.full((len(x),), -float((1 / process.variance(t, C.numpy())).sum()))


def normals(n, dtype=torch.float64):
    return torch.randn(n, N, generator=generator(), dtype=dtype)


def variances(process, method, grid, monkeypatch):
    """Variance of every mode at the end, without statistics: a linear score, a linear sampler.

    Row 0 begins with one standard deviation; row k + 1 gets one unit of noise in step k.
    """
    steps, calls = len(grid) - 1, iter(range(len(grid)))

    def pulse(shape, **how):
        found = torch.zeros(tuple(shape), dtype=how["dtype"])
        found[next(calls) + 1] = 1
        return found

    monkeypatch.setattr("physgen.models.diffusion.samplers.torch.randn", pulse)
    x = torch.zeros(steps + 1, N, dtype=torch.float64)
    x[0] = law(process, grid[0]).sqrt()
    return (diffused(process, exact_score(process), x, grid, method, generator()) ** 2).sum(0)


@pytest.mark.parametrize("method", SAMPLERS)
@pytest.mark.parametrize("name", ["ou", "cosine", "edm"])
def test_the_propagator_comes_back_at_every_thinning(name, method, monkeypatch):
    """The error of each mode's variance falls like the steps: T3, without statistics."""
    process, off = process_of(name), []
    for n in (25, 50, 100):
        found = variances(process, method, times(process, n), monkeypatch)
        off.append(float(((found - C) / C).abs().max()))
    order = 2 if method == "heun" else 1
    assert off[-1] < (0.02 if order == 2 else 0.25)
    assert off[1] / off[2] == pytest.approx(2**order, rel=0.35)
    assert off[0] > off[1] > off[2]


def test_draws_have_the_propagator_of_the_free_field():
    """Two-point function of draws by the flow, at all distances."""
    process = OU()
    axes = FIELD.lattice.dim
    noise = np.random.default_rng(2).standard_normal((8192, 4, 4))
    spectrum = 1 / FIELD.spectrum

    def score(x, t):
        k = torch.fft.fftn(x, dim=(1, 2))
        return -torch.fft.ifftn(k / torch.tensor(process.variance(t, spectrum)), dim=(1, 2)).real

    start = np.fft.ifftn(
        np.fft.fftn(noise, axes=(1, 2)) * np.sqrt(process.variance(5.0, spectrum)), axes=(1, 2)
    ).real
    x = diffused(process, score, torch.tensor(start), times(process, 60)).numpy()
    assert axes == 2
    pair = np.fft.ifftn(np.abs(np.fft.fftn(x, axes=(1, 2))) ** 2, axes=(1, 2)).real / 16
    corner = [(0, 0), (0, 1), (1, 1), (2, 2)]
    exact = FIELD.propagator()
    for at in corner:
        found, error = pair[:, *at].mean(), pair[:, *at].std() / np.sqrt(8192)
        assert within(found, exact[at], error, largest=0.02, rounding=2e-3)
        assert not within(found, 1.2 * exact[at] + 0.1, error, largest=0.02, rounding=2e-3)


@every_process
def test_log_q_of_heun_is_of_second_order_for_every_prediction(name):
    """Halved steps: a quarter of the error; four predictions, one number (T2)."""
    process, x = process_of(name), normals(3) * C.sqrt()
    exact = -0.5 * (x * x / C).sum(1) - 0.5 * torch.log(2 * torch.pi * C).sum()
    top = law(process, process.end)
    found = {}
    for kind in KINDS:
        score = score_from(kind, process, predicted(kind, process, exact_score(process)))
        for n in (80, 160, 320):
            grid = times(process, n, least=0.1)[::-1].copy()
            y, gained = carried(process, score, x, grid, torch.zeros(3), divergence(process))
            start = -0.5 * (y * y / top).sum(1) - 0.5 * torch.log(2 * torch.pi * top).sum()
            found[kind, n] = start - gained
        off = [float((found[kind, n] - exact).abs().max()) for n in (80, 160, 320)]
        assert 3.4 < off[0] / off[1] < 4.6
        assert 3.4 < off[1] / off[2] < 4.6
        torch.testing.assert_close(found[kind, 80], found["score", 80], atol=1e-6, rtol=0)


def test_a_flow_with_the_whole_of_g2_is_caught():
    """Saboteur: dx/dt = f x - g^2 s, with no half."""

    class Wrong(OU):
        def diffusion2(self, t):
            return 2 * super().diffusion2(t)

    sound, wrong = OU(), Wrong()
    start = law(sound, 5.0).sqrt()[None]
    ends = [diffused(p, exact_score(sound), start, times(p, 100))[0] ** 2 for p in (sound, wrong)]
    torch.testing.assert_close(ends[0], C, rtol=0.02, atol=0)
    assert float((ends[1] / C).max()) < 0.1  # all modes collapse


def test_noise_and_flow_share_their_marginals():
    process, n = OU(), 4000
    start = normals(n) * law(process, 5.0).sqrt()
    grid = times(process, 150)
    for method in ("euler-maruyama", "frozen", "ancestral"):
        x = diffused(process, exact_score(process), start.clone(), grid, method, generator(5))
        error = C.numpy() * np.sqrt(2 / n)
        assert within(x.var(0).numpy(), C.numpy(), error, largest=0.3, rounding=0.08)


@every_process
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_start_before_the_end_has_the_law_of_its_time(name, share):
    """T1: N(0, 1) data from t < T.  For the line at t = 1/2 the deviation is 0.7071."""
    process = process_of(name)
    t = share * process.end
    size = float(np.sqrt(process.variance(t, 1.0)))
    if name == "linear" and share == 0.5:
        assert process.variance(0.5, 1.0) == 0.5
    x = normals(500) * size
    end = diffused(
        process, lambda x, t: -x / float(process.variance(t)), x, times(process, 200, start=t)
    )
    torch.testing.assert_close(end, x / size, rtol=5e-3, atol=1e-6)


@every_process
@pytest.mark.parametrize("spacing", ["geometric", "uniform", "rho"])
def test_grids_end_at_exactly_zero(name, spacing):
    process = process_of(name)
    for n in (1, 2, 37):
        grid = times(process, n, spacing)
        assert grid.shape == (n + 1,)
        assert grid[0] == process.end
        assert grid[-1] == 0
        assert np.all(np.diff(grid) < 0)
        for method in SAMPLERS:  # one step is poor, and finite
            x = diffused(process, exact_score(process), normals(2), grid, method, generator())
            assert bool(torch.isfinite(x).all())


def test_the_lectures_scheme_is_the_frozen_score():
    """e^h x + 2 (e^h - 1) s + (e^2h - 1)^1/2 xi for dX = -X dt + sqrt(2) dB."""
    x, h = normals(3), 0.3
    grid = np.array([1.0, 1.0 - h])
    found = diffused(OU(), lambda x, t: -0.2 * x, x, grid, "frozen", generator(2))
    xi = torch.randn(x.shape, generator=generator(2), dtype=torch.float64)
    e = np.exp(h)
    wanted = e * x + 2 * (e - 1) * (-0.2 * x) + np.sqrt(e * e - 1) * xi
    torch.testing.assert_close(found, wanted)


def test_bad_input():
    process, x = OU(), normals(2)
    score = exact_score(process)
    with pytest.raises(InputError, match="n_steps must be a positive integer, got 0"):
        times(process, 0)
    with pytest.raises(InputError, match=r"start must lie in \(0, 5\], got 6"):
        times(process, 5, start=6.0)
    with pytest.raises(InputError, match="method must be one of"):
        diffused(process, score, x, times(process, 4), "ddim")
    with pytest.raises(InputError, match="needs a generator"):
        diffused(process, score, x, times(process, 4), "ancestral")
    with pytest.raises(InputError, match="falling times"):
        diffused(process, score, x, np.array([0.0, 1.0]))
    with pytest.raises(InputError, match="exact divergence"):
        carried(process, score, x, times(process, 4), torch.zeros(2))
