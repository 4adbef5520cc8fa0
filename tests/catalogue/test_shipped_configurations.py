"""The configurations in data/ are what their READMEs say."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers.statistics import normal_p

from physgen import Ising, Phi4
from physgen.exact import kaufman
from physgen.workflow.lattice.data_section import DataSection

DATA = Path(__file__).resolve().parents[2] / "data"
FIELDS = DATA / "phi4-2d/L16_kappa0.26_lam0.022.h5"
UNTHERMALISED = DATA / "phi4-2d/L16_kappa0.27_lam0.022_unthermalised.h5"
SPINS = DATA / "ising-2d/L16_critical.h5"
KC = math.log(1 + math.sqrt(2)) / 2


def read(path):
    """Configurations (chain, draw, 16, 16)."""
    return xr.load_dataset(path, engine="h5netcdf")["configurations"].values


def pull(values, expected):
    """Pull of a mean of values (chain, draw), from the spread of the chains."""
    means = values.mean(axis=1)
    return (means.mean() - expected) / (means.std(ddof=1) / math.sqrt(len(means)))


@pytest.mark.parametrize("path", [FIELDS, UNTHERMALISED, SPINS], ids=lambda p: p.stem)
def test_files_are_described_and_whole(path):
    lines = (path.parent / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[path.name]
    assert path.name in (path.parent / "README.md").read_text()


def virial(target, x):
    """(1/V) sum_x phi_x dS/dphi_x, whose mean is 1 in equilibrium, by partial integration."""
    return -(x * target.force(x)).mean(axis=(-2, -1))


def test_fields_obey_the_virial_identity_of_their_action_and_of_no_other():
    x = read(FIELDS).astype(np.float64)
    assert normal_p(pull(virial(Phi4.from_hopping(L=16, kappa=0.26, lam=0.022), x), 1.0)) > 1e-3
    near = Phi4.from_hopping(L=16, kappa=0.266, lam=0.022)
    assert normal_p(pull(virial(near, x), 1.0)) < 1e-6


def test_spins_have_the_exact_energy_and_no_other():
    x = read(SPINS)
    energy = Ising(L=16, beta=KC).energy(x) / 256
    exact = float(kaufman.energy_per_site(KC, (16, 16)))
    assert normal_p(pull(energy, exact)) > 1e-3
    assert normal_p(pull(energy, exact * 1.02)) < 1e-4


def test_the_unthermalised_fields_are_far_from_equilibrium():
    m = np.abs(read(UNTHERMALISED).astype(np.float64).mean(axis=(-2, -1)))
    error = m.std(ddof=1) / math.sqrt(m.size)
    # 0.7633(3), from long cluster chains.
    assert (m.mean() - 0.7633) / error < -5


@pytest.mark.parametrize(("path", "kind"), [(FIELDS, "reals"), (SPINS, "spins")])
def test_configs_read_the_files(path, kind):
    section = DataSection(
        holds="configurations", file=str(path), chains=True, boundary="periodic",
        symmetries=["translations", "z2"],
    )  # fmt: skip
    found = section.target(None, {})
    assert found.support.kind == kind
    assert found.event_shape == (16, 16)
