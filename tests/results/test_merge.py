"""Runs on one grid: what differs is a dimension, what is missing NaN, what clashes refused."""

import numpy as np
import pytest
import xarray as xr

from physgen.core.errors import InputError
from physgen.results import RunStore
from physgen.results.merge import merge_runs


def a_run(path, seed=1, L=(8,), beta=(0.3, 0.4), shift=0.0, **more):
    config = {"seed": seed, "target": {"L": list(L), "beta": list(beta)}, **more}
    value = 100 * seed + 10 * np.array(L)[:, None] + np.array(beta) + shift
    ds = xr.Dataset(
        {"energy": (("generator", "L", "beta"), value[None]),
         "energy_error": (("generator", "L", "beta"), 0 * value[None] + 0.1),
         "n_sites": ("L", np.array(L) ** 2), "said": ("generator", ["text"])},
        {"generator": ["mcmc"], "L": list(L), "beta": list(beta)},
    )  # fmt: skip
    with RunStore.open(path, config) as store:
        store.commit({"estimates": ds})
        store.finish()
    return path


def test_seeds_and_sizes_become_one_grid(tmp_path):
    runs = [a_run(tmp_path / "a"), a_run(tmp_path / "b", seed=2, L=(4, 16)),
            a_run(tmp_path / "c", seed=2, L=(8,), beta=(0.4, 0.5))]  # fmt: skip
    ds = merge_runs(runs)
    assert dict(ds.sizes) == {"seed": 2, "generator": 1, "L": 3, "beta": 3}
    at = ds.energy.sel(seed=2, generator="mcmc")
    assert float(at.sel(L=16, beta=0.3)) == pytest.approx(360.3)
    assert float(at.sel(L=8, beta=0.5)) == pytest.approx(280.5)
    assert np.isnan(at.sel(L=8, beta=0.3))
    assert np.isnan(ds.energy.sel(seed=1, L=4)).all()
    assert int(np.isfinite(ds.energy).sum()) == 2 + 4 + 2
    assert "said" not in ds
    assert ds.attrs["runs"].split("\n") == list(map(str, runs))


def test_runs_that_differ_in_their_points_alone_are_one_scan(tmp_path):
    runs = [a_run(tmp_path / "a", beta=(0.3,)), a_run(tmp_path / "b", beta=(0.5, 0.4))]
    ds = merge_runs(runs)
    assert dict(ds.sizes) == {"generator": 1, "L": 1, "beta": 3}
    assert np.allclose(ds.energy.squeeze(), 180.0 + ds.beta)
    (one,) = merge_runs(runs[:1]).energy.values.ravel()
    assert one == pytest.approx(180.3)


def test_two_runs_at_one_place_are_refused(tmp_path):
    a_run(tmp_path / "a")
    a_run(tmp_path / "b", note="other")
    with pytest.raises(InputError, match="at one place of the grid"):
        merge_runs([tmp_path / "a", tmp_path / "b"], allow=["note"])
    ds = merge_runs([tmp_path / "a", tmp_path / "b"])  # the note is a dimension
    assert ds.sizes["note"] == 2


def test_a_setting_that_only_some_runs_have_is_a_text(tmp_path):
    ds = merge_runs([a_run(tmp_path / "a"), a_run(tmp_path / "b", thin=3, shift=1.0)])
    assert sorted(ds["thin"].values.tolist()) == ["3", "none"]
    at = ds.energy.sel(L=8, beta=0.3, generator="mcmc")
    assert float(at.sel(thin="3") - at.sel(thin="none")) == pytest.approx(1.0)


def test_a_full_grid_keeps_its_integers_and_its_order(tmp_path):
    seeds = (3, 1, 2)
    ds = merge_runs([a_run(tmp_path / str(s), seed=s) for s in seeds])
    assert ds.seed.values.tolist() == [1, 2, 3]
    assert ds.energy.dims == ("seed", "generator", "L", "beta")
    assert ds.n_sites.dtype.kind == "i"
    np.testing.assert_allclose(ds.energy.sel(L=8, beta=0.3)[:, 0], [180.3, 280.3, 380.3])
    two = merge_runs([a_run(tmp_path / f"t{s}", seed=s, thin=s) for s in seeds])
    assert two.sizes["seed"] == two.sizes["thin"] == 3
    assert int(np.isfinite(two.energy.sel(L=8, beta=0.3)).sum()) == 3


def test_what_is_no_grid_is_refused(tmp_path):
    a_run(tmp_path / "a", extra=[1])
    a_run(tmp_path / "b", extra=[2])
    with pytest.raises(InputError, match="is a list in one of them"):
        merge_runs([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InputError, match="got none"):
        merge_runs([])
    with pytest.raises(InputError, match="must have come as far as crossings"):
        merge_runs([tmp_path / "a"], "crossings")
    c = a_run(tmp_path / "c", p=1, q=1, r=1, s=1, t=1)
    d = a_run(tmp_path / "d", p=2, q=2, r=2, s=2, t=2)
    with pytest.raises(InputError, match="at most 4 settings"):
        merge_runs([c, d])
