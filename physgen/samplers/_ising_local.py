"""Which kernel a local Ising sampler runs on."""

from __future__ import annotations

from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["LAYOUTS", "RNGS", "bind_ising", "kernel_name"]

LAYOUTS = ("auto", "chains", "lattice", "int8")
RNGS = ("philox", "fast")


def kernel_name(target: Any) -> str | None:
    """Return the name of a target's compiled kernel, None if it has none."""
    kernel = getattr(target, "kernel", None)
    return kernel[0] if kernel is not None else None


def bind_ising(target: Any, rule: int, rng: str, layout: str) -> Any:
    """Return the bound sampler for a target with the kernel "ising".

    "auto" is "chains" where the couplings allow it, else "int8".
    """
    from physgen.samplers._ising_model import chains_model
    from physgen.samplers.ising_chains import IsingChains

    fast = check_choice("rng", rng, RNGS) == "fast"
    check_choice("layout", layout, LAYOUTS)
    _, (neighbours, K, H) = target.kernel
    model = chains_model(neighbours, K, H, rule)
    if isinstance(model, str):
        raise InputError(f"layout 'chains' cannot take this model: {model}; use layout='int8'")
    return IsingChains(target, model, rule, fast)
