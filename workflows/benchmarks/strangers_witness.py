"""How often lower bounds on a quantum fidelity lie below the truth, state by state.

Each case draws 400 data sets (2,000 for two settings) from a state whose fidelity F, and whose own
quantity W <= F of the bound, are known exactly; W is the stricter of the two to stay below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from physgen.core.random import Stream
from physgen.quantum import (
    TFIM,
    Born,
    BornMixed,
    DensityMatrix,
    MeasurementData,
    depolarised,
    ghz_state,
    ground_state,
    povm,
)
from physgen.validation import fidelity_witness, ghz_fidelity

LEVEL = 0.95
DATA_SETS = 400  # the share has an error of 0.011
CHEAP_SETS = 2000  # of the few bits of two settings: 0.005


@dataclass(frozen=True)
class Case:
    """A state and a number of shots: the bounds of its data sets, its W and its fidelity F."""

    name: str
    bounds: np.ndarray
    W: float
    F: float

    @property
    def covered(self) -> float:
        """Share of the bounds below W."""
        return float((self.bounds < self.W).mean())

    @property
    def distance(self) -> float:
        """Median of F minus the bound."""
        return float(np.median(self.F - self.bounds))


def cases() -> list[Case]:
    """Return all cases, those of few and skewed shots included."""
    found = _ground((100, 1000, 10_000))
    found += [_ghz(n) for n in (300, 3000, 30_000)]
    return found + [_two_settings(n, coherence) for n, coherence in ((30, 0.98), (500, 0.9))]


def _ground(numbers: tuple[int, ...]) -> list[Case]:
    """The bound by the energy, L = 10, h = 2, 1 % depolarising on each site."""
    tfim, p = TFIM(10, h=2.0), 0.01
    psi = ground_state(tfim, chi_max=16)
    shrink = 1 - 4 * p / 3
    zz = sum(psi.expectation({a: "Z", b: "Z"}) for a, b in tfim.bonds)
    energy = -tfim.J * shrink**2 * zz - tfim.h * shrink * psi.profile("X").sum()
    W = 1 - (energy - tfim.ground_state_energy()) / tfim.gap()
    F = DensityMatrix.pure(psi).depolarised(p).fidelity_squared(psi)
    # Noise on the state is noise in the elements, whose shots are read as those without.
    born = Born(psi, depolarised("pauli-6", p))

    def bound(n: int, k: int) -> float:
        x = born.sample(n, Stream(k, ("ground", n)))
        ds = fidelity_witness(MeasurementData(x, "pauli-6"), tfim)
        return float(ds.fidelity_squared_lower_raw.sel(level=LEVEL))

    return [Case(f"energy, {n:,} shots", _all(bound, n), float(W), F) for n in numbers]


def _ghz(n: int) -> Case:
    """The fidelity with GHZ-6 by dual frames: a tenth of few shots carries the coherence."""
    rho = DensityMatrix.pure(ghz_state(6)).depolarised(0.02)
    F = rho.fidelity_squared(ghz_state(6))
    born = BornMixed(rho, povm("pauli-6"))

    def bound(n: int, k: int) -> float:
        data = MeasurementData(born.sample(n, Stream(k, ("ghz", n))), "pauli-6")
        return float(ghz_fidelity(data).ghz_fidelity_squared_lower_raw.sel(level=LEVEL))

    return Case(f"GHZ-6, {n:,} shots", _all(bound, n), F, F)


def _two_settings(n: int, coherence: float) -> Case:
    """The bound from Z...Z and X...X: few shots of which most sets show no fault at all."""
    F = (1 + coherence) / 2

    def bound(n: int, k: int) -> float:
        rng = Stream(k, ("two", n)).numpy()
        z = np.repeat(rng.random((n, 1)) < 0.5, 6, axis=1)
        x = rng.random((n, 6)) < 0.5
        x[:, 5] = x[:, :5].sum(axis=1) % 2 ^ (rng.random(n) < (1 - coherence) / 2)
        shots = np.concatenate([3 * z, 1 + 3 * x]).astype(np.uint8)
        data = MeasurementData(shots, "pauli-6", settings=np.repeat([0, 1], n))
        return float(ghz_fidelity(data).ghz_witness_lower_raw.sel(level=LEVEL))

    # The populations are whole, so that W = F.
    return Case(f"GHZ-6, two settings of {n} shots", _all(bound, n, CHEAP_SETS), F, F)


def _all(bound: Callable[[int, int], float], n: int, n_sets: int = DATA_SETS) -> np.ndarray:
    return np.array([bound(n, k) for k in range(n_sets)])
