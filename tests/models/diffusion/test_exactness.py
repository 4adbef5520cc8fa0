"""What exact weights stand on: the trace, translations, and schedules that may be thinned."""

import itertools

import numpy as np
import pytest
import torch
from helpers.flows import make

from physgen.models.diffusion.process import Process
from physgen.models.diffusion.processes import OU, PROCESSES, process_of
from physgen.models.diffusion.samplers import coefficients, diffused, times


@pytest.mark.parametrize("name", ["score, even", "score, not odd", "score, no point group"])
def test_the_divergence_is_the_trace_and_hutchinson_is_right_on_average_alone(name):
    """All 2^n probes of signs average to the trace; one probe scatters as its formula says."""
    model = make(name, size=0.35)
    (at,) = model.fields_at([0.5 * sum(model.range)])
    n = model.geometry.n
    y = torch.randn(1, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: at.value(z)[0], y)[:, 0]
    exact = float(at.both(y)[1].detach())
    assert exact == pytest.approx(float(jacobian.trace()), rel=1e-6)  # modes of float32
    # Saboteur: the slopes of another field.
    assert abs(float(at.both(0 * y)[1].detach()) - exact) > 1e-4
    probes = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=n)), dtype=torch.float64)
    one = torch.einsum("pi,ij,pj->p", probes, jacobian, probes)
    assert float(one.mean()) == pytest.approx(exact, rel=1e-6)
    half = 0.5 * (jacobian + jacobian.t())
    scatter = 2 * (half.square().sum() - half.diagonal().square().sum())
    assert float(one.var(correction=0)) == pytest.approx(float(scatter), rel=1e-9)
    # The bias of a weight: E[e^-eta] is not 1.
    assert float(torch.exp(exact - one).mean()) > 1 + 0.25 * float(scatter)


def test_scores_commute_with_translations():
    model = make("score")
    x = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for shift in ((1, 0), (0, 1), (2, 3)):
        moved = model.score(x.roll(shift, (1, 2)), 0.3)
        torch.testing.assert_close(moved, model.score(x, 0.3).roll(shift, (1, 2)))


def ring_of_draws(score_matrix, steps=60, sites=8):
    """Covariance at t = 0 of draws by the flow with a linear score on a ring."""
    process = OU()
    start = torch.eye(sites, dtype=torch.float64)
    grid = times(process, steps)
    x = diffused(process, lambda x, t: x @ score_matrix(t), start, grid)
    return x.t() @ x


def test_zero_padding_is_caught_by_the_propagator():
    """Saboteur: the exact score on a ring, with the bonds across the edge cut off."""
    sites, process = 8, OU()
    k = 2 * np.pi * np.arange(sites) / sites
    distance = np.subtract.outer(np.arange(sites), np.arange(sites))
    spectrum = 1 / (4 * np.sin(k / 2) ** 2 + 0.3)

    def circulant(values):
        row = np.fft.ifft(values).real
        return torch.tensor(row[distance % sites])

    def exact(t):
        return circulant(-1 / process.variance(t, spectrum))

    def padded(t):
        return exact(t) * torch.tensor(np.abs(distance) <= sites // 2)

    wanted = circulant(spectrum)
    found = ring_of_draws(exact)
    torch.testing.assert_close(found, wanted, rtol=0.01, atol=0.01)
    wrong = ring_of_draws(padded)
    assert float((wrong - wanted).abs().max()) > 0.1
    assert float(wrong.diagonal().std()) > 0.01  # sites are no longer alike
    assert float(found.diagonal().std()) < 1e-9


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("method", ["euler-maruyama", "frozen", "ancestral"])
def test_a_thinned_schedule_has_the_variances_of_its_own_steps(name, method):
    """T3: 1000 steps thinned to 20, 50, 100: no negative variance, and errors of first order."""
    process, C = process_of(name), np.array([8.0, 1.0, 0.15])
    fine, off = times(process, 1000), []
    for n in (20, 50, 100):
        grid = fine[:: 1000 // n]
        assert grid[-1] == 0
        v = process.variance(grid[0], C)
        rows = coefficients(process, grid, method)
        assert all(noise >= 0 and np.isfinite(noise) for _, _, noise in rows)
        for t, (keep, pull, noise) in zip(grid[:-1], rows, strict=True):
            v = (keep - pull / process.variance(t, C)) ** 2 * v + noise**2
        off.append(np.abs(v / C - 1).max())
    assert off[2] < off[1] < off[0]
    assert off[2] < 0.4
    # Saboteur: the steps of the fine schedule on the thinned grid.
    wrong, rows = process.variance(fine[0], C), coefficients(process, fine, method)[:: 1000 // 100]
    for t, (keep, pull, noise) in zip(fine[:-1:10], rows, strict=True):
        wrong = (keep - pull / process.variance(t, C)) ** 2 * wrong + noise**2
    assert np.abs(wrong / C - 1).max() > 1.5 * off[2]
    assert isinstance(process, Process)
