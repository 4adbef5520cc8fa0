r"""A lower bound on the fidelity with a ground state, from the energy alone.

Let :math:`|0\rangle` be the only ground state of H, with energy :math:`E_0` and the next level
:math:`\Delta` above it.  For any state, pure or mixed,

.. math:: F = \langle 0|\rho|0\rangle \;\ge\; W = 1 - \frac{E - E_0}{\Delta}, \qquad
          E = \mathrm{Tr} \rho H .

*Proof.*  The weight 1 - F of rho outside the ground state costs at least the gap:
:math:`E \ge F E_0 + (1 - F)(E_0 + \Delta)`.  Equality holds for mixtures and superpositions of the
ground state and the first level.

*With a parity.*  In the ordered phase the gap to the other sector of :math:`P = \prod_i X_i` is
exponentially small, and W is useless.  The lowest state of the sector :math:`P = p` is told from
the other sector by P itself.  With the gap :math:`\Delta_p` in the sector and the lowest level of
the other one at :math:`E_0 + \delta`, :math:`0 \le \delta \le \Delta_p`,

.. math:: F \ge W_p = 1 - \frac{E - E_0}{\Delta_p}
          - \frac{1 - p \langle P \rangle}{2} \Big( 1 - \frac{\delta}{\Delta_p} \Big) .

*Proof.*  As an operator :math:`W_p` commutes with H and P.  It is 1 in the state, at most 0 in its
sector above, and :math:`1 - (E_n - E_0)/\Delta_p - 1 + \delta/\Delta_p \le 0` in the other
sector.  P must be measured: an assumed parity certifies nothing.

W is linear in rho.  From shots it is unbiased, with the one-sided bounds of
:mod:`physgen.analysis.one_sided`.  A value of W near 0 or below says nothing about F.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from physgen.analysis.one_sided import LEVELS, SkewedMean
from physgen.core.errors import InputError
from physgen.core.structural import Structural
from physgen.quantum import TFIM, MeasurementData
from physgen.quantum.hamiltonians import Hamiltonian, hamiltonian_of
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.spectrum import MAX_SITES, low_levels
from physgen.validation.shot_means import mean_of_sum, unseen_strings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Witness", "bounds_of", "fidelity_witness", "parity_string", "witness_of"]

UNIQUE = 1e-9  # least gap of a unique ground state, over the largest coupling
NEAR = 0.01  # gap over that of the sector, below which the parity must be measured

CERTIFIES = (
    "W = 1 - (E - E0)/gap is a lower bound on the quantum fidelity <0|rho|0> with the ground "
    "state, for every state, pure or mixed; it says nothing where it is near 0 or below"
)


class Gapped(Protocol):
    """A Hamiltonian whose two lowest levels are known; None: they are not."""

    @property
    def L(self) -> int: ...
    def ground_state_energy(self) -> float | None: ...
    def gap(self) -> float | None: ...


@runtime_checkable
class Summed(Structural, Protocol):
    """A Hamiltonian that is known as a sum of Pauli strings."""

    def pauli_sum(self) -> PauliSum: ...


class Witness(NamedTuple):
    """W = constant + energy_factor <H> + parity_factor <P>, at most the projector on a state.

    Attributes
    ----------
    constant, energy_factor, parity_factor : float
    ground_energy, gap : float
        Energy of the state, and the gap in the formula.
    parity : int
        Sector of the state if the gap is that of the sector, else 0.
    """

    constant: float
    energy_factor: float
    parity_factor: float
    ground_energy: float
    gap: float
    parity: int

    def value(self, energy: float, parity: float = 0.0) -> float:
        """Return W for expectation values."""
        return self.constant + self.energy_factor * energy + self.parity_factor * parity


def witness_of(hamiltonian: Gapped, *, parity_known: bool, sector: bool | None = None) -> Witness:
    """Return the bound that holds for a Hamiltonian.

    Parameters
    ----------
    hamiltonian : TFIM, or any with L, ground_state_energy() and gap()
        Levels that have no closed form are found by diagonalisation, up to 12 sites.
    parity_known : bool
        Whether <prod X> is measured.
    sector : bool, optional
        Whether to take the gap in the parity sector; default: only where the other sector is near.

    Raises
    ------
    InputError
        If no gap separates the ground state, or only that of a sector whose parity is not known.
    """
    E0, gap = _levels(hamiltonian)
    scale = abs(E0) / hamiltonian.L
    if not isinstance(hamiltonian, TFIM):
        if sector:
            raise InputError("sector must be False but for a TFIM, whose parity is prod X")
        if gap <= UNIQUE * scale:
            raise InputError(
                f"the ground state must be unique for a bound, got a gap of {gap:.1e}"
            )
        return _plain(E0, gap)
    ground = hamiltonian.ground_sector()
    E0 = ground.levels[0]
    within = ground.levels[1] - E0
    if sector is None:
        sector = gap < max(NEAR * within, UNIQUE * scale)
    if not sector:
        if gap <= UNIQUE * scale:
            raise InputError(
                f"the ground state must be unique for a bound, got a gap of {gap:.1e}; that in a "
                "parity sector needs <prod X> measured"
            )
        return _plain(E0, gap)
    if within <= UNIQUE * scale:
        raise InputError(
            f"the ground state must be unique in its parity sector, got a gap of {within:.1e}"
        )
    if not parity_known:
        raise InputError(
            f"the parity prod X must be measured, as the gap to the other sector is {gap:.1e} "
            f"(in the sector: {within:.3g}); measure all sites in X"
        )
    other = hamiltonian.fermion_sector(-ground.parity).levels[0] - E0
    share = 1 - min(max(other, 0.0), within) / within
    return Witness(
        1 + E0 / within - share / 2,
        -1 / within,
        share * ground.parity / 2,
        E0,
        within,
        ground.parity,
    )


def _levels(hamiltonian: Gapped) -> tuple[float, float]:
    """Return E0 and the gap, in closed form or, of few sites, by diagonalisation."""
    E0, gap = hamiltonian.ground_state_energy(), hamiltonian.gap()
    if E0 is not None and gap is not None:
        return E0, gap
    if isinstance(hamiltonian, Summed) and hamiltonian.L <= MAX_SITES:
        low = low_levels(hamiltonian.pauli_sum())
        return low.energy, low.gap
    raise InputError(
        f"the lowest energy and the gap of H must be known for a bound, got none for "
        f"{type(hamiltonian).__name__} of {hamiltonian.L} sites; up to {MAX_SITES} sites they are "
        "found by diagonalisation"
    )


def _plain(E0: float, gap: float) -> Witness:
    return Witness(1 + E0 / gap, -1 / gap, 0.0, E0, gap, 0)


def fidelity_witness(
    data: MeasurementData | xr.Dataset,
    hamiltonian: Gapped | None = None,
    *,
    sector: bool | None = None,
) -> xr.Dataset:
    """Bound the quantum fidelity with a ground state from below, by the energy.

    Parameters
    ----------
    data : MeasurementData or Dataset
        Shots; or a Dataset with ``energy``, and ``energy_error`` (0 if absent) such as
        :func:`~physgen.quantum.estimate_observables` or a run gives, and ``parity`` = <prod X>
        where it is needed.
    hamiltonian : TFIM, or another Hamiltonian
        H with a unique ground state (default: the one that the data name).
    sector : bool, optional
        Whether to take the gap in the parity sector; default: only where the gap to the other
        sector is below 1 % of it.  Then <prod X> must be measured.

    Returns
    -------
    Dataset
        ``witness`` (W, unclipped) with ``witness_error``; by ``level`` (0.68 and 0.95, one-sided)
        ``fidelity_squared_lower`` in [0, 1] and ``fidelity_squared_lower_raw`` as it comes out.
        Attributes give ``ground_energy``, ``gap``, ``parity`` (0: none) and ``certifies``.

    Raises
    ------
    InputError
        If the ground state is not unique, or the data do not determine the energy.

    Notes
    -----
    From shots, the bound holds for the state that was measured, with no model and no assumption
    but that the shots are independent and the POVM is the one named.  From a model, it holds for
    the model.

    Examples
    --------
    >>> import physgen as pg
    >>> tfim = pg.TFIM(6, h=2.0)
    >>> shots = pg.Born(pg.ground_state(tfim), "pauli-6").sample(20_000, 1)
    >>> found = pg.fidelity_witness(pg.MeasurementData(shots, "pauli-6"), tfim)
    >>> bool(found.fidelity_squared_lower.sel(level=0.95) > 0.8)
    True
    """
    if hamiltonian is None:
        hamiltonian = _named(data)
    if isinstance(data, MeasurementData):
        return _from_shots(data, hamiltonian, sector)
    if "energy" not in data:
        raise InputError("a Dataset must hold energy for the bound, got none")
    found = {name: float(data[name]) for name in ("energy", "parity") if name in data}
    wrong = [name for name, value in found.items() if not np.isfinite(value)]
    if wrong:
        raise InputError(f"{wrong[0]} must be finite for the bound, got {found[wrong[0]]}")
    known = "parity" in found
    witness = witness_of(hamiltonian, parity_known=known, sector=sector)
    value = witness.value(found["energy"], found.get("parity", 0.0))
    # How energy and parity are correlated is not known: their errors add up.
    error = sum(
        abs(factor) * float(data[f"{name}_error"])
        for name, factor in (
            ("energy", witness.energy_factor),
            ("parity", witness.parity_factor),
        )
        if factor and f"{name}_error" in data
    )
    dof = float(data.attrs["refits"]) - 1 if "refits" in data.attrs else np.inf
    exactness = str(data.attrs.get("exactness", "asymptotic"))
    return _labelled(SkewedMean(value, error, dof=dof), witness).assign_attrs(exactness=exactness)


def _named(data: MeasurementData | xr.Dataset) -> Hamiltonian:
    found = data.hamiltonian if isinstance(data, MeasurementData) else hamiltonian_of(data.attrs)
    if found is None:
        raise InputError("hamiltonian must be given where the data name none")
    return found


def _from_shots(data: MeasurementData, hamiltonian: Gapped, sector: bool | None) -> xr.Dataset:
    if hamiltonian.L != data.L:
        raise InputError(
            f"the Hamiltonian must have the L = {data.L} of data, got {hamiltonian.L}"
        )
    energy, parity = _energy(hamiltonian), parity_string(data.L)
    known = not unseen_strings(data, parity)
    witness = witness_of(hamiltonian, parity_known=known, sector=sector)
    operator = witness.energy_factor * energy + witness.parity_factor * parity
    operator = operator + PauliSum({(): witness.constant}, data.L)
    found = _labelled(mean_of_sum(data, operator), witness)
    how = "pooled over settings" if data.settings is not None else "dual frame"
    return found.assign_attrs(
        estimator=f"{how}; Student's t and skewness of the shots in the bounds",
        exactness="asymptotic",
        n=data.n,
        povm=data.povm.name,
    )


def _energy(hamiltonian: Gapped) -> PauliSum:
    if not isinstance(hamiltonian, Summed):
        raise InputError(
            "hamiltonian must be a sum of Pauli strings for a bound from shots, got "
            f"{type(hamiltonian).__name__}; give a Dataset with energy and energy_error instead"
        )
    return hamiltonian.pauli_sum()


def parity_string(L: int) -> PauliSum:
    """Return prod X over all sites."""
    return PauliSum({tuple((i, "X") for i in range(L)): 1.0}, L)


def _labelled(mean: SkewedMean, witness: Witness) -> xr.Dataset:
    values = {
        "witness": ((), mean.value, {"units": "1", "long_name": "W, at most the fidelity"}),
        "witness_error": ((), mean.error, {"units": "1", "long_name": "standard error of W"}),
    }
    about: Mapping[str, object] = {
        "ground_energy": witness.ground_energy,
        "gap": witness.gap,
        "parity": witness.parity,
        "certifies": CERTIFIES,
    }
    return xr.Dataset(values | bounds_of("fidelity_squared", mean), _LEVEL).assign_attrs(about)


_LEVEL = {"level": ("level", list(LEVELS), {"long_name": "one-sided confidence level"})}


def bounds_of(name: str, mean: SkewedMean) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Return the variables ``<name>_lower`` in [0, 1] and ``<name>_lower_raw``, by level."""
    raw = np.array([mean.lower(level) for level in LEVELS])
    return {
        f"{name}_lower": (
            "level",
            raw.clip(0.0, 1.0),
            {"units": "1", "long_name": "lower bound, as a statement: in [0, 1]"},
        ),
        f"{name}_lower_raw": (
            "level",
            raw,
            {"units": "1", "long_name": "lower bound, as it comes out"},
        ),
    }
