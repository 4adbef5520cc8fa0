"""Draws are kept small: exactly where they are integers, to float32 where they are fields."""

import numpy as np
import pytest
import xarray as xr

from physgen.lattice import Hypercubic
from physgen.samplers import HMC, SwendsenWang, run
from physgen.targets import Ising, Phi4
from physgen.workflow.lattice.packing import pack, unpack


@pytest.mark.parametrize(
    ("target", "width"),
    [
        (Ising(L=6, beta=0.4), np.int16),
        (Ising(L=6, beta=0.4, J=500.0, h=1000.0), np.int32),
        (Ising(beta=0.3, lattice=Hypercubic((3, 5), "open")), np.int16),
    ],
)
def test_spins_are_kept_exactly(target, width):
    ds = run(SwendsenWang(), target, n_chains=4, n_draws=20, warmup=5, seed=1, quiet=True)
    packed = pack(ds, target)
    assert packed["energy"].dtype == width
    assert packed["spin_sum"].dtype == np.int16
    back = unpack(packed)
    for name in ("energy", "magnetization"):
        np.testing.assert_allclose(back[name], ds[name], rtol=1e-14, atol=1e-12)
    assert back["magnetization"].attrs["units"] == "1"
    xr.testing.assert_identical(unpack(pack(back, target)), back)


def test_energies_that_are_no_integers_are_kept_as_they_are():
    target = Ising(L=4, beta=0.4, J=0.7)
    ds = run(SwendsenWang(), target, n_chains=4, n_draws=20, warmup=5, seed=1, quiet=True)
    assert pack(ds, target)["energy"].identical(ds["energy"])


def test_fields_are_kept_to_float32_and_stay_so():
    target = Phi4.from_hopping(4, kappa=0.2, lam=0.02)
    ds = run(HMC(), target, n_chains=4, n_draws=20, warmup=20, seed=1, quiet=True)
    packed = pack(ds, target)
    assert {v.dtype for v in packed.data_vars.values() if "draw" in v.dims} == {np.dtype("f4")}
    back = unpack(packed)
    np.testing.assert_allclose(back["action"], ds["action"], rtol=1e-7)
    xr.testing.assert_identical(pack(back, target), packed)
