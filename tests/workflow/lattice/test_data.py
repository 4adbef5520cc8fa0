"""[data] of configurations in place of [target]: models are fitted, drawn, and compared."""

import json

import numpy as np
import pytest

from physgen import HeatBath, Ising, run
from physgen.core.errors import InputError
from physgen.results import open_run, write_dataset
from physgen.samplers import unpack_configurations
from physgen.workflow.lattice.job import JOB as LATTICE
from physgen.workflow.lattice.learning import held_out
from physgen.workflow.loading import config_from_dict, load_config
from physgen.workflow.report import write_report
from physgen.workflow.reporting import Reporter
from physgen.workflow.run import resume
from physgen.workflow.run import run as run_job

CONFIG = """
seed = 3
[data]
holds = "configurations"
file = "spins.npy"
chains = true
boundary = "periodic"
symmetries = ["z2"]
[[model]]
family = "coloured-net"
hidden = 8
[[model]]
family = "masked-net"
label = "wrong"
train = {n_epochs = 1, learning_rate = 1e-5}
[train]
n_epochs = 12
batch_size = 64
learning_rate = 2e-2
[importance]
n_draws = 6400
"""


@pytest.fixture(scope="module")
def spins():
    ds = run(HeatBath(), Ising(L=4, beta=0.35), n_chains=64, n_draws=20, thin=6, seed=5,
             keep="configurations", quiet=True)  # fmt: skip
    return unpack_configurations(ds).values


@pytest.fixture(scope="module")
def folder(spins, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    np.save(folder / "spins.npy", spins)
    (folder / "config.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def done(folder):
    return run_job(load_config(folder / "config.toml"), folder / "run")


@pytest.mark.slow
def test_a_model_that_learns_agrees_with_the_data_and_one_that_does_not_is_told(done):
    tree = open_run(done)
    assert {node.path.split("/")[1] for node in tree.subtree if node.has_data} <= set(
        LATTICE.groups
    ) | {"models"}
    assert tree["data"].sizes["chain"] == 64
    grid = tree["estimates"].to_dataset()
    assert list(grid["generator"].values) == ["data", "coloured-net", "wrong"]
    pulls = tree["agreement"]["pull"].isel(L=0, point=0)
    names = ["abs_magnetization", "bond_product"]  # one of each kind: the others follow from them
    assert np.abs(pulls.sel(other="coloured-net", quantity=names)).max() < 4
    assert np.abs(pulls.sel(other="wrong", quantity=names)).min() > 8
    assert grid.attrs["exactness"] == "approximate"
    draws = tree["models/coloured-net/draws"]
    assert (draws.attrs["exactness"], draws.attrs["exactness_for"]) == (
        "approximate",
        "the target",
    )
    assert "log_weight" not in draws
    assert "log_z" not in grid


def test_models_are_compared_on_what_was_held_out(done, spins):
    tree = open_run(done)
    good, wrong = (tree[f"models/{m}/draws"]["held_out_nll"] for m in ("coloured-net", "wrong"))
    assert good.sizes["held_out"] == wrong.sizes["held_out"] == spins.shape[0] * 2
    history = tree["models/coloured-net/training"]
    kept = history["validation_nll"].values[history["step"].values == history.attrs["best_step"]]
    assert float(good.mean()) == pytest.approx(float(kept[-1]), rel=1e-5)
    assert held_out(history.to_dataset())[:2] == ("NLL", kept[-1])
    # Spins that know nothing of each other have log 2 a site.
    assert float(wrong.mean()) == pytest.approx(np.log(2), abs=0.02)
    assert float((wrong - good).mean()) > 0.05


def test_the_page_names_both_and_says_what_is_not_known(done):
    page = " ".join((done / "report.html").read_text().split())
    for text in ("configurations of spins.npy", "held-out", "have no weights", "misses it"):
        assert text in page, text
    assert "do not trust this run" not in page


def test_a_finished_run_is_shown_without_its_file(done, tmp_path, folder):
    """The report is of what the run file holds."""
    (folder / "spins.npy").rename(tmp_path / "away.npy")
    try:
        write_report(done)
    finally:
        (tmp_path / "away.npy").rename(folder / "spins.npy")


class Stops(Reporter):
    """Breaks the work off in the second block of draws."""

    def update(self, stage, text):
        if stage == "draw" and text.endswith("%") and not text.endswith(": 16%"):
            raise RuntimeError(text)


@pytest.mark.slow
def test_draws_go_on_after_the_last_block(done, folder, tmp_path):
    config = load_config(folder / "config.toml", ["sample.checkpoint_every=1e-6"])
    with pytest.raises(RuntimeError, match="coloured-net: 32%"):
        run_job(config, tmp_path / "run", reporter=Stops())
    assert open_run(tmp_path / "run")["models/coloured-net/draws"].sizes["sample"] == 1024
    resumed = open_run(resume(tmp_path / "run"))
    for name in ("estimates", "models/coloured-net/draws", "models/wrong/draws"):
        assert resumed[name].to_dataset().identical(open_run(done)[name].to_dataset())


def table(folder, **data):
    known = {"holds": "configurations", "file": str(folder / "spins.npy"), "chains": True}
    return {
        "data": {k: v for k, v in {**known, **data}.items() if v is not None},
        "model": {"family": "masked-net", "hidden": 4},
    }


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"sampler": {"name": "auto"}}, "[sampler] needs an action, and [data] holds configurat"),
        (
            {"smc": {}},
            "[smc] needs an action, and [data] holds configurations without one; remove",
        ),
        ({"target": {"name": "ising-2d", "L": 4, "beta": 0.4}}, "a config must have [target], an"),
        (
            {"train": {"objective": "reverse-kl"}},
            "[train] objective = 'reverse-kl' needs an actio",
        ),
        ({"train": {"on": "action"}}, "[train] on = 'action' needs an action"),
        ({"train": {"anneal": 0.3}}, "[train] anneal means nothing without an action"),
        ({"importance": {"ess_floor": 9.0}}, "[importance] ess_floor means nothing without an ac"),
        (
            {"train": {"validation_fraction": 0.0}},
            "[train] validation_fraction must be a number i",
        ),
        (
            {"state": {}},
            "state is not a known section or key; it belongs in a config with [system",
        ),
    ],
)
def test_sections_that_need_an_action_are_refused(folder, sections, message):
    with pytest.raises(InputError) as error:
        config_from_dict(table(folder) | sections)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"holds": "fields"}, "[data] holds must be 'configurations' or 'outcomes', got 'fields'"),
        ({"file": None}, "[data] file must be given"),
        ({"file": "x.txt"}, "[data] file must end in one of .npy, .npz"),
        ({"boundary": "closed"}, "[data] boundary must be"),
        ({"symmetries": ["parity"]}, "[data] symmetries"),
        ({"xyz": 3}, "[data] xyz is not a known key; valid: holds, file"),
    ],
)
def test_a_bad_section_is_refused(folder, data, message):
    with pytest.raises(InputError) as error:
        config_from_dict(table(folder, **data))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"file": "nowhere.npy"}, "[data] file must be a readable file"),
        ({"array": "x"}, "[data] spins.npy: an npy file holds one array without a name, got"),
        ({"symmetries": ["translations"]}, "[data] spins.npy: the symmetry 'translations' needs"),
        ({"support": "reals"}, "[model] masked-net: family of a target of reals must be one of"),
        ({"boundary": ["open"]}, "[data] spins.npy: boundary must be one word, or one for each"),
    ],
)
def test_a_bad_file_is_refused_before_the_run(folder, data, message, tmp_path):
    with pytest.raises(InputError) as error:
        run_job(config_from_dict(table(folder, **data)), tmp_path / "run")
    assert str(error.value).startswith(message)
    assert not (tmp_path / "run").exists()


