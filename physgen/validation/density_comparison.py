r"""A model against the density it should reproduce: fidelity and KL, both ways.

:func:`validate` samples, at any size.  :func:`exact_divergences` enumerates all K^L strings, for
small systems and for testing the estimators themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.core.random import Stream, as_stream
from physgen.validation.divergences import (
    classical_fidelity,
    covered_mass,
    impossible_divergence,
    relative_entropy,
)

__all__ = ["enumerate_outcomes", "exact_divergences", "validate"]

MAX_STRINGS = 4**8
SHOWN_SAMPLES = 2000  # pairs (log P, log Q) kept for the scatter figure
BLOCK = 8192


def validate(
    model: Density,
    truth: Density,
    n: int,
    rng: Stream | int,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Compare `model` with `truth` on n fresh samples of each.

    Parameters
    ----------
    model, truth : Density
        Over the same outcomes.
    n : int
        Samples from each; the error of F_c is at most sqrt((1 - F_c^2) / n).
    rng : Stream or int
    on_progress : callable(done, total), optional

    Returns
    -------
    Dataset
        ``fidelity`` and ``fidelity_error`` with dimension ``sampled_from`` = target, model;
        ``kl_forward`` = D(target||model) and ``kl_reverse`` = D(model||target) in nats with
        ``_error``; ``covered_mass`` (``sampled_from``): the mass of the model on the support of
        the target, and of the target on the support of the model (below 1: modes are missed), with
        ``_error``; ``entropy`` of the target in nats, with ``_error``; ``n_validation``;
        ``log_prob_target`` and ``log_prob_model`` of up to 2000 samples of the target (dimension
        ``sample``).  A divergence more than four errors below 0 is warned of, and in the attr
        ``warnings``.

    Raises
    ------
    InputError
        If the event shapes or outcome numbers differ, or n < 2.
    """
    check_positive_int("n", n, 2)
    _check_same_outcomes(model, truth)
    stream = as_stream(rng)
    pairs = {}
    done = 0
    for name, source in (("target", truth), ("model", model)):
        log_target, log_model = np.empty(n), np.empty(n)
        for block, start in enumerate(range(0, n, BLOCK)):
            size = min(BLOCK, n - start)
            drawn = source.sample(size, stream.child("validate", name).at(block))
            x = to_numpy(drawn)
            log_target[start : start + size] = to_numpy(truth.log_prob(x))
            log_model[start : start + size] = to_numpy(model.log_prob(x))
            done += size
            if on_progress is not None:
                on_progress(done, 2 * n)
        pairs[name] = log_target, log_model
    from_target, from_model = pairs["target"], pairs["model"][::-1]
    fidelities = [classical_fidelity(*from_target), classical_fidelity(*from_model)]
    covered = [covered_mass(*from_target), covered_mass(*from_model)]
    forward, reverse = relative_entropy(*from_target), relative_entropy(*from_model)
    said = [
        impossible_divergence("D(target||model)", forward),
        impossible_divergence("D(model||target)", reverse),
    ]
    for text in filter(None, said):
        warnings.warn(text, stacklevel=2)
    log_p = pairs["target"][0]
    shown = slice(0, min(n, SHOWN_SAMPLES))
    nats = {"units": "nat"}
    return xr.Dataset(
        {
            "fidelity": ("sampled_from", [f.value for f in fidelities], _SYMBOL),
            "fidelity_error": ("sampled_from", [f.error for f in fidelities], _ONE),
            "covered_mass": ("sampled_from", [c.value for c in covered], _ONE),
            "covered_mass_error": ("sampled_from", [c.error for c in covered], _ONE),
            "kl_forward": ((), forward.value, nats | {"long_name": "D(target||model)"}),
            "kl_forward_error": ((), forward.error, nats),
            "kl_reverse": ((), reverse.value, nats | {"long_name": "D(model||target)"}),
            "kl_reverse_error": ((), reverse.error, nats),
            "entropy": ((), -log_p.mean(), nats),
            "entropy_error": ((), log_p.std(ddof=1) / np.sqrt(n), nats),
            "n_validation": ((), n, _ONE),
            "log_prob_target": ("sample", log_p[shown], nats),
            "log_prob_model": ("sample", pairs["target"][1][shown], nats),
        },
        coords={"sampled_from": ["target", "model"]},
        attrs={
            "exactness": "asymptotic",
            "exactness_for": "the distance of model and target",
            "errors": "standard error of independent samples",
            "warnings": "\n".join(filter(None, said)),
        },
    )


def exact_divergences(model: Density, truth: Density) -> xr.Dataset:
    """Compare by enumeration of all K^L <= 65536 strings, with the names of `validate`.

    Parameters
    ----------
    model, truth : Density
        Over the same outcomes.

    Returns
    -------
    Dataset
        Without errors: fidelity, kl_forward, kl_reverse, as in `validate`.

    Raises
    ------
    InputError
        If there are more strings than that, or the densities are over different outcomes.
    """
    _check_same_outcomes(model, truth)
    strings = enumerate_outcomes(truth)
    log_p, log_q = to_numpy(truth.log_prob(strings)), to_numpy(model.log_prob(strings))
    p, q = np.exp(log_p), np.exp(log_q)
    with np.errstate(invalid="ignore", divide="ignore"):
        forward = np.where(p > 0, p * (log_p - log_q), 0.0).sum()
        reverse = np.where(q > 0, q * (log_q - log_p), 0.0).sum()
        entropy = -np.where(p > 0, p * log_p, 0.0).sum()
    nats = {"units": "nat"}
    return xr.Dataset(
        {
            "fidelity": ((), np.sqrt(p * q).sum(), _SYMBOL),
            "kl_forward": ((), forward, nats | {"long_name": "D(target||model)"}),
            "kl_reverse": ((), reverse, nats | {"long_name": "D(model||target)"}),
            "entropy": ((), entropy, nats),
            "norm_target": ((), p.sum(), _ONE),
            "norm_model": ((), q.sum(), _ONE),
        },
        attrs={
            "exactness": "exact",
            "exactness_for": "the distance of model and target",
            "errors": "none: full enumeration",
        },
    )


def enumerate_outcomes(density: Density) -> np.ndarray:
    """Return every outcome string of a small density, uint8 (K^L, L), last site fastest.

    Parameters
    ----------
    density : Density
        Of strings of outcomes.

    Raises
    ------
    InputError
        If there are more than 65,536 strings.
    """
    (L,), K = density.event_shape, density.support.K
    if K is None or K**L > MAX_STRINGS:
        raise InputError(f"enumeration needs K^L <= {MAX_STRINGS} strings, got {K}^{L}")
    return np.indices((K,) * L, dtype=np.uint8).reshape(L, -1).T.copy()


_ONE = {"units": "1"}
_SYMBOL = {"units": "1", "long_name": "classical fidelity F_c"}


def _check_same_outcomes(model: Any, truth: Any) -> None:
    theirs = (truth.event_shape, truth.support.K)
    if (model.event_shape, model.support.K) != theirs:
        raise InputError(
            f"model and target must share shape and outcomes, got "
            f"{model.event_shape}, K={model.support.K} and {theirs[0]}, K={theirs[1]}"
        )
