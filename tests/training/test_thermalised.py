"""Alarms of ensembles that were stopped too early, each by the name of its test."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physgen import HMC, Configurations, FreeField, Phi4, as_target
from physgen.core.errors import InputError
from physgen.training import DenoisingDiffusion, FlowMatching
from physgen.training.thermalised import check_thermalised, complaints

DATA = Path(__file__).parents[2] / "data" / "phi4-2d"


def stored(name):
    with xr.open_dataset(DATA / name, engine="h5netcdf") as ds:
        return ds["configurations"].values.reshape(-1, 16, 16)


@pytest.mark.slow
def test_the_unthermalised_specimen_is_refused_and_the_other_is_not():
    """Independent draws that were all stopped too early: no trend in a chain gives it away."""
    target = Phi4.from_hopping(L=16, kappa=0.27, lam=0.022)
    x = stored("L16_kappa0.27_lam0.022_unthermalised.h5")
    with pytest.raises(InputError, match=r"thermalised; stationarity: .*magnetization.* moves by"):
        DenoisingDiffusion(target, x)
    with pytest.raises(InputError, match="stationarity"):
        FlowMatching(target, x)
    with pytest.warns(UserWarning, match="stationarity"):
        DenoisingDiffusion(target, x, thermalised="warn")
    assert DenoisingDiffusion(target, x, thermalised="ignore").regression == "mixed"
    sound = stored("L16_kappa0.26_lam0.022.h5")
    assert complaints(Phi4.from_hopping(L=16, kappa=0.26, lam=0.022), sound) == []
    # The right configurations of another coupling are as wrong.
    with pytest.raises(InputError, match="stationarity: action"):
        check_thermalised(target, sound)


def test_any_force_will_do():
    """A user's action moves by HMC; exact draws stay, draws of another mass do not."""
    free, rng = FreeField(L=4, m2=1.0), np.random.default_rng(1)
    own = as_target(free.action, (4, 4), force=free.force)
    assert complaints(own, free.sample(400, rng=1)) == []
    assert "stationarity: action" in complaints(own, 1.3 * free.sample(400, rng=1))[0]
    assert complaints(as_target(free.action, (4, 4)), rng.normal(size=(40, 4, 4))) == []
    assert HMC  # the move


def test_false_alarms_are_rare():
    free = FreeField(L=4, m2=0.5)
    assert [s for s in range(20) if complaints(free, free.sample(100, rng=s))] == []


def chains(n_chains, n_draws, drift=0.0, apart=0.0, seed=1):
    """AR(1) series in every number of a field."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_chains, n_draws, 4, 4))
    for t in range(1, n_draws):
        x[:, t] = 0.3 * x[:, t - 1] + np.sqrt(1 - 0.09) * x[:, t]
    x = x + drift * np.linspace(-1, 1, n_draws)[None, :, None, None]
    return x + apart * rng.standard_normal((n_chains, 1, 1, 1))


def of(x):
    return Configurations(x, chains=True, boundary="periodic", symmetries=["translations"])


def test_chains_without_an_action_are_tested_as_chains():
    assert complaints(of(chains(100, 20))) == []
    assert complaints(of(chains(4, 400))) == []
    with pytest.raises(InputError, match="drift: magnetization still drifts"):
        DenoisingDiffusion(of(chains(100, 20, drift=0.2)))
    with pytest.raises(InputError, match=r"R-hat of magnetization is .* > 1.1"):
        DenoisingDiffusion(of(chains(4, 200, apart=0.5)))
    x, start = chains(40, 20), np.repeat(["hot", "cold"], 20)
    assert complaints(of(x), start=start) == []
    x[:20] += 0.2
    assert "hot/cold: hot and cold starts disagree" in complaints(of(x), start=start)[0]
    assert complaints(of(chains(1, 100))) == []


def test_bad_input():
    with pytest.raises(InputError, match="thermalised must be one of 'refuse', 'warn', 'ignore'"):
        check_thermalised(of(chains(2, 20)), action="hope")
