"""The summary says what the file says, and warns where a number should not be trusted."""

import json
import re

import numpy as np
import pytest
import xarray as xr

from physgen.quantum import TFIM, MeasurementData, ground_state
from physgen.quantum.estimators import observables_dataset
from physgen.workflow.reconstruction.stages import _labelled
from physgen.workflow.reconstruction.summary import distances_of, rows_of
from physgen.workflow.report import render_report
from physgen.workflow.tables import summarize

L = 6
CHAIN = TFIM(L=L)

CONFIG = {"system": {"L": 4}, "model": {"family": "gru"}}


def observables(energy=-7.2, error=0.1, n=5000):
    zz = np.array([0.6, 0.5, 0.4])
    ds = observables_dataset(
        CHAIN, energy=energy, x=np.full(L, 0.7), z=np.zeros(L), zz=zz, estimator="t",
        exactness="asymptotic",
    )  # fmt: skip
    if error is None:
        return ds
    for name in ("energy", "x", "z", "zz", "x_mean", "z_mean"):
        ds[f"{name}_error"] = xr.full_like(ds[name], error)
        ds[f"{name}_unphysical"] = xr.zeros_like(ds[name], dtype=np.int8)
    return ds.assign_attrs(n=n)


def validation(fidelity=(0.99, 0.99), kl=(0.02, 0.02), n=5000, covered=(1.0, 1.0)):
    return xr.Dataset(
        {
            "fidelity": ("sampled_from", list(fidelity)),
            "fidelity_error": ("sampled_from", [0.002, 0.002]),
            "covered_mass": ("sampled_from", list(covered)),
            "covered_mass_error": ("sampled_from", [0.003, 0.003]),
            "kl_forward": kl[0],
            "kl_forward_error": 0.001,
            "kl_reverse": kl[1],
            "kl_reverse_error": 0.001,
            "n_validation": n,
        },
        coords={"sampled_from": ["target", "model"]},
    )


def tree(**groups):
    nodes = {name.replace("__", "/"): ds for name, ds in groups.items()}
    config = json.dumps(CONFIG | {"report": {"title": ""}})
    root = xr.Dataset(attrs={"config": config, "complete": 1})
    return xr.DataTree.from_dict({"/": root, **nodes})


def good(**changes):
    groups = {
        "observables__data": observables(-7.2, 0.2),
        "observables__model": observables(-7.1, 0.05),
        "observables__exact": observables(-7.3, None),
        "validation": validation(),
    }
    return tree(**(groups | changes))


def test_a_pull_is_estimate_minus_exact_over_the_error():
    energy = rows_of(good())[0]
    assert (energy.data, energy.model, energy.exact) == ("-7.20(20)", "-7.100(50)", "-7.300000")
    assert (energy.pull_data, energy.pull_model) == ("+0.5", "+4.0")


def test_a_sound_run_has_no_warnings():
    assert summarize(good()).warnings == ()


def test_an_unphysical_estimate_is_flagged():
    data = observables()
    data["energy_unphysical"] = 1
    (warning,) = summarize(good(observables__data=data)).warnings
    assert "unphysical estimate from the data: energy" in warning


def test_few_shots_and_few_samples_are_told():
    bad = good(observables__data=observables(n=120), validation=validation(n=90))
    shots, samples = summarize(bad).warnings
    assert "only 120 shots" in shots
    assert "only 90 samples" in samples


def test_identical_shots_have_no_error_and_no_pull():
    """Their scatter is rounding noise; without the rule the pull would be of order 1e15."""
    data = observables(-118.99999999999997, 1.3e-15)
    summary = summarize(good(observables__data=data))
    (warning,) = summary.warnings
    assert warning == "all shots behind the data column are identical: no error can be given"
    energy = rows_of(good(observables__data=data))[0]
    assert (energy.data, energy.pull_data) == ("-119(0)", "")
    assert energy.pull_model == "+4.0"


def test_one_observable_that_never_changed_is_named():
    data = observables(-7.2, 0.2)
    data["zz_error"] = xr.zeros_like(data["zz"])
    (warning,) = summarize(good(observables__data=data)).warnings
    assert warning == "all shots of the data give the same zz: no error can be given"


