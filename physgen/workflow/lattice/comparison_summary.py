"""The tables of a comparison of families: likelihood, sample quality and cost stay apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.format import format_estimate
from physgen.workflow.lattice.generators import Place
from physgen.workflow.lattice.learned_summary import axes, number, where
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Table, dataset_of
from physgen.workflow.target.quantities import head

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["tables", "warnings"]

_SHOWN = ("energy_per_site", "action_per_site", "abs_magnetization", "phi2", "chi_abs", "binder")
_NOTES = (
    "{baseline} is the baseline. log q is the mean over its configurations, exact of a density; "
    "that of an energy holds up to the error of its log Z, and one behind >= is a lower bound. D "
    "is the Kullback-Leibler divergence of target and model, in nats a configuration (of a joint "
    "model that of pairs, which is larger); F_c their fidelity.",
    "Tests compare configurations without weights. c2st is the accuracy of a classifier on held-"
    "out data, 0.5 where it cannot tell; p is the probability of such a value by chance, and a "
    "large one says only that this test saw nothing.",
)
_DEVIATIONS = (
    "Raw numbers are those of the draws as they are; corrected ones are weighted for the target. "
    "A pull is the difference from the baseline in units of its error.",
)


def tables(scan: Scan, tree: xr.DataTree) -> tuple[Table, ...]:
    """Return the tables of a comparison, none if the run has none."""
    found = dataset_of(tree, "comparison")
    if found is None:
        return ()
    return _observables(scan, found), _families(scan, found)


def warnings(tree: xr.DataTree) -> Iterator[str]:
    """Yield which tests could not be made, and why."""
    found = dataset_of(tree, "comparison")
    if found is None:
        return
    for label, notes in zip(found["generator"].values, found["notes"].values):
        for line in filter(None, str(notes).split("\n")):
            if "Stein tests need a target of real fields" not in line:
                yield f"{label}: {line}"


def _families(scan: Scan, found: xr.Dataset) -> Table:
    """Return one row a generator: likelihood, tests, cost."""
    tests = [str(name) for name in found["test"].values]
    discrete = found.attrs["support"] != "reals"
    log_q = "log P" if discrete else "log q"
    columns = (
        *axes(scan),
        Column("generator", "name"),
        Column("is a", "text", page_only=True),
        Column(f"{log_q}\nper site", "strong", "model"),
        *([Column("perplexity", page_only=True)] if discrete else []),
        Column("D(target\n||model)"),
        Column("D(model\n||target)", page_only=True),
        Column("F_c"),
        *([Column("c2st", "strong", "model")] if "c2st" in tests else []),
        *(Column(f"p\n{test}", page_only=test not in ("c2st", "mmd")) for test in tests),
        Column("ess", page_only=True),
        Column("CPU s\nto train"),
        Column("CPU ms\na draw"),
        Column("weights", page_only=True),
    )
    rows: list[tuple[str, ...]] = []
    for place in scan.places():
        V = int(found["n_sites"][place.at[0]])
        for k, label in enumerate(found["generator"].values):
            at = _at(found, k, place)
            rows.append((
                *where(scan, place), str(label), str(at["kind"].values),
                _bound(at, V),
                *([number(_perplexity(at, V), ".4f")] if discrete else []),
                *(_estimate(at, name) for name in ("kl_forward", "kl_reverse", "fidelity")),
                *([number(float(at["statistic"].values[tests.index("c2st")]), ".3f")]
                  if "c2st" in tests else []),
                *(number(float(p), ".2g") for p in at["p_value"].values),
                number(float(at["ess_reverse"]), ".3f"),
                number(float(at["train_s"]), ".3g"), number(float(at["draw_ms"]), ".2g"),
                number(float(at["n_parameters"]) or math.nan, ",.0f"),
            ))  # fmt: skip
    notes = tuple(text.format(baseline=found.attrs["baseline"]) for text in _NOTES)
    return Table("Families", columns, tuple(rows), notes)


def _at(found: xr.Dataset, generator: int, place: Place) -> xr.Dataset:
    """Return the numbers of one generator at one place."""
    i, j = place.at
    return found.isel({"generator": generator, "L": i, found["log_z"].dims[-1]: j})


def _bound(at: xr.Dataset, V: int) -> str:
    """Return log q per site, behind >= where it is a lower bound."""
    value, error = float(at["log_likelihood"]) / V, float(at["log_likelihood_error"]) / V
    if not math.isfinite(value):
        return ""
    return ">= " * ("bound" in str(at["likelihood"].values)) + format_estimate(value, error)


def _perplexity(at: xr.Dataset, V: int) -> float:
    """Return e^{-log P / V}: of how many equally likely values a site is like one."""
    return math.exp(-float(at["log_likelihood"]) / V)


def _estimate(at: xr.Dataset, name: str) -> str:
    value, error = float(at[name]), float(at[f"{name}_error"])
    return format_estimate(value, error) if math.isfinite(value) else ""


def _observables(scan: Scan, found: xr.Dataset) -> Table:
    """Return raw and corrected observables of every generator, with pulls from the baseline."""
    columns = (
        *axes(scan),
        Column("quantity", "name"),
        Column("generator", "name"),
        Column("raw", "strong", "model"),
        Column("pull\nraw"),
        Column("corrected", "strong", "model"),
        Column("pull\ncorrected"),
    )
    rows: list[tuple[str, ...]] = []
    shown: list[int] = []
    for place in scan.places():
        for name in map(str, found["quantity"].values):
            for k, label in enumerate(found["generator"].values):
                at = _at(found, k, place).sel(quantity=name)
                if not np.isfinite(float(at["raw"])):
                    continue
                if name in _SHOWN[:4]:
                    shown.append(len(rows))
                rows.append((
                    *where(scan, place), head(name), str(label), _estimate(at, "raw"),
                    number(float(at["raw_pull"]), "+.1f"), _estimate(at, "corrected"),
                    number(float(at["corrected_pull"]), "+.1f"),
                ))  # fmt: skip
    return Table("Raw and corrected", columns, tuple(rows), _DEVIATIONS, tuple(shown))