def test_arrays_of_other_files(folder, spins, tmp_path):
    """The array of several is named; fields of a netCDF file are read as they are."""
    np.savez(tmp_path / "several.npz", spins=spins, beta=np.arange(3))
    named = table(tmp_path, file=str(tmp_path / "several.npz"), array="spins")
    assert len(config_from_dict(named).data.target(None, {})) == spins.shape[0] * spins.shape[1]
    unnamed = table(tmp_path, file=str(tmp_path / "several.npz"))
    with pytest.raises(
        InputError, match=r"several\.npz must hold one set of .* holds beta, spins"
    ):
        config_from_dict(unnamed).data.target(None, {})
    import xarray as xr

    fields = np.random.default_rng(1).standard_normal((50, 4, 4))
    write_dataset(
        tmp_path / "fields.h5", xr.Dataset({"phi": (("n", "x", "y"), fields, {"units": "1"})})
    )
    stored = table(tmp_path, file=str(tmp_path / "fields.h5"), array="phi", chains=False)
    np.testing.assert_array_equal(config_from_dict(stored).data.target(None, {}).flat, fields)


def test_a_run_is_read_as_a_comparison_of_samples_reads_it(spins, tmp_path):
    """Packed spins are unpacked, and chains are chains: in a file of draws, and in a run."""
    from physgen.validation.sample_sets import sample_set

    ds = run(HeatBath(), Ising(L=4, beta=0.35), n_chains=64, n_draws=20, thin=6, seed=5,
             keep="configurations", quiet=True)  # fmt: skip
    write_dataset(tmp_path / "drawn.h5", ds)
    given = table(tmp_path, file=str(tmp_path / "drawn.h5"), chains=None)
    found = config_from_dict(given).data.target(None, {})
    np.testing.assert_array_equal(found.x, spins)
    np.testing.assert_array_equal(sample_set("samples", tmp_path / "drawn.h5").x, spins)


def test_a_file_counts_by_what_it_holds(folder, tmp_path, spins):
    """The same numbers elsewhere are the same run; other numbers are not."""
    first = load_config(folder / "config.toml")
    (tmp_path / "config.toml").write_text(CONFIG)
    np.save(tmp_path / "spins.npy", spins)
    assert load_config(tmp_path / "config.toml").canonical() == first.canonical()
    np.save(tmp_path / "spins.npy", -spins)
    assert load_config(tmp_path / "config.toml").canonical() != first.canonical()
    assert json.dumps(first.canonical())
