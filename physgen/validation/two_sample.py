r"""The one door to all comparisons of samples: `two_sample`.

=================  ===========================================================  ==================
test               what it compares                                             statistic
=================  ===========================================================  ==================
observables        means of physics features, with errors of chains             largest \|z\|
ks                 their whole marginals                                        largest distance D
mmd                raw configurations, several widths                           MMD^2
mmd-features       features, in units of the reference's spread                 MMD^2
sliced-w2          features, in units of the reference's spread                 SW_2
energy-distance    raw configurations                                           energy distance
c2st               features, boosted trees                                      held-out accuracy
c2st-raw           raw configurations, a small network                          held-out accuracy
stein              identities of the target, no reference                       Hotelling's T^2
kernel-stein       zero mode against the target's force, no reference           KSD^2
=================  ===========================================================  ==================

Each row has a p-value: the probability of such a value if both sets have one distribution (or, for
Stein tests, if the samples are draws of the target).  ``p_value_any`` is the smallest one times
the number of tests.  A large p-value never shows that samples are right: it says that this test at
this n saw nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Differentiable
from physgen.core.random import Stream, as_stream
from physgen.validation.features import features_of
from physgen.validation.observable_tests import compare_observables
from physgen.validation.sample_sets import (
    SampleSet,
    are_identical,
    check_comparable,
    n_shared,
    sample_set,
)
from physgen.validation.suite import TESTS, Outcome, Pair, outcome_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["two_sample"]

USUAL = ("observables", "ks", "mmd", "sliced-w2", "c2st", "c2st-raw", "stein", "kernel-stein")


def two_sample(
    samples: Any,
    reference: Any = None,
    *,
    target: Any = None,
    tests: Sequence[str] | None = None,
    rng: Stream | int,
    observables: Mapping[str, Callable[[Any], Any]] | None = None,
    n_permutations: int = 200,
    n_max: int = 2000,
    group: str | None = None,
    reference_group: str | None = None,
    strict: bool | None = None,
) -> xr.Dataset:
    """Compare samples with a reference, and with a target where one is given.

    Parameters
    ----------
    samples, reference : array, tensor, Configurations, Dataset or path
        Arrays (n, *event_shape), or (chain, draw, *event_shape) where the event shape is known
        from a target or from the other set; runs that kept their configurations; npy, npz, HDF5
        and netCDF files, and run directories.  The reference may be left out if there is a target
        with a force: then only Stein tests are made.
    target : Target, optional
        Its action becomes a feature, its force is used by Stein tests, its lattice by observables.
    tests : sequence of str, optional
        Of the table above.  By default observables, ks, mmd, sliced-w2, c2st, c2st-raw, stein and
        kernel-stein; one that needs more samples, or a force, is left out with a note.  A test
        that is named here raises instead.
    rng : Stream or int
        Permutations, projections, folds.
    observables : mapping of str to callable, optional
        Functions of configurations (n, *event_shape) that return n numbers: more features.
    n_permutations : int
        The smallest p-value of a permutation test is 1 / (1 + n_permutations).
    n_max : int
        Samples of each set that tests of quadratic cost use, evenly spaced; observables use all.
    group, reference_group : str, optional
        In files with several groups or arrays, the one to read.
    strict : bool, optional
        Whether a test that cannot be made raises; by default those that were named do.

    Returns
    -------
    Dataset
        By ``test``: ``statistic``, ``null`` (its value for equal distributions), ``null_error``
        (its spread then), ``p_value``.  By ``observable``: see `compare_observables`.  By
        ``identity``: ``stein``, ``stein_error``, ``stein_z``.  ``p_value_any``.  Attributes:
        n_samples, n_reference, notes, verdict.

    Raises
    ------
    InputError
        If the sets are of different shape or support, constant, copies, or too small.
    """
    stream = as_stream(rng).child("two sample")
    wanted: list[str] = (
        list(USUAL) if tests is None else [check_choice("tests", t, TESTS) for t in tests]
    )
    check_positive_int("n_permutations", n_permutations, 19)
    check_positive_int("n_max", n_max, 100)
    ours, theirs = _sets(samples, reference, target, group, reference_group)
    notes: list[str] = []
    if theirs is not None and are_identical(ours, theirs):
        return _identical(ours, theirs, target, observables, wanted)
    shared = n_shared(ours, theirs) if theirs is not None and ours.support.kind == "reals" else 0
    if shared:
        notes.append(
            f"{shared} of {len(ours)} samples are in the reference as well: every test takes both "
            "for independent, and sees too little"
        )
    pair = Pair(ours, theirs, target, observables, n_permutations, n_max, stream)
    found: dict[str, Outcome] = {}
    for name in dict.fromkeys(wanted):
        missing = _missing(name, theirs, target)
        try:
            if missing is not None:
                raise InputError(missing)
            found[name] = outcome_of(name, pair)
        except InputError as error:
            if tests is not None if strict is None else strict:
                raise
            notes.append(f"{name}: left out; {error}")
    if not found:
        raise InputError(f"two_sample must be able to make one test at least; {notes[0]}")
    notes += pair.notes
    return _result(found, pair, notes)


def _sets(
    samples: Any, reference: Any, target: Any, group: str | None, reference_group: str | None
) -> tuple[SampleSet, SampleSet | None]:
    """Return both sets; what one of them knows of the shape serves the other."""
    if reference is None:
        if target is None:
            raise InputError(
                "two_sample needs a reference, a target with a force, or both; got neither"
            )
        return sample_set("samples", samples, target=target, group=group), None
    if target is not None:
        ours = sample_set("samples", samples, target=target, group=group)
        theirs = sample_set("reference", reference, target=target, group=reference_group)
        return ours, theirs
    given = {"samples": (samples, group), "reference": (reference, reference_group)}
    read: dict[str, SampleSet] = {}
    for name in sorted(given, key=lambda each: _axes(given[each][0])):
        source, where = given[name]
        shape = next((other.event_shape for other in read.values()), None)
        if shape is not None and _axes(source) != len(shape) + 2:  # no bare array of chains
            shape = None
        read[name] = sample_set(name, source, event_shape=shape, group=where)
    ours, theirs = read["samples"], read["reference"]
    check_comparable(ours, theirs)
    lattice = ours.lattice or theirs.lattice
    return (
        SampleSet(ours.x, theirs.support, lattice),
        SampleSet(theirs.x, theirs.support, lattice),
    )


def _axes(source: Any) -> int:
    """Return the number of axes of a bare array, 0 of all else."""
    return int(getattr(source, "ndim", 0)) if not hasattr(source, "dims") else 0


def _missing(name: str, reference: Any, target: Any) -> str | None:
    """Return what a test lacks, or None."""
    if name in ("stein", "kernel-stein"):
        if target is None:
            return "Stein tests need a target with a force, got none"
        if not isinstance(target, Differentiable) or target.support.kind != "reals":
            return f"Stein tests need a target of real fields with a force, got {target!r}"
        return None
    return None if reference is not None else "it needs a reference, got none"


def _identical(
    ours: SampleSet, theirs: SampleSet, target: Any, observables: Any, wanted: list[str]
) -> xr.Dataset:
    """Return what identical sets have: no distance, and nothing to be told apart."""
    import xarray as xr

    features = features_of(ours, target, observables)
    names = [name for name in dict.fromkeys(wanted) if "stein" not in name]
    nothing = np.zeros(len(names))
    chance = np.array([0.5 if name.startswith("c2st") else 0.0 for name in names])
    ds = xr.Dataset(
        {
            "statistic": ("test", chance),
            "null": ("test", chance),
            "null_error": ("test", nothing),
            "p_value": ("test", nothing + 1),
            "p_value_any": ((), 1.0),
        },
        coords={"test": names},
        attrs=_attrs(ours, theirs, ["identical samples: nothing was tested"]),
    )
    ds.attrs["verdict"] = "identical samples"
    return ds.merge(compare_observables(features, features), combine_attrs="override")


def _result(found: dict[str, Outcome], pair: Pair, notes: list[str]) -> xr.Dataset:
    import xarray as xr

    rows = list(found.values())
    p = np.array([row.p_value for row in rows])
    known = p[np.isfinite(p)]
    least = float(min(1.0, known.min() * len(known))) if len(known) else math.nan
    data: dict[str, Any] = {
        "statistic": ("test", [row.statistic for row in rows]),
        "null": ("test", [row.null for row in rows]),
        "null_error": ("test", [row.error for row in rows]),
        "p_value": ("test", p),
        "p_value_any": ((), least),
    }
    ds = xr.Dataset(data, coords={"test": list(found)})
    if pair.reference is not None:
        # Numbers of the observables are worth having whichever tests were asked for.
        ds = ds.merge(pair.compared)
    if pair.identities is not None:
        renamed = {"value": "stein", "error": "stein_error", "z": "stein_z"}
        ds = ds.merge(pair.identities[list(renamed)].rename(renamed).drop_attrs())
    ds.attrs = _attrs(pair.samples, pair.reference, notes)
    seen = found and least < 0.01
    against = "the reference" if pair.reference is not None else "the target"
    ds.attrs["verdict"] = (
        f"different from {against} (p = {least:.2g} of the most telling of {len(known)} tests)"
        if seen
        else f"no difference from {against} seen by {len(known)} tests (p = {least:.2g})"
    )
    return ds


def _attrs(samples: SampleSet, reference: SampleSet | None, notes: list[str]) -> dict[str, Any]:
    return {
        "n_samples": len(samples),
        "n_reference": 0 if reference is None else len(reference),
        "event_shape": list(samples.event_shape),
        "support": samples.support.kind,
        "notes": "\n".join(notes),
        "exactness": "asymptotic",
        "exactness_for": "the distance of the samples from the reference or target",
    }
