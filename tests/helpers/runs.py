"""A small run whose every checkpoint is known, to be interrupted in all ways.

The first checkpoint outweighs the next ones, so that they are merged in pairs.
"""

import numpy as np
import xarray as xr

from physgen.results import RunStore, open_run

CONFIG = {"L": 8, "seed": 1}
MAY_DIFFER = ("created", "cpu_seconds", "wall_seconds")
OPENED = 1  # acknowledged once the store is open; commit k is acknowledged as OPENED + k


def checkpoint(step):
    rng = np.random.default_rng(step)
    samples = xr.Dataset(
        {
            "outcomes": (
                ("sample", "site"),
                rng.integers(0, 4, (3000 if step == 1 else 40 + step, 8), dtype=np.uint8),
            )
        },
        coords={"site": np.arange(8)},
        attrs={"povm": "pauli-4"},
    )
    state = xr.Dataset({"weights": ("k", rng.normal(size=5)), "step": step})
    return {"samples": samples, "training/checkpoint": state}


def run(path, acknowledge=lambda n: None, n_steps=3, store_class=RunStore):
    """A run as a workflow would write it: begin or resume, a checkpoint a step, finish."""
    with store_class.open(path, CONFIG) as store:
        done = 0
        if store.has("training/checkpoint"):
            done = int(store.read("training/checkpoint").step)
        acknowledge(OPENED + done)
        for step in range(done + 1, n_steps + 1):
            store.commit(checkpoint(step), append={"samples": "sample"})
            acknowledge(OPENED + step)
        store.finish()


def committed(path):
    tree = open_run(path)
    assert not tree.children or set(tree.children) == {"samples", "training"}
    if not tree.children:
        return 0
    step = int(tree["training/checkpoint"].step)
    whole = [checkpoint(k)["samples"] for k in range(1, step + 1)]
    assert tree["samples"].to_dataset().identical(xr.concat(whole, "sample"))
    return step


def same(a, b):
    """Whether two finished runs are equal, bit for bit."""
    a, b = open_run(a), open_run(b)
    for name in MAY_DIFFER:
        a.attrs.pop(name), b.attrs.pop(name)
    return a.identical(b) and a.attrs == b.attrs


CLOCKS = ("cpu_seconds",)


def assert_same_numbers(a, b):
    """Equal but for clocks and the machine: every variable of every group, byte for byte."""
    a, b = open_run(a), open_run(b)
    assert a.groups == b.groups
    for group in a.groups:
        ours, theirs = (tree[group].to_dataset(inherit=False) for tree in (a, b))
        assert set(ours.variables) == set(theirs.variables), group
        for name in set(ours.variables) - set(CLOCKS):
            x, y = ours[name].values, theirs[name].values
            same = x.tobytes() == y.tobytes() if x.dtype != object else (x == y).all()
            assert (x.dtype, x.shape) == (y.dtype, y.shape), f"{group}/{name}"
            assert same, f"{group}/{name}"
