r"""What a passage forward and a passage back say about log Z, with errors.

With :math:`W` the work of every chain (:mod:`physgen.samplers.annealed_work`),

.. math:: \log w_f = \log Z_0 - W_f, \qquad \log w_r = \log Z_0 + W_r, \qquad
          \log \langle w_f \rangle = \log Z = -\log \langle 1 / w_r \rangle .

Errors are those of 32 blocks of chains: :math:`\log\langle\cdot\rangle` by the jackknife, which
removes its bias of order 1/n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.random import Stream
from physgen.samplers.annealed_work import Passage
from physgen.samplers.loop.recording import named
from physgen.samplers.smc_checkpoint import Stage
from physgen.samplers.smc_results import jackknife

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BLOCKS", "Sandwich", "label"]

BLOCKS = 32
_APART = 3.0  # errors by which forward and reverse may differ
_LEAST = 64.0  # effective chains


@dataclass(frozen=True)
class Sandwich:
    """Work in both directions.

    Attributes
    ----------
    log_z_start : float
    ladder : list of Stage
    forward, reverse : Passage
    """

    log_z_start: float
    ladder: list[Stage]
    forward: Passage
    reverse: Passage

    @cached_property
    def numbers(self) -> dict[str, tuple[float, float]]:
        """Value and error of the four numbers, by the names of the result."""
        up, down = self.log_z_start - self.forward.work, self.log_z_start + self.reverse.work
        back, error = _log_mean(-down)
        return {
            "log_z_forward": _log_mean(up),
            "log_z_reverse": (-back, error),
            "log_z_lower": _mean(up),
            "log_z_upper": _mean(down),
        }

    @property
    def log_z(self) -> float:
        """The mean of the forward and the reverse estimate."""
        return 0.5 * (self.numbers["log_z_forward"][0] + self.numbers["log_z_reverse"][0])

    @property
    def error(self) -> float:
        """The error of that mean; half of the difference, where that is larger."""
        (a, e), (b, f) = self.numbers["log_z_forward"], self.numbers["log_z_reverse"]
        return 0.5 * math.hypot(e, f) if self.agree else 0.5 * max(abs(a - b), math.hypot(e, f))

    @property
    def agree(self) -> bool:
        """Whether both estimates agree within three errors."""
        (a, e), (b, f) = self.numbers["log_z_forward"], self.numbers["log_z_reverse"]
        return abs(a - b) <= _APART * math.hypot(e, f)

    @property
    def ordered(self) -> bool:
        """Whether the lower bound is below the upper one, within three errors."""
        (a, e), (b, f) = self.numbers["log_z_lower"], self.numbers["log_z_upper"]
        return a - b <= _APART * math.hypot(e, f)

    @property
    def even(self) -> bool:
        """Whether the weights of both directions leave enough effective chains."""
        least = min(self.forward.ess[-1], self.reverse.ess[-1])
        return least * self.forward.work.size >= _LEAST

    @property
    def closes(self) -> bool:
        """Whether forward and reverse agree, with weights that an error bar can be made of."""
        return self.agree and self.ordered and self.even


def label(
    found: Sandwich,
    target: Any,
    path: Any,
    move: Any,
    rng: Stream,
    n_moves: int,
    given: bool,
    wanted: float | None,
) -> xr.Dataset:
    """Return what was found as a Dataset."""
    import xarray as xr

    up, down = found.forward, found.reverse
    scalars = {"log_z": (found.log_z, found.error), "free_energy": (-found.log_z, found.error)}
    scalars |= found.numbers
    (low, e), (high, f) = found.numbers["log_z_lower"], found.numbers["log_z_upper"]
    scalars["gap"] = (high - low, math.hypot(e, f))
    said = {
        "log_z": "log Z, mean of forward and reverse", "free_energy": "free energy -log Z",
        "log_z_forward": "log E[w], from the start to the target",
        "log_z_reverse": "-log E[1/w], from the target to the start",
        "log_z_lower": "E[log w] forward, at most log Z",
        "log_z_upper": "E[log w] in reverse, at least log Z", "gap": "upper bound - lower bound",
    }  # fmt: skip
    data: dict[str, Any] = {}
    for name, (value, error) in scalars.items():
        data[name] = ((), value, {"long_name": said[name], "units": "1"})
        data[f"{name}_error"] = ((), error, {"long_name": f"error of {name}", "units": "1"})
    data["closes"] = ((), found.closes, {"long_name": "forward and reverse agree"})
    shares = {
        "ess_forward": up.ess[-1], "ess_reverse": down.ess[-1],
        "largest_share": max(weights.largest_share(-p.work) for p in (up, down)),
    }  # fmt: skip
    data |= {name: ((), value, {"units": "1"}) for name, value in shares.items()}
    # Number k is the step to temperature k; the way back takes it from there.
    data["fraction"] = ("temperature", [s.fraction for s in found.ladder[1:]])
    data["cess"] = ("temperature", up.cess, {"long_name": "effective share of a step alone"})
    data["ess_forward_to"] = ("temperature", up.ess)
    data["ess_reverse_to"] = ("temperature", down.ess[::-1])
    data["acceptance_rate"] = ("temperature", [*up.accepted, math.nan])
    inexact = "approximate" in (up.exactness, down.exactness)
    attrs = {
        "sampler": f"annealed importance sampling, {len(found.ladder) - 1} temperatures, {move!r}",
        "target": named(target),
        "path": type(path).__name__,
        "samples": "given" if given else "of the pilot run",
        "exactness": "approximate" if inexact else "asymptotic",
        "exactness_for": "the target",
        "n_chains": up.work.size,
        "n_temperatures": len(found.ladder) - 1,
        "n_moves": n_moves,
        "seed": rng.seed,
        "rng": repr(rng),
        "warnings": "\n".join(_warnings(found, given, wanted)),
    }
    return xr.Dataset(data, attrs=attrs)


def _warnings(found: Sandwich, given: bool, wanted: float | None) -> list[str]:
    lines, numbers = [], found.numbers
    n = found.forward.work.size
    if not found.even:
        names = {"forward": found.forward.ess[-1], "reverse": found.reverse.ess[-1]}
        name = min(names, key=lambda each: names[each])
        lines.append(
            f"only {names[name] * n:.1f} of {n} chains count on the {name} way: take more "
            "temperatures, more moves, or a start that is closer"
        )
    if not found.agree or not found.ordered:
        (a, e), (b, f) = numbers["log_z_forward"], numbers["log_z_reverse"]
        source = "the samples are draws of another law" if given else "they are not in equilibrium"
        lines.append(
            f"the sandwich does not close: log Z is {a:.4g}({e:.2g}) forward and "
            f"{b:.4g}({f:.2g}) in reverse; a mode is missed, or {source}; take more moves, more "
            "temperatures, or draws of parallel tempering as samples"
        )
    if wanted is not None and found.error > wanted:
        lines.append(
            f"the error of log Z is {found.error:.2g}, and {wanted:.2g} was asked for; raise "
            "max_temperatures or n_chains"
        )
    return lines


def _log_mean(log_w: np.ndarray) -> tuple[float, float]:
    """Return log <w> without its bias, and its error, from blocks of neighbours."""
    top = float(log_w.max())
    w = np.exp(log_w - top).reshape(BLOCKS, -1).mean(axis=1)
    # Blocks so uneven that all weight lies in one of them leave nothing when it is left out.
    floor = np.finfo(np.float64).tiny
    value, error = jackknife(lambda i: math.log(max(float(w[i].mean()), floor)), BLOCKS)
    return top + value, error


def _mean(x: np.ndarray) -> tuple[float, float]:
    blocks = x.reshape(BLOCKS, -1).mean(axis=1)
    return float(x.mean()), float(blocks.std(ddof=1) / math.sqrt(BLOCKS))
