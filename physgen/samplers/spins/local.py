"""The kernel that a local Ising sampler runs on."""

from __future__ import annotations

import math
from typing import Any

from physgen.core.chains import BoundSampler
from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["DEVICES", "LAYOUTS", "RNGS", "bind_ising", "bind_pairs"]

LAYOUTS = ("auto", "chains", "lattice", "int8")
RNGS = ("philox", "fast")
DEVICES = ("cpu", "cuda")
_LARGE = 512**2  # sites from which strips are as fast as chains, however many chains there are


def bind_ising(target: Any, rule: int, rng: str, layout: str, device: str = "cpu") -> BoundSampler:
    """Return the bound sampler for a target with the kernel "ising".

    "auto" is "lattice" for large lattices that can be cut into strips, else "chains" where the
    couplings allow it, else "int8".
    """
    from physgen.samplers.spins.chains import IsingChains
    from physgen.samplers.spins.int8 import IsingInt8
    from physgen.samplers.spins.lattice import IsingLattice, strips_model
    from physgen.samplers.spins.model import chains_model

    fast = check_choice("rng", rng, RNGS) == "fast"
    check_choice("layout", layout, LAYOUTS)
    large = layout == "auto" and math.prod(target.event_shape) >= _LARGE
    if check_choice("device", device, DEVICES) == "cuda":
        from physgen.samplers.spins.cuda import bind_cuda_ising

        return bind_cuda_ising(target, rule, fast, layout, large)
    reasons = {}
    if layout == "lattice" or large:
        strips = strips_model(target, rule)
        if not isinstance(strips, str):
            return IsingLattice(target, strips, rule, fast)
        reasons["lattice"] = strips
    if layout in ("chains", "auto"):
        neighbours, K, H = target.kernel[1]
        model = chains_model(neighbours, K, H, rule)
        if layout == "auto" and target.beta == 0 and not isinstance(model, str):
            # Without couplings every layout fits.  Take the layout of the other temperatures:
            # replicas and annealed particles pass on their spins unconverted.
            neighbours, K, H = target.at(beta=1.0).kernel[1]
            other = chains_model(neighbours, K, H, rule)
            model = other if isinstance(other, str) else model
        if not isinstance(model, str):
            return IsingChains(target, model, rule, fast)
        reasons["chains"] = model
    if layout in ("int8", "auto"):
        return IsingInt8(target, rule, fast)
    raise InputError(f"layout {layout!r} cannot take this model: {reasons[layout]}; use 'auto'")


def bind_pairs(target: Any, rule: int, rng: str, layout: str) -> BoundSampler:
    """Return the bound sampler for a target with the kernel "pairs": spins that are all coupled.

    Raises
    ------
    InputError
        If the layout is none of "int8" and "auto".
    """
    from physgen.samplers.spins.int8 import IsingInt8

    if layout not in ("auto", "int8"):
        raise InputError(
            f"layout {layout!r} cannot take couplings of all pairs; use 'auto' or 'int8'"
        )
    return IsingInt8(target, rule, rng == "fast")
