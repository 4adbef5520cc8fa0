"""log Z of a model from whatever knows most about it: an exact sum, else annealing both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from physgen.core.errors import InputError
from physgen.samplers.annealed_importance import log_z_sandwich
from physgen.samplers.loop.recording import named
from physgen.samplers.nearby_action import nearby_path
from physgen.samplers.plain import kernel_name
from physgen.targets.checked import checked_target

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["log_z_of"]

_COSTLY: dict[str, Any] = {"n_chains": 64, "max_temperatures": 200, "tolerance": 0.1}
_NEARBY: dict[str, Any] = {"n_chains": 256, "max_temperatures": 2000, "tolerance": 0.1}


def log_z_of(model: Any, **how: Any) -> xr.Dataset:
    """Return log Z of a target, exactly where it can be summed.

    Parameters
    ----------
    model : Target
        A Boltzmann machine with at most 22 units in one layer (``model.log_z_exact()``), or a
        target that :func:`~physgen.exact.exact_values` knows, is summed exactly.
    **how
        Arguments of :func:`~physgen.samplers.log_z_sandwich` for all others; ``seed=1`` by
        default.  A target without a compiled loop (a network) pays for every step: by default it
        has 64 chains, at most 200 temperatures, and an error of 0.1 to reach.  Where a local
        action is close to it, most of the path runs in compiled loops
        (:mod:`physgen.samplers.nearby_action`): 256 chains, at most 2,000 temperatures.

    Returns
    -------
    Dataset
        ``log_z``, ``log_z_error`` (0 if exact), ``free_energy`` and the rest of the sandwich;
        ``attrs["method"]`` says which it was, ``attrs["exactness"]`` is "exact" for a sum.

    Raises
    ------
    InputError
        If no start of an annealing is known either; `how` may give one.
    """
    target = checked_target(model)
    found = _exact(target)
    if found is not None:
        return _labelled(target, *found)
    if "seed" not in how and "rng" not in how:
        how["seed"] = 1
    if not kernel_name(target):
        given = {"path", "start"} & set(how)
        path = None if given else nearby_path(target)
        how = (_COSTLY if path is None else _NEARBY | {"path": path}) | how
        if "n_temperatures" in how:
            del how["tolerance"]
    ds = log_z_sandwich(target, **how)
    return ds.assign_attrs(method="annealed importance sampling, forward and reverse")


def _exact(target: Any) -> tuple[float, str] | None:
    """Return log Z and the method, None if it is not known."""
    total: Callable[[], float] | None = getattr(target, "log_z_exact", None)
    try:
        if total is not None:
            return float(total()), "sum over the states of the smaller layer"
        from physgen.exact.oracles import exact_values

        values = exact_values(target)
    except InputError:  # too large for a sum, or of a class that no oracle knows
        return None
    if "log_z" not in values:
        return None
    return float(values["log_z"]), str(values.attrs.get("method", "exact values"))


def _labelled(target: Any, log_z: float, method: str) -> xr.Dataset:
    import xarray as xr

    numbers = {"log_z": log_z, "free_energy": -log_z}
    data: dict[str, Any] = {name: ((), value, {"units": "1"}) for name, value in numbers.items()}
    data |= {f"{name}_error": ((), 0.0, {"units": "1"}) for name in numbers}
    attrs = {
        "target": named(target), "method": method, "exactness": "exact",
        "exactness_for": "the target", "warnings": "",
    }  # fmt: skip
    return xr.Dataset(data, attrs=attrs)
