"""Correlators, effective masses and correlation lengths of runs: exact values and coverage."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers.chains import BoundChain
from helpers.marks import slow
from helpers.statistics import accepts, unit_variance_p, within
from scipy.signal import lfilter

from physgen.analysis import format_table
from physgen.core.chains import Info, State
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact import exact_values, probabilities
from physgen.exact.enumeration import spins_of
from physgen.lattice import Hypercubic
from physgen.observables import (
    correlator,
    effective_mass,
    propagator,
    second_moment_correlation_length,
)
from physgen.samplers import (
    ExactDraws,
    correlators,
    draws_of,
    estimates,
    importance,
    measured,
    run,
)
from physgen.targets import Configurations, FreeField, Ising, as_target

FREE = FreeField((4, 8), m2=0.5)
EXACT = exact_values(FREE)
NAMES = ["magnetization", "correlator", "propagator"]
CURVES = [f"correlator[{t}]" for t in range(5)] + [f"effective_mass[{t}]" for t in range(4)]
CURVES += [f"propagator[{n}]" for n in range(5)] + ["correlation_length"]


@dataclass(frozen=True)
class FieldChain:
    """AR(1) in every mode of a free field, about `shift`: its exact law, slow by a known time."""

    rho: float = 0.8
    shift: float = 0.0

    def bind(self, target: Any) -> Any:
        return BoundFieldChain(target, self.rho, shift=self.shift)


@dataclass(frozen=True)
class BoundFieldChain(BoundChain):
    shift: float = 0.0

    def init(self, rng, n_chains, start="hot"):
        n = n_chains * (self.target.event_shape[2] if len(self.target.event_shape) > 2 else 1)
        x = self.shift + self._fields(n, rng)
        return State(x, {"age": np.zeros(n_chains, dtype=np.int64)})

    def _fields(self, n, rng):
        x = FREE.sample(n, rng)
        if len(self.target.event_shape) == 2:
            return x
        return np.moveaxis(x.reshape(-1, self.target.event_shape[2], 4, 8), 1, -1)

    def step(self, rng, state, n=1):
        x, count = state.x - self.shift, len(state.x) * int(np.prod(state.x.shape[3:]))
        for k in range(n):
            noise = self._fields(count, rng.child("noise").at(k))
            x = self.rho * x + np.sqrt(1 - self.rho**2) * noise
        return State(x + self.shift, {"age": state.aux["age"] + n}), Info(np.ones(len(x)), {})


def chains(target, seed, n_chains=64, n_draws=40, shift=0.0):
    return run(FieldChain(shift=shift), target, n_chains=n_chains, n_draws=n_draws, warmup=0,
               rng=seed, observables=NAMES, quiet=True)  # fmt: skip


def test_exact_values_of_a_free_field():
    """The dispersion of the lattice, and xi = 1 / m: the second moment is exact."""
    mass = 2 * np.arcsinh(np.sqrt(FREE.m2) / 2)
    np.testing.assert_allclose(EXACT["effective_mass"], mass)
    assert float(EXACT["correlation_length"]) == pytest.approx(1 / np.sqrt(FREE.m2))
    p = 2 * np.pi * np.arange(5) / 8
    np.testing.assert_allclose(EXACT["propagator"], 1 / (4 * np.sin(p / 2) ** 2 + FREE.m2))
    square = exact_values(FreeField(6, m2=0.3))
    G = FreeField(6, m2=0.3).propagator().sum(0)[:4]
    np.testing.assert_allclose(square["correlator"], G)


def slow_fields(seed, n_chains, n_draws, rho=0.8, shift=0.0):
    """Return the draws of a run by hand: AR(1) in every mode of a free field."""
    noise = FREE.sample(n_chains * n_draws, seed).reshape(n_chains, n_draws, 4, 8)
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    x = lfilter([1.0], [1.0, -rho], noise, axis=1)
    symmetries = [] if shift else ["z2"]
    data = Configurations(x + shift, chains=True, boundary="periodic", symmetries=symmetries)
    return measured(data, NAMES)


@pytest.mark.statistical
@pytest.mark.parametrize("shape", [(64, 40), slow((8, 640))], ids=["many chains", "few chains"])
def test_coverage_of_correlators_masses_and_lengths(shape):
    """Pulls of slow chains have unit variance, quantity by quantity."""

    def p_value(n, seed, spoiled=False, exact=EXACT):
        rows = []
        for s in range(n):
            ds = slow_fields(Stream(seed).child(s), *shape)
            if spoiled:  # every draw is called a chain of its own: no autocorrelation
                flat = {k: ds[k].values.reshape(-1, 1, *ds[k].shape[2:]) for k in NAMES}
                ds = xr.Dataset({k: (ds[k].dims, v) for k, v in flat.items()}, attrs=ds.attrs)
            rows.append(estimates(ds, exact)["pull"].sel(quantity=CURVES).values)
        found = np.array(rows)
        assert np.isfinite(found).all()
        return found.shape[1] * min(unit_variance_p(column) for column in found.T)

    assert accepts(p_value, 12)
    assert p_value(6, 1, spoiled=True) < 1e-3  # saboteur: tau_int is 2.3 for products of fields
    assert p_value(6, 1, exact=exact_values(FreeField((4, 8), m2=0.8))) < 1e-3


@pytest.mark.slow
def test_a_mean_is_subtracted_and_its_bias_removed():
    """A field about 3: the connected parts, masses and lengths are those of the field about 0."""
    target = as_target(
        lambda x: FREE.action(x - 3.0), lattice=FREE.lattice, symmetries=["translations"]
    )
    table = estimates(chains(target, Stream(1), 64, 400, shift=3.0), EXACT)
    assert "(V/T) <m>^2" in str(table["estimator"].sel(quantity="correlator[0]").values)
    assert "<G(p)>" in str(table["estimator"].sel(quantity="propagator[1]").values)
    at = table.sel(quantity=CURVES)
    largest = 0.12 * np.abs(at["reference"])
    for k, name in enumerate(CURVES):
        q = at.isel(quantity=k)
        assert within(q["value"], q["reference"], q["error"], largest=largest[k]), name
    # saboteur: without the subtraction there is no decay
    raw = chains(target, Stream(1), 64, 400, shift=3.0)
    plain = estimates(raw.drop_vars("magnetization"))
    assert "not connected" in str(plain["estimator"].sel(quantity="correlator[4]").values)
    assert float(plain["value"].sel(quantity="correlator[4]")) > 30
    assert "effective_mass[0]" not in plain["quantity"]
    assert "correlation_length" not in plain["quantity"]
    # the bias: of few draws the square of the mean is too large, by 2 tau chi / n = 0.28
    values, raw = [], []
    for seed in range(60):
        ds = slow_fields(seed, 4, 16, shift=3.0)[["magnetization", "propagator"]]
        values.append(float(estimates(ds)["value"].sel(quantity="propagator[0]")))
        raw.append(32 * ds["magnetization"].values.var())
    assert abs(np.mean(values) - 1 / FREE.m2) < 4 * np.std(values) / np.sqrt(60)
    assert np.mean(values) - np.mean(raw) > 0.15


def test_components_of_a_field():
    """Two free components: m is a vector, V counts sites, G sums both, the masses are the same."""

    def action(x):
        return FREE.action(x[..., 0]) + FREE.action(x[..., 1])

    target = as_target(action, (4, 8, 2), lattice=FREE.lattice, symmetries=["z2"])
    ds = run(FieldChain(), target, n_chains=64, n_draws=400, warmup=0, seed=1,
             observables=[*NAMES, "action"], quiet=True)  # fmt: skip
    assert ds["magnetization"].dims == ("chain", "draw", "component")
    assert ds["correlator"].dims == ("chain", "draw", "distance")
    assert ds["propagator"].dims == ("chain", "draw", "momentum")
    np.testing.assert_allclose(ds["momentum"], 2 * np.pi * np.arange(5) / 8)
    table = estimates(ds)
    exact = {f"correlator[{t}]": 2 * float(EXACT["correlator"][t]) for t in range(5)}
    exact |= {f"propagator[{t}]": 2 * float(EXACT["propagator"][t]) for t in range(5)}
    exact |= {f"effective_mass[{t}]": float(EXACT["effective_mass"][t]) for t in range(4)}
    exact |= {"correlation_length": float(EXACT["correlation_length"]), "action_per_site": 1.0}
    exact |= {"susceptibility": 2 / FREE.m2, "magnetization[0]": 0.0, "magnetization[1]": 0.0}
    exact["binder"] = 1 - 4 / 6  # <m^4> / <m^2>^2 of two Gaussian components is 2
    exact["abs_magnetization"] = np.sqrt(np.pi / 2 / FREE.m2 / 32)
    for name, value in exact.items():
        q = table.sel(quantity=name)
        assert within(q["value"], value, q["error"], largest=0.12 * max(value, 0.4)), name
    assert "magnetization" not in table["quantity"]


def test_spins_against_enumeration():
    target = Ising(4, beta=0.35, h=0.1)
    p, x = probabilities(target), spins_of(np.arange(1 << 16), (4, 4))
    m = float(p @ x.mean((1, 2)))
    G, S = p @ correlator(x, 2), p @ propagator(x, 2)
    G, S[0] = G - 4 * m**2, S[0] - 16 * m**2
    exact = {f"correlator[{t}]": G[t] for t in range(3)}
    exact |= {f"propagator[{n}]": S[n] for n in range(3)}
    exact |= {f"effective_mass[{t}]": effective_mass(G[t], G[t + 1], t, 4) for t in range(2)}
    exact["correlation_length"] = second_moment_correlation_length(S[0], S[1], 4)
    names = ["energy", *NAMES]
    ds = run(ExactDraws(), target, n_chains=100, n_draws=200, seed=1, observables=names)
    plain, same = estimates(ds, exact), estimates(ds, exact, beta=0.35)
    for name, value in exact.items():
        for q in (table.sel(quantity=name) for table in (plain, same)):
            assert within(q["value"], value, q["error"], largest=0.05 * abs(value)), name
    moved = estimates(ds, exact, beta=0.30)  # saboteur: another temperature
    assert abs(float(moved["pull"].sel(quantity="correlation_length"))) > 10


@pytest.mark.parametrize("door", [importance, draws_of])
def test_weighted_draws(door):
    """Draws of a heavier field, weighted; each curve against exact values."""
    q = FreeField((4, 8), m2=0.6)
    if door is importance:
        table = importance(q, FREE, 20_000, 1, observables=NAMES, exact=EXACT, log_z=(FREE.log_z, 1e-3))  # fmt: skip # noqa: E501
    else:
        ds = draws_of(q, FREE, 20_000, 1, observables=NAMES, log_z=(FREE.log_z, 1e-3))
        assert ds["correlator"].dims == ("chain", "draw", "distance")
        np.testing.assert_allclose(ds["distance"], np.arange(5))
        table = estimates(ds, EXACT)
    at = table.sel(quantity=CURVES)
    for k, name in enumerate(CURVES):
        row = at.isel(quantity=k)
        largest = 0.05 * abs(float(row["reference"]))
        assert within(row["value"], row["reference"], row["error"], largest=largest), name
    plain = estimates(draws_of(q, None, 20_000, 1, observables=NAMES), EXACT)  # saboteur
    assert abs(float(plain["pull"].sel(quantity="propagator[0]"))) > 10
    assert correlators(table)["correlator"].shape == (5,)


def test_curves_with_dims_of_distance_and_momentum():
    table = estimates(chains(FREE, Stream(1)))
    found = correlators(table)
    assert found["correlator"].dims == found["effective_mass"].dims == ("distance",)
    assert found["propagator"].dims == ("momentum",)
    assert np.isnan(found["effective_mass"].values).tolist() == [False] * 4 + [True]
    for name, place in (("correlator", 3), ("effective_mass", 2), ("propagator", 1)):
        row = table.sel(quantity=f"{name}[{place}]")
        assert float(found[name][place]) == float(row["value"])
        assert float(found[f"{name}_error"][place]) == float(row["error"])
    assert float(found["correlation_length"]) == float(
        table["value"].sel(quantity="correlation_length")
    )
    assert found["distance"].attrs["units"] == "lattice spacing"
    assert found.attrs["exactness"] == "asymptotic"
    with pytest.raises(InputError, match=r"draws that recorded one.*pass observables="):
        correlators(
            estimates(run(ExactDraws(), Ising(4, beta=0.2), n_chains=64, n_draws=9, seed=1))
        )
    with pytest.raises(InputError, match=r"needs a table of `estimates`.*pass estimates"):
        correlators(chains(FREE, Stream(1)))


def test_a_mass_that_noise_hides_is_no_number():
    """Independent sites: G is noise beyond t = 0, so there is no mass, and the table says -."""
    x = np.random.default_rng(2).standard_normal((200, 8))
    data = Configurations(x, boundary="periodic", symmetries=["z2"])
    table = estimates(measured(data, ["correlator"]))
    mass = table.sel(quantity=[f"effective_mass[{t}]" for t in range(1, 4)])
    assert np.isnan(mass["value"]).any()
    assert np.array_equal(np.isnan(mass["value"]), np.isnan(mass["error"]))
    assert any(line.split()[1] == "-" for line in format_table(table).splitlines())


def test_functions_of_the_user_may_have_these_names():
    ds = run(ExactDraws(), Ising(4, beta=0.2), n_chains=64, n_draws=9, seed=1,
             observables={"correlator": lambda x: x[:, :2, 0]})  # fmt: skip
    assert ds["correlator"].dims == ("chain", "draw", "correlator_0")
    assert estimates(ds)["quantity"].values.tolist() == ["correlator[0]", "correlator[1]"]


def test_named_observables_of_a_chain_without_the_mean_are_refused_before_it_runs():
    with pytest.raises(InputError, match="record both"):
        run(ExactDraws(), Ising(4, beta=0.2, h=0.1), n_chains=64, n_draws=9, seed=1,
            observables=["correlator"])  # fmt: skip
    tall = as_target(lambda x: FREE.action(x), lattice=Hypercubic((4, 8), "open"))
    with pytest.raises(InputError, match="needs a periodic lattice"):
        run(FieldChain(), tall, n_chains=64, n_draws=9, seed=1, observables=NAMES)
