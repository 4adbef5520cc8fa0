r"""Weighted draws in blocks, and the estimates from all of them.

Block k draws from ``rng.child("draw").at(k)`` and completes what was integrated out from
``rng.child("rest").at(k)``.  A store may keep blocks as they come and continue after the last one
to the same numbers, bit for bit.  Two things are settled once, before the first block: how fine
the steps of a flow have to be for n draws, and that the density scores its draws with the log q
they came with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.observables.evaluate import check_names, component_coords, component_dims
from physgen.observables.shelf import functions_of
from physgen.samplers.forward_check import NONE, ForwardCheck
from physgen.samplers.joint_weighing import JointWeighing
from physgen.samplers.loop.recording import target_attrs
from physgen.samplers.plain import default_observables
from physgen.samplers.weighing import Weighing
from physgen.samplers.weight_alarms import Alarm, alarms

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ESS_FLOOR", "WeightedDraws"]

ESS_FLOOR = 200.0  # effective draws below which nothing is returned
_GROUPS = 64  # of draws, as if they were chains: the jackknife leaves out one at a time
WHOLE_ACTION = "whole_action"  # S of whole configurations, for the entropy


@dataclass(frozen=True)
class WeightedDraws:
    """The draws of one density, weighted for one target.

    Attributes
    ----------
    weighing : Weighing
        With steps that are fine enough.
    n : int
        Draws, a multiple of 64.
    rng : Stream
    shift : float
        Change of log Z where the steps are halved; 0 without steps.
    fine : bool
        Whether this change is negligible.
    round_trip : float
        Rms of log q drawn less log q scored.
    observables : mapping of name to callable, optional
        Functions of configurations, instead of the target's own.
    """

    weighing: Weighing | JointWeighing
    n: int
    rng: Stream
    shift: float
    fine: bool
    round_trip: float
    observables: Mapping[str, Callable[[Any], Any]] | None = None

    @classmethod
    def prepare(
        cls,
        density: Any,
        target: Any,
        n: int,
        seed: Stream | int,
        observables: Any = None,
    ) -> WeightedDraws:
        """Return the work of n draws, >= 128, rounded up to a multiple of 64.

        Observables may be functions by name, or names.

        Raises
        ------
        InputError
            If density and target do not match, or the density draws with one log q and scores the
            same draws with another.
        """
        weighing = Weighing.of(density, target)
        check_positive_int("n", n, 2 * _GROUPS)
        observables = functions_of(weighing.target, observables)
        check_names(observables or (), ("log_weight",))
        rng = as_stream(seed)
        n = _GROUPS * math.ceil(n / _GROUPS)
        weighing, shift, fine = weighing.resolved(n, rng.child("steps"))
        trip = weighing.round_trip(rng.child("round trip"))
        return cls(weighing, n, rng, shift, fine, trip, observables)

    def blocks(self, done: int = 0, share: tuple[int, int] = (0, 1)) -> Iterator[xr.Dataset]:
        """Yield the draws after the first `done`, which end a block: dim ``sample``.

        A `share` (i, n) takes every n-th block from the i-th on: block k has the same draws in
        any share.
        """
        import xarray as xr

        target, size = self.weighing.target, self.weighing.block
        for k in range(done // size + share[0], math.ceil(self.n / size), share[1]):
            x, log_w = self.weighing.draw_block(k, min(size, self.n - k * size), self.rng)
            # Whole configurations: |m| or E^2 would change if integrated sites were averaged
            # first.
            whole = self.weighing.whole(x, self.rng.child("rest").at(k))
            data = dict(default_observables(target, whole, self.observables))
            data |= {"log_weight": log_w, WHOLE_ACTION: np.asarray(target.action(whole))}
            known = self.observables or declared(target).observables
            yield xr.Dataset(
                {
                    k: (("sample", *component_dims(k, v.shape[1:], known.get(k))), v)
                    for k, v in data.items()
                }
            )

    def result(
        self,
        draws: xr.Dataset,
        *,
        samples: Any = None,
        log_z: tuple[float, float] | None = None,
        ess_floor: float = ESS_FLOOR,
        checked: ForwardCheck | None = None,
    ) -> xr.Dataset:
        """Return what `importance` returns with ``keep="draws"``, of all blocks in order.

        Raises
        ------
        InputError
            If fewer effective draws than the floor are left.
        """
        log_w = draws["log_weight"].values
        reverse = weights.ess(log_w)
        if self.n * reverse < ess_floor:
            raise InputError(
                f"importance sampling needs at least {ess_floor:g} effective draws, got "
                f"{self.n * reverse:.3g} of {self.n:,} (ess {reverse:.2g}); train the model "
                "further, or draw more"
            )
        forward_w = None if samples is None else self.weighing.log_weights(samples)
        found = alarms(log_w, forward_w, log_z)
        checked = _forward_check(samples, log_z, checked)
        if checked.alarm:
            found.append(Alarm(checked.alarm, False))
        elif checked.made.startswith(NONE):
            text = f"{checked.made}; weights cannot show what the model never draws"
            found.append(Alarm(text, False))
        if not self.fine:
            text = f"finer steps of the flow still shift log Z by {self.shift:+.2g}"
            found.append(Alarm(f"{text}: it is too stiff", False))
        shape = (_GROUPS, -1)
        known = self.observables or declared(self.weighing.target).observables
        kept: dict[str, Any] = {
            str(name): (
                ("chain", "draw", *v.dims[1:]),
                v.values.reshape(*shape, *v.shape[1:]),
                {"units": getattr(known.get(str(name)), "unit", "1")},
            )
            for name, v in draws.data_vars.items()
            if name != WHOLE_ACTION
        }
        contradicted = any(alarm.fatal for alarm in found)
        kept |= self._scalars(log_w, draws[WHOLE_ACTION].values, forward_w, contradicted)
        if forward_w is not None:
            kept["sample_log_weight"] = ("sample", forward_w)
        kept |= component_coords(known, draws.dims)
        return _labelled(self, kept, found).assign_attrs(forward_check=checked.made)

    def _scalars(
        self,
        log_w: np.ndarray,
        action: np.ndarray,
        forward_w: np.ndarray | None,
        contradicted: bool,
    ) -> dict[str, Any]:
        """Return log Z, what follows from it, and the quality of the weights."""
        reverse = weights.ess(log_w)
        forward = math.nan if forward_w is None else weights.forward_ess(forward_w)
        (value, error), entropy = weights.log_z(log_w), weights.entropy(log_w, action)
        share = 0.0 if contradicted else float(np.nanmin([reverse, forward]))
        scalars = {
            "log_z": (value, "log Z"),
            "log_z_error": (error, "error of log_z"),
            "free_energy": (-value, "free energy -log Z"),
            "free_energy_error": (error, "error of free_energy"),
            "entropy": (entropy[0], "entropy <S> + log Z"),
            "entropy_error": (entropy[1], "error of entropy"),
            "variational_free_energy": (-float(log_w.mean()), "E_q[log q + S] >= -log Z"),
            "ess_share": (
                share,
                "effective share: the smaller of reverse and forward; 0 if log Z is contradicted",
            ),
            "ess_reverse": (reverse, "(sum w)^2 / (N sum w^2) of draws of the model"),
            "ess_forward": (forward, "1 / (<w> <1/w>) of draws of the target"),
            "k_hat": (
                weights.pareto_k(log_w),
                "shape of the tail; NaN: weights repeat",
            ),
            "largest_share": (weights.largest_share(log_w), "share of the largest weight"),
            "round_trip": (self.round_trip, "rms of log q drawn less log q scored"),
            "discretisation": (self.shift, "change of log Z where steps are halved; 0 without"),
        }
        return {
            name: ((), number, {"long_name": text, "units": "1"})
            for name, (number, text) in scalars.items()
        }


def _forward_check(
    samples: Any, log_z: tuple[float, float] | None, checked: ForwardCheck | None
) -> ForwardCheck:
    """Return what the draws of the model were compared with."""
    if samples is not None:
        return ForwardCheck(f"{len(samples)} configurations of the target")
    if log_z is not None:
        return ForwardCheck("an independent log Z")
    return checked or ForwardCheck(f"{NONE}: pass samples= of Markov chains")


def _labelled(work: WeightedDraws, data: dict[str, Any], found: list[Alarm]) -> xr.Dataset:
    import xarray as xr

    target = work.weighing.target
    about = declared(target)
    attrs = {
        **target_attrs(target),
        "sampler": "importance sampling",
        "weights": "importance",
        "exactness": "asymptotic",
        "exactness_for": "the target",
        "seed": work.rng.seed,
        "n": work.n,
        "warnings": "\n".join(alarm.text for alarm in found),
    }
    if isinstance(work.weighing, JointWeighing):
        attrs["weights_of"] = "pairs (x, z); draws of x without them are approximate"
    coords = {k: v for k, v in about.numbers.items() if k == "beta"}
    return xr.Dataset(data, coords, attrs)
