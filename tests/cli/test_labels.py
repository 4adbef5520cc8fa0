"""Every group of a finished run says how exact it is, for what, and in which units."""

import numpy as np
import pytest
from helpers.marks import slow

from physgen import MeasurementData
from physgen.cli import main
from physgen.results import open_run
from physgen.workflow.kinds import job_of
from physgen.workflow.lattice.job import JOB as LATTICE
from physgen.workflow.reconstruction.job import JOB as RECONSTRUCTION
from physgen.workflow.summary import configuration

ARRAYS = (
    "state",
    "model",
    "training/checkpoint",
    "refits/checkpoint",
)  # weights and tensors are no quantities


@pytest.fixture(scope="module")
def imported(tmp_path_factory, toy_text):
    """A finished run from own outcomes, some of them held out."""
    folder = tmp_path_factory.mktemp("imported")
    shots = np.random.default_rng(1).integers(0, 6, (200, 4)).astype(np.uint8)
    MeasurementData(shots, "pauli-6").save(folder / "lab.h5")
    training = toy_text[toy_text.index("[model]") :]
    text = '[data]\nfile = "lab.h5"\nn_shots = 150\n' + training
    (folder / "config.toml").write_text(text)
    argv = ["validate", str(folder / "config.toml"), "--out", str(folder / "run")]
    assert main(argv) == 0
    return folder / "run"


@pytest.fixture(params=["finished", "imported", "scanned"])
def groups(request):
    tree = open_run(request.getfixturevalue(request.param))
    found = {node.path.strip("/"): node.to_dataset(inherit=False) for node in tree.subtree}
    return {name: ds for name, ds in found.items() if ds.data_vars}


@pytest.mark.parametrize("run", ["finished", "imported", "scanned", slow("weighed")])
def test_every_group_is_explained_by_the_job(run, request):
    tree = open_run(request.getfixturevalue(run))
    job = job_of(configuration(tree))
    named = [node.path for node in tree.subtree if node.has_data]
    assert {job.group_of(path) for path in named} <= set(job.groups)


def test_every_group_says_how_exact_it_is_and_for_what(groups):
    for name, ds in groups.items():
        assert ds.attrs["exactness"] in ("exact", "asymptotic", "approximate"), name
        assert ds.attrs["exactness_for"], name
    if "estimates" in groups:
        assert groups["estimates"].attrs["exactness"] == "asymptotic"
        assert groups["exact"].attrs["exactness"] == "exact"
        return
    assert groups["model"].attrs["exactness"] == "approximate"
    assert groups["samples"].attrs["exactness_for"] == "the model"
    assert groups["validation"].attrs["exactness"] == "asymptotic"


def test_every_number_has_units_and_an_error_those_of_its_value(groups):
    for name, ds in groups.items():
        if name in ARRAYS:
            continue
        for variable, array in ds.data_vars.items():
            assert array.dtype.kind != "f" or "units" in array.attrs, (name, variable)
            if str(variable).endswith("_error"):
                value = str(variable).removesuffix("_error")
                assert array.attrs["units"] == ds[value].attrs["units"], (name, variable)
            if "nll" in str(variable):
                assert array.attrs["units"] == "nat/site"
            if str(variable).startswith("fidelity"):
                assert array.attrs["units"] == "1"
            if str(variable).startswith("kl_"):
                assert array.attrs["units"] == "nat"


def test_an_energy_is_in_units_of_the_couplings(finished):
    tree = open_run(finished)
    for source in ("data", "model", "exact"):
        assert tree["observables"][source]["energy"].attrs["units"] == "unit of J and h"
    assert tree["observables/data"]["energy_error"].attrs["units"] == "unit of J and h"
    assert tree["state"].attrs["energy_units"] == "unit of J and h"


def test_every_variable_of_the_history_is_explained(finished):
    history = open_run(finished)["training"].to_dataset()
    for name, array in history.data_vars.items():
        assert len(array.attrs["long_name"]) > len(str(name)), name


@pytest.mark.slow
def test_a_job_explains_no_group_that_is_never_written(finished, imported, scanned, weighed):
    others = {"candidates", "selection"}  # of a config with more than one model
    # Given configurations, observables by name, learned energies and their training, joint models,
    # comparisons: workflow/lattice/test_data, test_correlations, test_energies,
    # test_training_stages, test_latent, test_comparing.
    given = {"data", "correlators", "couplings", "models/log_z", "models/features"}
    given |= {"models/trajectory", "models/along", "models/raw", "compared", "comparison"}
    kinds = ((RECONSTRUCTION, (finished, imported), others), (LATTICE, (scanned, weighed), given))
    for job, runs, elsewhere in kinds:
        written = {job.group_of(g) for run in runs for g in open_run(run).groups}
        assert set(job.groups) - elsewhere <= written


def test_the_report_tells_of_every_group(finished):
    page = (finished / "report.html").read_text()
    for name in ("data", "model", "training", "validation/exact", "observables/exact"):
        assert f'data-head="group">{name}</th>' in page
