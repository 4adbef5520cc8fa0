"""Progress of a run, reported a few times a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from physgen.analysis.autocorrelation import tau_int

__all__ = ["Progress", "Reporter"]

PROGRESS_EVERY = 0.2  # seconds between calls of the listener
_CHAINS, _POINTS = 32, 2048  # of the history that tau_int and R-hat are estimated from


@dataclass(frozen=True)
class Progress:
    """What a progress display shows.

    Attributes
    ----------
    phase : {"warmup", "draws"}
    done, total : int
        Steps of the warm-up and their maximum; or draws of each chain.
    per_second : float
        Of `done`.
    eta_s : float
        Seconds left; infinite if unknown.
    tau_int, r_hat : float
        Of the slowest observable so far, in draws, from up to 32 chains; NaN if not yet known.
    n_bytes : int
        Memory that the whole result takes.
    """

    phase: str
    done: int
    total: int
    per_second: float
    eta_s: float
    tau_int: float
    r_hat: float
    n_bytes: int


class Reporter:
    """Reports a run to a listener, at most every PROGRESS_EVERY seconds."""

    def __init__(self, callback: Callable[[Progress], None] | None, n_bytes: int) -> None:
        self.callback, self.n_bytes = callback, n_bytes
        self.last = -math.inf
        self._phase, self._start, self._first = "", 0.0, 0
        self._history: dict[str, np.ndarray] = {}
        self._kept, self._stride, self._seen = 0, 1, 0
        self._figures, self._figures_at = (math.nan, math.nan), 32

    def record(self, values: Mapping[str, np.ndarray]) -> None:
        """Remember one draw, thinned so that the history stays small."""
        if self.callback is None:
            return
        self._seen += 1
        if (self._seen - 1) % self._stride:
            return
        for name, value in values.items():
            chains = value.reshape(len(value), -1)[:_CHAINS, 0]
            if name not in self._history:
                self._history[name] = np.empty((len(chains), _POINTS))
            self._history[name][:, self._kept] = chains
        self._kept += 1
        if self._kept == _POINTS:
            for past in self._history.values():
                past[:, : _POINTS // 2] = past[:, ::2].copy()
            self._kept, self._stride = _POINTS // 2, 2 * self._stride

    def report(self, phase: str, done: int, total: int, *, final: bool = False) -> None:
        """Call the listener, if it is time or the phase is over."""
        now = time.monotonic()
        if phase != self._phase:  # the first step compiles, so the clock starts after it
            self._phase, self._start, self._first = phase, now, done
        if self.callback is None or (now - self.last < PROGRESS_EVERY and not final):
            return
        self.last = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        tau, r = self._slowest() if phase == "draws" else (math.nan, math.nan)
        left = (total - done) / rate if rate > 0 else math.inf
        self.callback(Progress(phase, done, total, rate, left, tau, r, self.n_bytes))

    def _slowest(self) -> tuple[float, float]:
        """Return tau_int and R-hat, found anew whenever the chains have grown by a half."""
        if self._seen >= self._figures_at:
            from physgen.analysis.convergence import r_hat

            self._figures_at = 3 * self._seen // 2
            past = [x[:, : self._kept] for x in self._history.values()]
            taus = [self._stride * t for x in past if (t := tau_int(x).value) > 0]
            hats = [h for x in past if (h := r_hat(x)) > 0]
            self._figures = max(taus, default=math.nan), max(hats, default=math.nan)
        return self._figures
