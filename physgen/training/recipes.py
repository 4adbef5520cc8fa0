"""The training recipe of each family of models: settings that need no tuning.

Chosen on 10,000 shots of the critical Ising chain of 50 sites (docs/recipe.md holds the runs);
torch is not needed to read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from physgen.core.checks import check_choice
from physgen.training.settings import FitSettings

__all__ = ["RECIPES", "recipe"]

_MATRIX_PRODUCT = FitSettings(
    batch_size=191, learning_rate=2e-2, clip_norm=5.0, epochs_scale=0.8, min_steps=400
)
# Draws of the model itself, in steps that cost more than those of a coloured net.
_RASTER = FitSettings(
    n_epochs=40, batch_size=256, learning_rate=5e-3, clip_norm=2.0, beta2=0.99, ema_decay=0.98
)
# Layers that begin as the identity and have bounded scales bear large steps.
_COUPLINGS = FitSettings(
    n_epochs=40,
    batch_size=128,
    learning_rate=1e-2,
    clip_norm=5.0,
    beta2=0.99,
    warmup_fraction=0.05,
    ema_decay=0.98,
)
RECIPES: Mapping[str, FitSettings] = MappingProxyType(
    {
        "rnn": FitSettings(),
        "gru": FitSettings(),
        "lstm": FitSettings(),
        "convolution": FitSettings(learning_rate=5e-3, epochs_scale=0.8),
        "transformer": FitSettings(learning_rate=3e-3),
        # 191 shots and the norm fill three blocks of the kernel.
        "mps": _MATRIX_PRODUCT,
        "lpdo": _MATRIX_PRODUCT,
        "equivariant-cnf": FitSettings(
            n_epochs=40,
            batch_size=128,
            learning_rate=5e-3,
            clip_norm=5.0,
            beta2=0.95,
            warmup_fraction=0.05,
            ema_decay=0.98,
        ),
        "coupling-flow": _COUPLINGS,
        "glow-flow": _COUPLINGS,
        "zuko-flow": replace(_COUPLINGS, learning_rate=3e-3),
        "coloured-net": FitSettings(
            n_epochs=40,
            batch_size=512,
            learning_rate=5e-3,
            clip_norm=None,
            beta2=0.99,
            ema_decay=0.98,
        ),
        # As many weights as pairs of units: at L = 16 larger steps end higher.
        "masked-net": replace(_RASTER, learning_rate=2e-3),
        "pixel-net": _RASTER,
        "recurrent-2d": _RASTER,
        "spin-rnn": _RASTER,
        "spin-gru": _RASTER,
        "spin-lstm": _RASTER,
        "spin-convolution": _RASTER,
        "spin-transformer": _RASTER,
    }
)


def recipe(family: str) -> FitSettings:
    """Return the settings that suit a family of models, symmetrised or not.

    Raises
    ------
    InputError
        If the family is unknown.

    Examples
    --------
    >>> recipe("convolution").learning_rate
    0.005
    """
    return RECIPES[check_choice("family", family, tuple(RECIPES))]
