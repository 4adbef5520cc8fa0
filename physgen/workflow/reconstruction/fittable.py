"""Which models of a config can be fitted to the shots at hand.

A distribution of outcomes (a network) needs a complete set of settings, or settings drawn at
random; a state (mps, lpdo) takes any.  Models that cannot be fitted are left out, and the run says
so; if none is left, the run is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from physgen.core.errors import InputError
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.model_section import ModelSection

if TYPE_CHECKING:
    from physgen.quantum import MeasurementData

__all__ = ["fittable", "left_out"]


def fittable(config: Config, data: MeasurementData) -> list[ModelSection]:
    """Return the models that can be fitted, in order.

    Raises
    ------
    InputError
        If there is none.
    """
    reasons = _reasons(data, config.model)
    kept = [section for section, why in zip(config.model, reasons) if not why]
    if not kept:
        raise InputError(reasons[0])
    return kept


def left_out(config: Config, data: MeasurementData) -> str:
    """Return the models that are left out with the reason, in one line, or an empty text."""
    reasons = _reasons(data, config.model)
    told: list[str] = []
    for reason in dict.fromkeys(why for why in reasons if why):
        names = [s.name for s, why in zip(config.model, reasons) if why == reason]
        told.append(f"{', '.join(names)} left out: {reason}")
    return "; ".join(told)


def _reasons(data: MeasurementData, sections: Sequence[ModelSection]) -> list[str]:
    """Return why each model cannot be fitted, or an empty text."""
    networks = ""
    if data.settings is not None and not all(s.is_state for s in sections):
        try:
            data.weights  # noqa: B018  refuses settings without shots
        except InputError as error:
            networks = (
                f"{error}; or fit only states, [model] family = 'mps' or 'lpdo', which need no "
                "complete set of settings"
            )
    return ["" if section.is_state else networks for section in sections]
