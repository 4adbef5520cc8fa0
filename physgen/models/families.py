"""The families of models, one row each.

Configs and their errors, the registry, training recipes, citations, tables and tests all read
`FAMILIES`.  It is data: importing it loads neither torch nor numba.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.models.family_row import KINDS, PACKAGE, SUPPORTS, Family

__all__ = ["FAMILIES", "KINDS", "SUPPORTS", "Family", "family", "name_of", "names"]

# --- recipes ----------------------------------------------------------------------------------
# Of strings: chosen on 10,000 shots of the critical Ising chain of 50 sites (docs/recipe.md).

# 191 shots and the norm fill three blocks of the kernel.
_MATRIX_PRODUCT = dict(
    batch_size=191, learning_rate=2e-2, clip_norm=5.0, epochs_scale=0.8, min_steps=400
)
# Layers that begin as the identity and have bounded scales bear large steps.
_COUPLINGS = dict(
    n_epochs=40,
    batch_size=128,
    learning_rate=1e-2,
    clip_norm=5.0,
    beta2=0.99,
    warmup_fraction=0.05,
    ema_decay=0.98,
)
_CONTINUOUS = _COUPLINGS | dict(learning_rate=5e-3, beta2=0.95)
# A regression whose output filters are solved for before and after: small steps for the others.
_DIFFUSION = dict(
    n_epochs=20,
    batch_size=256,
    learning_rate=1e-3,
    clip_norm=None,
    beta2=0.99,
    ema_decay=0.998,
)
_COLOURS = dict(
    n_epochs=40, batch_size=512, learning_rate=5e-3, clip_norm=None, beta2=0.99, ema_decay=0.98
)
# Draws of the model itself, in steps that cost more than a coloured net's.
_RASTER = dict(
    n_epochs=40, batch_size=256, learning_rate=5e-3, clip_norm=2.0, beta2=0.99, ema_decay=0.98
)

# Persistent chains: averaged weights, and a rate that decays, halve the error five times.
_MACHINE = dict(n_epochs=200, batch_size=500, learning_rate=1e-2, clip_norm=None, ema_decay=0.99)

# Slopes of energies are noisy: many small batches.  Losses are sums over sites, so no fixed clip.
# On phi^4 16x16 near criticality a rate of 0.02 leaves half the error in S of 0.005.
_ENERGY = dict(
    n_epochs=20, batch_size=32, learning_rate=2e-2, clip_norm=None, beta2=0.99, ema_decay=0.99
)

# --- rows -------------------------------------------------------------------------------------


def _strings(name: str, path: str, about: str, **row: Any) -> Family:
    return Family(name, path, "outcomes", about, objective="likelihood", **row)


def _recurrent(cell: str, about: str, *cites: str) -> Family:
    path = "autoregressive.recurrent:RecurrentNet"
    return _strings(cell, path, about, fixed={"cell": cell}, cites=cites)


def _flow(name: str, path: str, about: str, **row: Any) -> Family:
    return Family(name, f"flows.{path}", "reals", about, **row)


def _spins(
    name: str, path: str, about: str, recipe: Mapping[str, Any] = _RASTER, **row: Any
) -> Family:
    return Family(name, f"autoregressive.{path}", "spins", about, recipe=recipe, **row)


def _local(kind: str, about: str, objective: str, *cites: str) -> Family:
    return Family(
        "local-action" if kind == "reals" else "local-spin-action",
        "energy.local_action:LocalActionEnergy",
        kind,
        about,
        kind="energy",
        objective=objective,
        fixed={"kind": kind},
        recipe=dict(n_epochs=40, batch_size=256, learning_rate=1e-2, clip_norm=None),
        cites=cites,
    )


def _learned(name: str, path: str, support: str, about: str, **row: Any) -> Family:
    return Family(
        name,
        f"energy.{path}",
        support,
        about,
        kind="energy",
        objective="contrastive-divergence",
        recipe=_MACHINE,
        **row,
    )


def _machine(name: str, visible: str, about: str, *cites: str) -> Family:
    own, cites = {"visible": visible}, ("Smolensky1986", "Hinton2002", *cites)
    return _learned(name, "rbm:RBM", visible, about, fixed=own, cites=cites)


def _energy(name: str, path: str, about: str, *cites: str, corrects: str = "") -> Family:
    return Family(
        name,
        f"energy.{path}",
        "reals",
        about,
        kind="energy",
        objective="score-matching",
        recipe=_ENERGY,
        cites=("Hyvarinen2005", *cites),
        corrects=corrects and f"energy.{corrects}",
    )


def _spin_string(net: str, about: str, *cites: str) -> Family:
    path = "spin_strings:SpinStrings"
    return _spins(
        f"spin-{net}", path, f"{about}, one spin a step", fixed={"net": net}, cites=cites
    )


_ROWS = (
    _recurrent("rnn", "plain recurrent network", "Elman1990"),
    _recurrent("gru", "gated recurrent network", "Cho2014"),
    _recurrent("lstm", "recurrent network with a long memory", "Hochreiter1997"),
    _strings(
        "convolution",
        "autoregressive.convolution:ConvolutionNet",
        "dilated causal convolutions",
        recipe=dict(learning_rate=5e-3, epochs_scale=0.8),
        cites=("vandenOord2016a", "vandenOord2016b", "Schmale2022"),
    ),
    _strings(
        "transformer",
        "autoregressive.transformer:TransformerNet",
        "causal attention",
        recipe=dict(learning_rate=3e-3),
        cites=("Vaswani2017", "Cha2021"),
    ),
    _strings(
        "mps",
        "matrix_product.model:MatrixProduct",
        "matrix product state: a pure state",
        fixed={"kraus": 1},
        recipe=_MATRIX_PRODUCT,
        cites=("Cramer2010", "Kurmapu2023"),
    ),
    _strings(
        "lpdo",
        "matrix_product.model:MatrixProduct",
        "locally purified density operator: a mixed state",
        defaults={"kraus": 2},
        recipe=_MATRIX_PRODUCT,
        cites=("Cramer2010", "Guo2023"),
    ),
    _flow(
        "equivariant-cnf",
        "continuous:EquivariantCNF",
        "continuous flow with the symmetries of its lattice",
        recipe=_CONTINUOUS,
        cites=("Gerdes2023", "deHaan2021"),
    ),
    _flow(
        "coupling-flow",
        "checkerboard:CouplingFlow",
        "checkerboard couplings: additive, affine or splines",
        recipe=_COUPLINGS,
        cites=("Albergo2019", "Dinh2015", "Dinh2017", "Durkan2019", "DelDebbio2021"),
    ),
    _flow(
        "glow-flow",
        "glow:GlowFlow",
        "Glow: mixing within blocks, couplings between them",
        recipe=_COUPLINGS,
        cites=("KingmaDhariwal2018",),
    ),
    _flow(
        "zuko-flow",
        "zuko_adaptor:ZukoFlow",
        "flows of zuko, with or without a lattice",
        recipe=_COUPLINGS | dict(learning_rate=3e-3),
        cites=("Rozet2022", "Papamakarios2017", "Durkan2019"),
    ),
    Family(
        "score-model",
        "diffusion.score:ScoreModel",
        "reals",
        "diffusion with exact weights, learned from configurations",
        objective="denoising-diffusion",
        recipe=_DIFFUSION,
        cites=("Song2021", "Anderson1982", "Karras2022", "WangAartsZhou2024"),
    ),
    _spins(
        "coloured-net",
        "coloured:ColouredNet",
        "spins in colours, coarse to fine",
        recipe=_COLOURS,
        cites=("Wu2019", "vandenOord2016c"),
    ),
    _spins(
        "masked-net",
        "masked:MaskedNet",
        "masked dense network (MADE), one spin a step",
        # As many weights as pairs of units: at L = 16 larger steps end higher.
        recipe=_RASTER | dict(learning_rate=2e-3),
        cites=("Wu2019", "Germain2015"),
    ),
    _spins(
        "pixel-net",
        "pixel:PixelNet",
        "gated convolutions (PixelCNN), one spin a step",
        cites=("Wu2019", "vandenOord2016b"),
    ),
    _spins(
        "recurrent-2d",
        "recurrent2d:Recurrent2dNet",
        "two-dimensional recurrence, one spin a step",
        cites=("HibatAllah2020",),
    ),
    _spin_string("rnn", "plain recurrent network", "HibatAllah2020", "Elman1990"),
    _spin_string("gru", "gated recurrent network", "HibatAllah2020", "Cho2014"),
    _spin_string("lstm", "recurrent network with a memory", "HibatAllah2020", "Hochreiter1997"),
    _spin_string("convolution", "dilated convolutions", "Wu2019", "vandenOord2016a"),
    _spin_string("transformer", "causal attention", "Wu2019", "Vaswani2017"),
    _local(
        "reals",
        "local action, linear in its couplings",
        "score-matching",
        "Hyvarinen2005",
    ),
    _local(
        "spins",
        "local action of spins, linear in its couplings",
        "pseudo-likelihood",
        "Besag1975",
        "Aurell2012",
    ),
    _machine("rbm", "spins", "restricted Boltzmann machine of spins", "Torlai2016"),
    _machine("gaussian-rbm", "reals", "restricted Boltzmann machine of fields", "Welling2004"),
    _machine(
        "categorical-rbm",
        "outcomes",
        "restricted Boltzmann machine of outcomes",
        "Salakhutdinov2007",
    ),
    _learned(
        "boltzmann-machine",
        "boltzmann:BoltzmannMachine",
        "spins",
        "Boltzmann machine: couplings of all pairs of spins",
        cites=("Ackley1985",),
    ),
    _learned(
        "hopfield",
        "hopfield:Hopfield",
        "spins",
        "Hopfield network: a machine with Gaussian hidden units",
        cites=("Hopfield1982", "Amit1985"),
    ),
    _energy(
        "convolutional-energy",
        "convolutional:ConvolutionalEnergy",
        "a local action from a network of the window around each site",
        "LeCun2006",
    ),
    _energy(
        "mlp-energy",
        "mlp:MlpEnergy",
        "an action from a dense network in a quadratic well",
        "LeCun2006",
    ),
    _energy(
        "residual-energy",
        "residual:ResidualEnergy",
        "a convolutional correction to the action of the target",
        "LeCun2006",
        corrects="convolutional:ConvolutionalEnergy",
    ),
)
FAMILIES: Mapping[str, Family] = MappingProxyType({row.name: row for row in _ROWS})


def family(name: str) -> Family:
    """Return the row of a family; InputError if there is none of this name."""
    return FAMILIES[check_choice("family", name, tuple(FAMILIES))]


def names(support: str = "outcomes", kind: str | None = "density") -> tuple[str, ...]:
    """Return the names that ``family`` may take.

    Parameters
    ----------
    support : {"outcomes", "reals", "spins"}
        Of strings of outcomes, of real fields, or of spins.
    kind : {"density", "energy", "joint", "simulator"} or None
        What a trained model is; None: any of them.
    """
    check_choice("support", support, SUPPORTS)
    if kind is not None:
        check_choice("kind", kind, KINDS)
    rows = (row for row in FAMILIES.values() if row.support == support)
    return tuple(row.name for row in rows if kind in (None, row.kind))


def name_of(model: Any) -> str:
    """Return the name of the family that a model belongs to.

    Raises
    ------
    InputError
        If its class has no row.
    """
    cls = type(model)
    path = f"{cls.__module__.removeprefix(f'{PACKAGE}.')}:{cls.__qualname__}"
    for name, row in FAMILIES.items():
        if row.path == path and all(getattr(model, k) == v for k, v in row.fixed.items()):
            return name
    raise InputError(f"a model with a config must be one of physgen.models.families, got {path}")
