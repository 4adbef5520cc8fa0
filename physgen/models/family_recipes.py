"""How long and how fast each kind of family is trained: what differs from the defaults.

Rows of :mod:`physgen.models.families` name these; :mod:`physgen.training.recipes` makes settings
of them.
"""

from __future__ import annotations

__all__ = [
    "COLOURS",
    "CONTINUOUS",
    "COUPLINGS",
    "DIFFUSION",
    "ENERGY",
    "GENERATOR",
    "MACHINE",
    "MATRIX_PRODUCT",
    "MIXTURES",
    "RASTER",
]

# Of strings: chosen on 10,000 shots of the critical Ising chain of 50 sites (docs/recipe.md).

# 191 shots and the norm fill three blocks of the kernel.
MATRIX_PRODUCT = dict(
    batch_size=191, learning_rate=2e-2, clip_norm=5.0, epochs_scale=0.8, min_steps=400
)
# Layers that begin as the identity and have bounded scales bear large steps.
COUPLINGS = dict(
    n_epochs=40,
    batch_size=128,
    learning_rate=1e-2,
    clip_norm=5.0,
    beta2=0.99,
    warmup_fraction=0.05,
    ema_decay=0.98,
)
CONTINUOUS = COUPLINGS | dict(learning_rate=5e-3, beta2=0.95)
# A regression whose output filters are solved for before and after: small steps for the others.
DIFFUSION = dict(
    n_epochs=20,
    batch_size=256,
    learning_rate=1e-3,
    clip_norm=None,
    beta2=0.99,
    ema_decay=0.998,
)
COLOURS = dict(
    n_epochs=40, batch_size=512, learning_rate=5e-3, clip_norm=None, beta2=0.99, ema_decay=0.98
)
# Small nets of mixtures of fields, by paths of their draws.
MIXTURES = dict(
    n_epochs=40,
    batch_size=256,
    learning_rate=3e-3,
    clip_norm=1.0,
    beta2=0.99,
    warmup_fraction=0.05,
    ema_decay=0.98,
)
# Draws of the model itself, in steps that cost more than a coloured net's.
RASTER = dict(
    n_epochs=40, batch_size=256, learning_rate=5e-3, clip_norm=2.0, beta2=0.99, ema_decay=0.98
)

# Persistent chains: averaged weights, and a rate that decays, halve the error five times.
MACHINE = dict(n_epochs=200, batch_size=500, learning_rate=1e-2, clip_norm=None, ema_decay=0.99)

# Slopes of energies are noisy: many small batches.  Losses are sums over sites, so no fixed clip.
# On phi^4 16x16 near criticality a rate of 0.02 leaves half the error in S of 0.005.
ENERGY = dict(
    n_epochs=20, batch_size=32, learning_rate=2e-2, clip_norm=None, beta2=0.99, ema_decay=0.99
)

# Two players of equal rates; averages of the generator's weights are steadier than the last ones.
GENERATOR = dict(
    n_epochs=40,
    batch_size=128,
    learning_rate=2e-3,
    clip_norm=None,
    beta2=0.99,
    ema_decay=0.99,
)
