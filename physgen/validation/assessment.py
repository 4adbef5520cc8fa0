r"""One generator beside a baseline: what it draws, how likely it finds the data, what tests see.

Three axes, which are never one number.  *Likelihood*: the mean of log q over draws of the target,

.. math:: \frac1n \sum_i \log q(x_i) = -H(p) - D(p\|q) ,

in nats a configuration: of a density exact, of an energy up to the error of its log Z, of a joint
density a lower bound, of a simulator unknown.  *Observables*: raw, as the generator has them, and
corrected by its weights where it has some.  *Distance*: two-sample tests of configurations, which
need no density.  Docs: "Likelihood is not sample quality".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.analysis.errors import mean_estimate
from physgen.analysis.format import pull
from physgen.core.errors import InputError
from physgen.samplers.estimates import estimates
from physgen.validation.divergences import Estimate, impossible_divergence
from physgen.validation.sample_sets import SampleSet
from physgen.validation.two_sample import two_sample
from physgen.validation.weight_divergences import (
    fidelity_of_weights,
    forward_kl_of_weights,
    reverse_kl_of_weights,
)

if TYPE_CHECKING:
    import xarray as xr

    from physgen.core.random import Stream

__all__ = ["LIKELIHOODS", "TESTS", "Drawn", "assess"]

TESTS = ("observables", "mmd", "sliced-w2", "c2st", "stein")
# What the number in the column of likelihoods is, by what a generator is.
LIKELIHOODS: Mapping[str, str] = {
    "density": "exact",
    "energy": "up to the error of log Z",
    "joint": "lower bound",
    "simulator": "unknown",
    "samples": "unknown",
}
_NUMBERS = ("log_likelihood", "kl_forward", "kl_reverse", "fidelity", "log_z")
_MERITS = ("ess_reverse", "ess_forward", "k_hat")


@dataclass(frozen=True)
class Drawn:
    """What is known of one generator.

    Attributes
    ----------
    kind : {"density", "energy", "joint", "simulator", "samples"}
        Decides what its likelihood is.
    draws : Dataset
        Series (chain, draw) of observables, as `estimates` takes them; ``log_weight`` where the
        generator can be weighed for the target.
    configurations : SampleSet
        Draws without weights.
    likelihood : array (n_chains, n_draws), optional
        log q of the configurations of the baseline, or its lower bound.
    log_weight : array (n_chains, n_draws), optional
        Log weights of the configurations of the baseline.
    """

    kind: str
    draws: xr.Dataset
    configurations: SampleSet
    likelihood: np.ndarray | None = None
    log_weight: np.ndarray | None = None


def assess(
    drawn: Drawn,
    baseline: SampleSet,
    reference: xr.Dataset,
    *,
    target: Any = None,
    tests: Sequence[str] = TESTS,
    n_max: int = 2000,
    rng: Stream | int = 0,
) -> xr.Dataset:
    """Return the numbers of one generator.

    Parameters
    ----------
    drawn : Drawn
    baseline : SampleSet
        Converged draws of the target.
    reference : Dataset
        `estimates` of the baseline.
    target : Target, optional
        For tests that use an action or a force.
    tests : sequence of str
        Of `two_sample`; one that cannot be made, for lack of draws or of a force, is NaN and has
        its reason in ``notes``.
    n_max : int
        Configurations of each side that tests of quadratic cost use.
    rng : Stream or int

    Returns
    -------
    Dataset
        Scalars ``log_likelihood``, ``kl_forward`` = D(target||model), ``kl_reverse``,
        ``fidelity``, ``log_z``, each with ``_error``, and ``ess_reverse``, ``ess_forward``,
        ``k_hat``; NaN where nothing is known.  By ``quantity``: ``raw`` and ``corrected`` with
        ``_error`` and ``_pull`` (from the reference), ``reference`` with ``_error``.  By
        ``test``: ``statistic``, ``null``, ``null_error``, ``p_value``.  Attrs: ``kind``,
        ``likelihood`` (what it is), ``notes``, ``warnings``.
    """
    import xarray as xr

    data: dict[str, Any] = _scalars(drawn)
    weighed = "log_weight" in drawn.draws
    names = [str(name) for name in reference["quantity"].values]
    tables = {"raw": estimates(_unweighted(drawn.draws))}
    refused = ""
    if weighed:
        try:
            tables["corrected"] = estimates(_settled(drawn.draws))
        except InputError as error:  # too few draws count
            refused = f"corrected numbers: left out; {error}"
    for ours, its in (("reference", "value"), ("reference_error", "error")):
        data[ours] = ("quantity", np.array(reference[its].values, dtype=float))
    for word in ("raw", "corrected"):
        data |= _beside(word, tables.get(word), reference, names)
    found, notes = _tested(drawn.configurations, baseline, target, tests, n_max, rng)
    data |= found
    said = str(drawn.draws.attrs.get("warnings", ""))
    forward = Estimate(*(float(data[f"kl_forward{end}"][1]) for end in ("", "_error")))
    impossible = impossible_divergence("D(target||model)", forward)
    return xr.Dataset(
        data,
        {"quantity": names, "test": list(tests)},
        {
            "kind": drawn.kind,
            "likelihood": LIKELIHOODS[drawn.kind],
            "notes": "\n".join(filter(None, [refused, *notes])),
            "warnings": "\n".join(filter(None, (said, impossible))),
        },
    )


def _unweighted(draws: xr.Dataset) -> xr.Dataset:
    """Return draws as if nothing was known to correct them by."""
    attrs = {k: v for k, v in draws.attrs.items() if k != "weights"}
    settled = _settled(draws.drop_vars("log_weight", errors="ignore"))
    return settled.drop_attrs(deep=False).assign_attrs(attrs)


def _settled(draws: xr.Dataset) -> xr.Dataset:
    """Return draws without numbers that are no series, which `estimates` does not expect."""
    return draws.drop_vars([k for k, v in draws.data_vars.items() if "chain" not in v.dims])


def _scalars(drawn: Drawn) -> dict[str, Any]:
    """Return what likelihoods and weights say."""
    found: dict[str, Estimate] = {}
    merits = dict.fromkeys(_MERITS, math.nan)
    if drawn.likelihood is not None:
        found["log_likelihood"] = _mean(drawn.likelihood)
    if "log_weight" in drawn.draws:
        log_w = drawn.draws["log_weight"].transpose("chain", "draw").values
        found["fidelity"] = fidelity_of_weights(log_w)
        found["kl_reverse"] = reverse_kl_of_weights(log_w)
        merits["ess_reverse"], merits["k_hat"] = weights.ess(log_w), weights.pareto_k(log_w)
        if drawn.kind in ("density", "joint"):  # weights with a normalisation
            found["log_z"] = Estimate(*weights.log_z(log_w))
        if drawn.log_weight is not None:
            found["kl_forward"] = forward_kl_of_weights(drawn.log_weight, log_w)
            merits["ess_forward"] = weights.forward_ess(drawn.log_weight)
    nothing = Estimate(math.nan, math.nan)
    numbers = {name: found.get(name, nothing) for name in _NUMBERS}
    data: dict[str, Any] = {name: ((), e.value, _attrs(name)) for name, e in numbers.items()}
    data |= {f"{name}_error": ((), e.error, _attrs(name)) for name, e in numbers.items()}
    return data | {name: ((), value, _attrs(name)) for name, value in merits.items()}


def _mean(log_q: np.ndarray) -> Estimate:
    """Return the mean over the configurations whose log q is known, with its error."""
    if np.isfinite(log_q).all():
        return Estimate(*mean_estimate(log_q)[:2])
    # Far apart in their chains, and so taken for independent.
    return Estimate(*mean_estimate(log_q[np.isfinite(log_q)][:, None])[:2])


def _attrs(name: str) -> dict[str, str]:
    return {"units": "1" if name in ("fidelity", *_MERITS) else "nat"}


def _beside(
    word: str, table: xr.Dataset | None, reference: xr.Dataset, names: list[str]
) -> dict[str, Any]:
    """Return the quantities of a table and their pulls from the reference."""
    rows: dict[str, list[float]] = {word: [], f"{word}_error": [], f"{word}_pull": []}
    known = [] if table is None else [str(name) for name in table["quantity"].values]
    for k, name in enumerate(names):
        value = error = off = math.nan
        if table is not None and name in known:
            at = known.index(name)
            value, error = (float(table[key].values[at]) for key in ("value", "error"))
            expected, its = (float(reference[key].values[k]) for key in ("value", "error"))
            off = _pull(value, expected, math.hypot(error, its))
        for key, number in zip(rows, (value, error, off)):
            rows[key].append(number)
    return {key: ("quantity", np.array(column)) for key, column in rows.items()}


def _pull(value: float, expected: float, error: float) -> float:
    known = all(map(math.isfinite, (value, expected, error)))
    return float(pull(value, expected, error)) if known else math.nan


def _tested(
    ours: SampleSet,
    theirs: SampleSet,
    target: Any,
    tests: Sequence[str],
    n_max: int,
    rng: Stream | int,
) -> tuple[dict[str, Any], list[str]]:
    """Return statistics and p-values of the tests, and why any of them could not be made."""
    names = ("statistic", "null", "null_error", "p_value")
    try:
        made = two_sample(
            ours, theirs, target=target, tests=tests, n_max=n_max, rng=rng, strict=False
        )
    except InputError as error:  # none of them can be made
        return {name: ("test", np.full(len(tests), np.nan)) for name in names}, [str(error)]
    made = made[list(names)].reindex(test=list(tests))
    notes = list(filter(None, str(made.attrs["notes"]).split("\n")))
    return {name: ("test", made[name].values) for name in names}, notes
