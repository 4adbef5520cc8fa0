r"""Ground states of any sum of Pauli strings, by two-site DMRG (TeNPy) in one sector.

Where :math:`\sum_i Z_i` or :math:`\prod_i Z_i` is conserved (or X, after a Hadamard matrix on
every site), TeNPy's tensors conserve it, so a state lies in one sector even where two levels are
exponentially close.  Up to 12 sites the sector is found by diagonalisation, and the state itself
is taken from there if its bonds fit.  Beyond, both parities are run, or charges are tried in short
runs, downhill from the smallest one and at the extremes.  Every run has two starts, spins spread
evenly and shuffled, and, where terms reach beyond the next site, a mixer: it cannot stay where a
product state is stuck.

The error of the result is :math:`\langle H^2 \rangle - E^2` (:mod:`.mpo`): a level lies within its
root of E.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.conserved import (
    Sector,
    commutes_with_parity,
    hadamard_of,
    in_ladder_operators,
    is_real,
    symmetry_of,
)
from physgen.quantum.hamiltonians import Hamiltonian
from physgen.quantum.mpo import matrix_product, mean_and_variance, real_factors
from physgen.quantum.mps import MPS
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.spectrum import MAX_SITES, LowLevels, low_levels, sector_vector

__all__ = ["MAX_TRUNCATION", "Effort", "dmrg", "general_ground_state", "unique_levels"]

MAX_TRUNCATION = 1e-4
_MIXER = {"amplitude": 1e-4, "decay": 3.0, "disable_after": 8}
Progress = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Effort:
    """Largest bond, smallest singular value, and most sweeps of a run."""

    chi_max: int
    svd_min: float
    max_sweeps: int


_SHORT = Effort(8, 1e-6, 2)  # of the runs that choose a sector and a start


def general_ground_state(
    hamiltonian: Hamiltonian,
    chi_max: int,
    svd_min: float,
    max_sweeps: int,
    progress: Progress | None,
) -> MPS:
    """Return the ground state, as :func:`physgen.quantum.ground_state` documents it."""
    operator = hamiltonian.pauli_sum()
    if all(string == () for string in operator.terms):
        raise InputError(
            "a Hamiltonian must have a term beside the identity for a ground state, got none: "
            "every state is one; give a state of your own"
        )
    known = unique_levels(operator)
    dense = None if known is None else _dense(operator, known.sector, svd_min)
    fits = dense is not None and (operator.L <= 2 or dense.max_bond <= chi_max)
    if dense is not None and known is not None and fits:
        state, sector, about = dense, known.sector, dict(_EXACTLY)
    else:
        effort = Effort(chi_max, svd_min, max_sweeps)
        state, sector, about = dmrg(operator, known, effort, progress)
    if about["truncation_error"] > MAX_TRUNCATION:
        raise InputError(
            f"chi_max must be larger for this Hamiltonian, got {chi_max}, which discards "
            f"{about['truncation_error']:.1e} at one bond; raise chi_max"
        )
    energy, variance = mean_and_variance(state.tensors, operator)
    exact = hamiltonian.ground_state_energy()
    if exact is None and known is not None:
        exact = known.energy
    levels = {} if known is None else {"gap": known.gap, "degeneracy": known.degeneracy}
    state.attrs = hamiltonian.attrs() | {
        "energy": energy,
        "energy_variance": variance,
        **({} if exact is None else {"energy_error": energy - exact}),
        "sector": str(sector),
        **levels,
        "chi_max": chi_max,
        "svd_min": svd_min,
        **about,
    }
    return state


def unique_levels(operator: PauliSum) -> LowLevels | None:
    """Return the lowest levels, or None on more than 12 sites, where they are not known.

    Raises
    ------
    InputError
        If several ground states share a sector: DMRG would pick one of them at random.
    """
    known = low_levels(operator) if operator.L <= MAX_SITES else None
    if known is not None and known.degeneracy_in_sector > 1:
        raise InputError(
            f"a ground state must be unique in its sector, got {known.degeneracy_in_sector} of "
            f"the energy {known.energy:.10g} with {known.sector}; add a small term that tells "
            "them apart, or give a state of your own"
        )
    return known


_EXACTLY = {
    "method": "exact diagonalisation",
    "truncation_error": 0.0,
    "n_sweeps": 0,
    "converged": True,
}


def _dense(operator: PauliSum, sector: Sector, svd_min: float) -> MPS:
    """Return the lowest state of a sector, without the bonds of singular values below svd_min."""
    return MPS.from_dense(sector_vector(operator, sector), svd_min=svd_min).right_canonical()


def dmrg(
    operator: PauliSum, known: LowLevels | None, effort: Effort, progress: Progress | None = None
) -> tuple[MPS, Sector, dict[str, Any]]:
    """Return the state, its sector, and how the run ended; three sites or more."""
    symmetry = symmetry_of(operator)
    turned = hadamard_of(operator) if symmetry.axis == "X" else operator
    search = _Search(turned, symmetry.kind, effort)
    if known is not None:
        values = [known.sector.value]
    elif symmetry.kind == "charge":
        values = [_best_charge(search, turned)]
    else:
        values = symmetry.values(operator.L)
    found = {value: search.run(value, progress) for value in values}
    # Levels that rounding alone tells apart: the first of them, P = +1.
    lowest = min(about["energy"] for _, about in found.values())
    rounding = 1e-10 * operator.bound()
    value = next(v for v in values if found[v][1]["energy"] <= lowest + rounding)
    tensors, about = found[value]
    others = [a["energy"] for v, (_, a) in found.items() if v != value]
    del about["energy"]
    state = MPS(tensors)
    if symmetry.axis == "X":
        state = state.rotated("H")
    conserved = "" if symmetry.kind == "none" else f", {symmetry.kind} conserved"
    about["method"] = f"finite two-site DMRG{conserved} (TeNPy)"
    if others:
        about["sector_gap"] = min(others) - lowest
    return state.right_canonical(), Sector(symmetry, value), about


def _best_charge(search: _Search, operator: PauliSum) -> int:
    """Return the charge of the lowest short run: downhill from the middle, or an extreme one.

    `operator` conserves the charge along Z; its extreme sectors hold one product state each.
    """
    L = operator.L
    diagonal = {s: c for s, c in operator if all(letter == "Z" for _, letter in s)}
    energy: dict[int, float] = {
        sign * L: sum(c * sign ** len(s) for s, c in diagonal.items()) for sign in (1, -1)
    }
    if commutes_with_parity(operator, "X"):  # charges of either sign have the same energy
        sides, energy = (1,), {L: energy[L]}
    else:
        sides = (1, -1)

    def at(q: int) -> float:
        if q not in energy:
            energy[q] = search.short_energy(q)
        return energy[q]

    best = L % 2
    for side in sides:
        step = 2
        while step >= 2:
            q = best + side * step
            if abs(q) <= L and q >= (0 if len(sides) == 1 else -L) and at(q) < at(best):
                best, step = q, 2 * step
            else:
                step //= 2
    rounding = 1e-9 * operator.bound()
    return min((best, *energy), key=lambda q: (energy[q] > min(energy.values()) + rounding, -q))


class _Search:
    """DMRG runs of one operator whose symmetry lies along Z."""

    def __init__(self, operator: PauliSum, kind: str, effort: Effort) -> None:
        from tenpy.models.lattice import Chain
        from tenpy.models.model import MPOModel
        from tenpy.networks.mpo import MPO
        from tenpy.networks.site import SpinHalfSite

        self.L, self.kind, self.effort = operator.L, kind, effort
        self.scale = operator.bound()
        self.real = is_real(operator)
        self.far = any(s[-1][0] - s[0][0] > 1 for s, _ in operator if s)
        conserve = {"charge": "Sz", "parity": "parity"}.get(kind, "None")
        site = SpinHalfSite(conserve=conserve)
        # TeNPy sorts the local basis by charge: "up" is our |0>.
        self.order = [site.state_index("up"), site.state_index("down")]
        products = in_ladder_operators(operator) if kind == "charge" else real_factors(operator)
        Ws, bonds = matrix_product(products or {}, self.L)
        where = np.argsort(self.order)
        flat = [W.transpose(2, 3, 0, 1)[where][:, where] for W in Ws]
        ends = [_index(states, ()) for states in bonds]
        begins = [_index(states, ((-1, "begin"),)) for states in bonds]
        H = MPO.from_Wflat([site] * self.L, flat, permute=False, IdL=begins, IdR=ends)
        H.sort_legcharges()
        self.model = MPOModel(Chain(self.L, site, bc="open", bc_MPS="finite"), H)

    def run(
        self, value: int, progress: Progress | None
    ) -> tuple[list[np.ndarray], dict[str, Any]]:
        """Return the tensors of the lowest state of a sector, and how the run ended."""
        short = [self._dmrg(psi, _SHORT) for psi in self._starts(value)]
        engine = min(short, key=_energy)
        engine = self._dmrg(engine.psi, self.effort, progress)
        psi = engine.psi
        tensors = [psi.get_B(i).to_ndarray()[:, self.order, :] for i in range(self.L)]
        return tensors, {
            "energy": _energy(engine),
            "truncation_error": float(np.max(engine.trunc_err_list)),
            "n_sweeps": int(engine.sweeps),
            "converged": bool(engine.is_converged()),
        }

    def short_energy(self, value: int) -> float:
        """Return the energy that a short run reaches in a sector."""
        return _energy(self._dmrg(self._starts(value)[0], _SHORT))

    def _starts(self, value: int) -> list[Any]:
        """Return product states of a sector: down spins spread evenly, and shuffled."""
        from tenpy.networks.mps import MPS as TenpyMPS

        rng = np.random.Generator(np.random.Philox(key=1))
        sites, dtype = self.model.lat.mps_sites(), np.float64 if self.real else np.complex128
        if self.kind == "none":
            angles = rng.uniform(0, np.pi, (2, self.L))
            states: list[Any] = [
                [[np.cos(a), np.sin(a)] for a in row]
                if self.real
                else [[np.cos(a), np.sin(a) * np.exp(1j * k)] for k, a in enumerate(row)]
                for row in angles
            ]
        else:
            down = np.zeros(self.L, int)
            n = (self.L - value) // 2 if self.kind == "charge" else self.L // 2
            if self.kind == "parity" and (-1) ** n != value:
                n += 1
            down[(np.arange(n) * self.L) // max(n, 1)] = 1
            states = [
                ["down" if d else "up" for d in row] for row in (down, rng.permutation(down))
            ]
        made: Any = TenpyMPS.from_product_state  # typed for real states alone
        return [made(sites, s, bc="finite", dtype=dtype) for s in states]

    def _dmrg(self, psi: Any, effort: Effort, progress: Progress | None = None) -> Any:
        from tenpy.algorithms.dmrg import TwoSiteDMRGEngine

        options: dict[str, Any] = {
            "trunc_params": {"chi_max": effort.chi_max, "svd_min": effort.svd_min},
            "mixer": self.far,
            **({"mixer_params": _MIXER} if self.far else {}),
            "max_sweeps": effort.max_sweeps - 1,  # TeNPy makes one more
            "max_E_err": 1e-13 * max(self.scale, 1.0),
            "max_trunc_err": None,  # the caller decides
            "lanczos_params": {"N_min": 2, "N_max": 12},
        }
        engine = TwoSiteDMRGEngine(psi, self.model, options)
        # TeNPy reports options that were not read as misspelt when the engine is collected.
        for part in (engine.options, engine.lanczos_params, engine.trunc_params):
            part.touch(*part.keys())
        last = [np.nan]

        def report(algorithm: Any) -> None:
            if progress is not None:
                energy = _energy(algorithm)
                progress(int(algorithm.sweeps), energy, energy - last[0])
                last[0] = energy

        engine.checkpoint.connect(report)  # emitted after every sweep but the last
        engine.run()
        report(engine)
        return engine


def _energy(engine: Any) -> float:
    return float(engine.sweep_stats["E"][-1])


def _index(states: list[Any], state: Any) -> int | None:
    return states.index(state) if state in states else None
