r"""Following a model along its training: log Z of every snapshot, and a ladder of replicas.

Weighted particles walk from independent sites to the first snapshot, and from each snapshot to
the next through weights in between (:mod:`physgen.samplers.weight_path`), in steps of equal
conditional effective share.  Their weights give

.. math:: \log Z_t = \log Z_0 + \sum_{\rm steps} \log \sum_i W_i\, e^{-\Delta S(x_i)} ,

unbiased for Z but for the choice of the steps, with errors from islands that never meet.  It costs
a few moves a step, so it can be kept up while the model is trained, and it has to agree with the
sandwich of the last weights (:func:`~physgen.samplers.annealed_importance.log_z_sandwich`).

**The ladder.**  Of all models that the particles pass, one is kept whenever the mean probability

.. math:: a = \langle \min(1, e^A) \rangle , \qquad
          A = S_i(x_i) + S_j(x_j) - S_i(x_j) - S_j(x_i)

of an exchange between the last one kept and the next one would fall below a given share
(Béreux et al., arXiv:2405.15376, keep it near 0.25).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.core.chains import Sampler
from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream, as_stream
from physgen.samplers.annealer import Annealer
from physgen.samplers.found_start import default_move
from physgen.samplers.smc_checkpoint import PILOT, Annealing
from physgen.samplers.smc_paths import usual_path
from physgen.samplers.smc_results import Islands, jackknife
from physgen.samplers.tempered_path import action_of
from physgen.samplers.weight_path import WeightPath

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Followed", "Follower", "follow"]

_ISLANDS = 16
_CESS, _RESAMPLE, _STAGES = 0.9, 0.5, 2000


class _Member(NamedTuple):
    """A model of the ladder, and weighted draws of it."""

    label: float
    model: Any
    x: np.ndarray
    weight: np.ndarray  # (n,), sum 1


class Followed(NamedTuple):
    """What a trajectory leaves behind.

    Attributes
    ----------
    data : Dataset
        By ``snapshot``: ``log_z``, ``log_z_error``, ``n_steps``, ``ess``; coord ``label``.
    labels, models : list
        The ladder, from independent sites to the last snapshot: for `TrajectoryTempering`.
        Models between two snapshots have labels in between.
    swap_rates : list of float
        Expected between neighbours of the ladder.
    """

    data: xr.Dataset
    labels: list[float]
    models: list[Any]
    swap_rates: list[float]


class Follower:
    """Weighted particles that follow a model from snapshot to snapshot.

    Parameters
    ----------
    move : Sampler, optional
        By default that of the first model.
    n_chains : int
        Particles, >= 64, rounded up to 16 islands.
    n_moves : int
        Steps of the move after each step of the weights, >= 1.
    least : float
        Probability of exchange that neighbours of the ladder keep, in (0, 1).
    rng : Stream or int

    Examples
    --------
    ::

        follower = Follower(rng=1)
        for step, model in snapshots:
            print(step, *follower.advance(step, model))
    """

    def __init__(
        self,
        move: Any = None,
        *,
        n_chains: int = 256,
        n_moves: int = 4,
        least: float = 0.3,
        rng: Stream | int = 0,
    ) -> None:
        if move is not None and not isinstance(move, Sampler):
            raise InputError(f"move must be a sampler, e.g. HeatBath(), got {move!r}")
        if not 0 < check_finite("least", least) < 1:
            raise InputError(f"least must be between 0 and 1, got {least}")
        self.move, self.least, self.rng = move, least, as_stream(rng)
        n = math.ceil(check_positive_int("n_chains", n_chains, 64) / _ISLANDS)
        self.n_moves = check_positive_int("n_moves", n_moves)
        self._islands = Islands(_ISLANDS, n)
        self._log_z_start = 0.0
        self._ladder: list[_Member] = []
        self._rates: list[float] = []
        self._next: tuple[_Member, float] | None = None  # passed, not kept yet; and its rate
        self._model, self._x = None, np.empty(0)
        self._rows: list[tuple[float, float, float, int, float]] = []

    def advance(self, label: float, model: Any) -> tuple[float, float]:
        """Walk to the next snapshot and return its log Z and error.

        Parameters
        ----------
        label : float
            Larger than those before, e.g. the step of the training, >= 0; independent sites,
            where the walk begins, have the label -1.
        model : EnergyModel
            It is copied.  The first one needs a normalised start: a usual path.

        Raises
        ------
        InputError
            If the label does not increase, or the model has other weights than those before.
        """
        before = self._rows[-1][0] if self._rows else -1.0
        if not check_finite("label", label) > before:
            raise InputError(f"label must be larger than {before:g}, that before, got {label}")
        if not isinstance(model, Target):
            raise InputError(f"model must be a target with an action, got {model!r}")
        kept = copy.deepcopy(model)
        if self._model is None:
            path: Any = usual_path(kept)
            self._log_z_start = path.log_z
            self.move = default_move(kept) if self.move is None else self.move
        else:
            path = WeightPath(self._model, kept, self._x)

        def passed(now: Annealing) -> None:
            at = before + (label - before) * now.fraction
            self._offer(at, path.at(now.fraction), now.bound.configurations(now.state))

        if not self._ladder:
            x = path.sample(self.rng.child("sites"), self._islands.n)
            self._offer(before, path.at(0.0), x)
        annealer = Annealer(
            path, self.move, self.n_moves, {}, passed, _STAGES, n_tuning=8, go_on=True
        )
        here = self.rng.child("snapshot", len(self._rows))
        done = annealer.anneal(PILOT, self._islands, _RESAMPLE, here, _CESS, None)
        self._model, self._x = kept, done.bound.configurations(done.state)
        log_z = self._islands.log_z + self._log_z_start
        Z = np.exp(log_z - log_z.max())
        value, error = jackknife(lambda i: math.log(Z[i].mean()) + log_z.max(), _ISLANDS)
        share = float(np.mean(self._islands.ess))
        self._rows.append((float(label), value, error, len(done.stages), share))
        return value, error

    def result(self) -> Followed:
        """Return log Z of all snapshots, and the ladder up to the last one."""
        import xarray as xr

        if not self._rows:
            raise InputError("a trajectory needs at least one snapshot, got none")
        ladder, rates = list(self._ladder), list(self._rates)
        if self._next is not None:
            ladder, rates = [*ladder, self._next[0]], [*rates, self._next[1]]
        label, value, error, steps, ess = (np.array(column) for column in zip(*self._rows))
        data = xr.Dataset(
            {
                "log_z": ("snapshot", value, {"long_name": "log Z", "units": "1"}),
                "log_z_error": ("snapshot", error, {"long_name": "error of log_z"}),
                "n_steps": ("snapshot", steps, {"long_name": "steps from the one before"}),
                "ess": ("snapshot", ess, {"long_name": "effective share of the particles"}),
            },
            coords={"label": ("snapshot", label)},
            attrs={"n_chains": self._islands.n, "rng": repr(self.rng)},
        )
        return Followed(data, [m.label for m in ladder], [m.model for m in ladder], rates)

    def _offer(self, label: float, model: Any, x: np.ndarray) -> None:
        """Keep the model passed before this one, if this one would exchange too rarely."""
        weight = np.exp(self._islands.log_weight).ravel()
        new = _Member(label, model, x, weight / weight.sum())
        if not self._ladder:
            self._ladder.append(new)
            return
        rate = _rate(self._ladder[-1], new)
        if rate < self.least and self._next is not None:
            member, known = self._next
            self._ladder.append(member)
            self._rates.append(known)
            rate = _rate(member, new)
        self._next = new, rate


def follow(snapshots: Iterable[tuple[float, Any]], move: Any = None, **settings: Any) -> Followed:
    """Follow a model through its snapshots.

    Parameters
    ----------
    snapshots : iterable of (label, model)
        In the order of the training, labels increasing.
    move : Sampler, optional
    **settings
        n_chains, n_moves, least and rng of :class:`Follower`.

    Returns
    -------
    Followed
    """
    follower = Follower(move, **settings)
    for label, model in snapshots:
        follower.advance(label, model)
    return follower.result()


def _rate(one: _Member, two: _Member) -> float:
    """Return the mean probability of an exchange, each draw of one with one draw of the other."""
    mine = [action_of(one.model, m.x) for m in (one, two)]
    other = [action_of(two.model, m.x) for m in (one, two)]
    # The partner is half of the particles away: neighbours may descend from one particle.
    shift = len(one.x) // 2
    A = (mine[0] - other[0]) + np.roll(other[1] - mine[1], shift)
    w = one.weight * np.roll(two.weight, shift)
    return float(np.sum(w * np.exp(np.minimum(A, 0.0))) / np.sum(w))
