"""Symmetries that a config imposes on a model, against those of the measured ground state.

A model that is symmetric where the state is not is wrong, however long it is fitted.  What H does
not have is refused before a run begins; the parity of a state is seen when the state is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from physgen.core.errors import InputError
from physgen.workflow.reconstruction.model_section import ModelSection

if TYPE_CHECKING:
    from physgen.quantum import MPS, Hamiltonian

__all__ = ["check_state_symmetries", "check_symmetries"]

_DEFINITE = 1e-6  # by which a parity may differ from 1 or -1

_REASONS = {
    "reflection": "H is not its own mirror image",
    "translation": "H does not go into itself by i -> i + 1 around a ring",
    "y-flip": "H is not real in the basis of Z: some term has an odd number of Y",
    "z2": "H does not commute with prod X",
}


def check_symmetries(models: Sequence[ModelSection], hamiltonian: Hamiltonian) -> None:
    """Raise :class:`InputError` if a model has a symmetry that the Hamiltonian has not."""
    from physgen.quantum.conserved import (
        commutes_with_parity,
        is_real,
        is_reflected,
        is_translated,
    )

    H = hamiltonian.pauli_sum()
    has = {
        "reflection": is_reflected(H),
        "translation": is_translated(H),
        "y-flip": is_real(H),
        "z2": commutes_with_parity(H, "X"),
    }
    for model in models:
        for name in model.symmetries:
            if not has[name]:
                raise InputError(
                    f"[model] symmetries must be those of the Hamiltonian, got {name!r}, but "
                    f"{_REASONS[name]}; remove it"
                )
        if model.parity is not None and not commutes_with_parity(H, model.parity[-1]):
            raise InputError(
                f"[model] parity must be conserved by the Hamiltonian, got {model.parity!r}, but "
                f"H does not commute with prod {model.parity[-1]}; remove it"
            )


def check_state_symmetries(models: Sequence[ModelSection], state: MPS) -> None:
    """Raise :class:`InputError` if a model has another parity than a ground state."""
    for model in models:
        if "z2" in model.symmetries and 1 - abs(_parity(state, "X")) > _DEFINITE:
            raise InputError(
                "[model] symmetries must be those of the ground state, got 'z2', but the state "
                f"has no definite parity (<prod X> = {_parity(state, 'X'):.3f}); remove it"
            )
        if model.parity is None:
            continue
        sign, pauli = (-1 if model.parity.startswith("-") else 1), model.parity[-1]
        value = _parity(state, pauli)
        if abs(value - sign) > _DEFINITE:
            other = ("-" if sign > 0 else "") + pauli
            remedy = f"write {other!r}" if abs(value + sign) <= _DEFINITE else "remove it"
            raise InputError(
                f"[model] parity must be that of the ground state, got {model.parity!r}, but "
                f"<prod {pauli}> = {value:.3f}; {remedy}"
            )


def _parity(state: MPS, pauli: str) -> float:
    return state.expectation(dict.fromkeys(range(state.L), pauli))