def shots_of(state):
    data = MeasurementData(np.zeros((500, L), np.uint8), "pauli-4", CHAIN.attrs() | state)
    return data.to_dataset()


def test_a_given_state_is_not_called_the_ground_state_of_h():
    exact = observables(-7.3, None)
    own = exact.assign_attrs(exactness_for="the state")
    summary = summarize(good(data=shots_of({"state": "from ghz.npz"}), observables__exact=own))
    assert summary.title == (
        "state from ghz.npz, L = 6; H of J = 1, h = 1, open; 500 pauli-4 shots"
    )
    assert "given state itself, not of the ground state" in summary.notes[-1]
    for attrs in ({}, {"state": "ground state"}):
        summary = summarize(good(data=shots_of(attrs)))
        assert summary.title == "TFIM chain, L = 6, J = 1, h = 1, open; 500 pauli-4 shots"
        assert len(summary.notes) == 1


@pytest.mark.parametrize(
    ("chi_max", "max_sweeps", "says"),
    [
        (32, 30, None),
        (3, 30, "its energy is 2.2e-03 above E0; raise"),
        (32, 1, "above E0 and still changed in the last sweep"),
    ],
)
def test_a_state_that_is_not_the_ground_state_is_told(chi_max, max_sweeps, says):
    chain = TFIM(L=10)
    state = _labelled(ground_state(chain, chi_max=chi_max, max_sweeps=max_sweeps), chain)
    warnings = summarize(good(state=state)).warnings
    assert len(warnings) == (says is not None)
    assert says is None or re.search(says, warnings[0])


def test_an_infinite_divergence_is_printed_and_told():
    run = good(validation=validation(kl=(np.inf, 0.02)))
    summary = summarize(run)
    assert "inf" in next(d for d in distances_of(run) if d.quantity == "KL(P||Q)").estimate
    assert any("KL(P||Q) is infinite" in w for w in summary.warnings)


@pytest.mark.parametrize(("reverse", "alarm"), [(0.985, False), (0.999, False), (1.02, True)])
def test_disagreeing_fidelities_are_an_alarm_for_heavy_tails(reverse, alarm):
    warnings = summarize(good(validation=validation(fidelity=(0.99, reverse)))).warnings
    assert any("disagree" in w for w in warnings) is alarm


@pytest.mark.parametrize(
    ("covered", "says"),
    [
        ((1.0, 0.9), "the model misses about 10.00% of the state"),
        ((0.95, 1.0), "5.00% of its probability to outcomes that the state excludes"),
        ((0.99, 1.005), None),
    ],
)
def test_mass_that_is_not_covered_is_an_alarm(covered, says):
    warnings = summarize(good(validation=validation(covered=covered))).warnings
    assert [says in w for w in warnings] == [True] if says else not warnings


def test_without_a_truth_there_is_held_out_likelihood_and_no_energy():
    parts = {}
    for source in ("data", "model"):
        ds = observables()
        names = [n for n in ds if str(n).startswith("energy")]
        parts[f"observables__{source}"] = ds.drop_vars(names)
    nll = xr.Dataset({"nll": ((), 1.25, {"estimator": "fresh shots"}), "nll_error": 0.01})
    run = tree(validation=nll, **parts)
    rows = rows_of(run)
    assert [d.quantity for d in distances_of(run)] == ["held-out NLL per site"]
    assert rows[0].quantity.startswith("mean <X>")
    assert all(row.exact == row.pull_model == "" for row in rows)


def test_a_run_that_has_only_begun_has_an_empty_summary():
    summary = summarize(tree())
    assert (summary.tables, summary.figures, summary.warnings) == ((), {}, ())


def test_the_page_escapes_what_the_user_wrote():
    root = xr.Dataset(attrs={"config": json.dumps(CONFIG | {"report": {"title": "<b>J & h</b>"}})})
    page = render_report(xr.DataTree.from_dict({"/": root}), {})
    assert "&lt;b&gt;J &amp; h&lt;/b&gt;" in page
    assert "<b>J" not in page


def test_the_page_shows_the_warnings_and_embeds_the_figures():
    data = observables(n=50)
    page = render_report(good(observables__data=data), {"two_point": b"\x89PNG"})
    assert "Take care" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page
