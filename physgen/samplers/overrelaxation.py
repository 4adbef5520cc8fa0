r"""Overrelaxation of phi^4 fields: reflections that leave the action (nearly) unchanged.

At one site, with :math:`b = \mathrm{hop} \sum_y \phi_y`, the field is reflected at b / 2c,

.. math:: \phi' = b / c - \phi , \qquad p_{\mathrm{accept}} = \min(1, e^{-\Delta S}) .

For a free field c = quad conserves S and nothing is rejected (Adler 1981, Creutz 1987); with a
quartic term c is tuned.  Reflections alone would not be ergodic: a Metropolis sweep follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.samplers.fields.local import LocalChains, bind_phi4
from physgen.samplers.fields.moves import check_settings
from physgen.samplers.plain import kernel_name

__all__ = ["Overrelaxation"]


@final
@dataclass(frozen=True, kw_only=True)
class Overrelaxation:
    """Reflections and Metropolis sweeps of phi^4 and free fields.

    One step is `n_reflections` reflection sweeps and one Metropolis sweep.  ``Info.accepted`` is
    the acceptance of the Metropolis sweep, ``Info.metrics["reflected"]`` of the reflections.

    Parameters
    ----------
    n_reflections : int
        >= 1; about L of them shorten tau_int the most.
    width : float, optional
        Half width of the Metropolis proposals; by default it is tuned in the warm-up.
    dtype : {"float32", "float64"}
    rng : {"philox", "fast"}
    device : {"cpu", "cuda"}
        "cuda": the same fields, to rounding, on a GPU.

    Raises
    ------
    InputError
        If `n_reflections` or `width` is not positive, or dtype or rng is unknown.

    Examples
    --------
    >>> from physgen.targets import Phi4
    >>> chains = Overrelaxation(n_reflections=8).bind(Phi4.from_hopping(16, kappa=0.27, lam=0.022))
    """

    cites: ClassVar[tuple[str, ...]] = ("Creutz1987",)

    n_reflections: int = 4
    width: float | None = None
    dtype: str = "float32"
    rng: str = "philox"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_positive_int("n_reflections", self.n_reflections)
        if self.width is not None:
            check_positive("width", self.width)
        check_settings(self.dtype, self.rng, self.device)

    def bind(self, target: Target) -> LocalChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target is not a phi^4 or free field, or there is no CUDA device.
        """
        if kernel_name(target) != "phi4":
            raise InputError(
                f"Overrelaxation needs a phi^4 or free field, got {type(target).__name__}; "
                "take HMC, which needs only a force"
            )
        return bind_phi4(target, self.rng, self.dtype, self.width, self.n_reflections, self.device)
