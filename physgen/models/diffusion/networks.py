"""The networks of a score model, by their names in configs."""

from __future__ import annotations

from typing import Any

from physgen.core.checks import check_choice
from physgen.core.random import Stream
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.local_net import LocalNet
from physgen.models.diffusion.network import Remainder
from physgen.models.diffusion.unet import UNet

__all__ = ["NETWORKS", "network_of"]

NETWORKS: dict[str, Any] = {"filters": Remainder, "local": LocalNet, "unet": UNet}


def network_of(
    name: str, filters: Filters, channels: int, times: int, odd: bool, rng: Stream | int
) -> Any:
    """Return a fresh network.

    Raises
    ------
    InputError
        If the name is unknown, or the lattice does not suit the network.
    """
    return NETWORKS[check_choice("net", name, tuple(NETWORKS))](filters, channels, times, odd, rng)
