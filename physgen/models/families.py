"""The families of models, one row each; kinds with a folder of their own have their rows there.

Configs and their errors, the registry, training recipes, citations, tables and tests all read
`FAMILIES`.  It is data: importing it loads neither torch nor numba.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.models import family_recipes as recipes
from physgen.models.adversarial.rows import ADVERSARIAL_ROWS
from physgen.models.classical.rows import CLASSICAL_ROWS
from physgen.models.energy.rows import ENERGY_ROWS
from physgen.models.family_row import KINDS, PACKAGE, SUPPORTS, Family
from physgen.models.latent.rows import LATENT_ROWS

__all__ = ["FAMILIES", "KINDS", "SUPPORTS", "Family", "family", "name_of", "names"]

# --- rows -------------------------------------------------------------------------------------


def _strings(name: str, path: str, about: str, **row: Any) -> Family:
    return Family(name, path, "outcomes", about, objective="likelihood", **row)


def _recurrent(cell: str, about: str, *cites: str) -> Family:
    path = "autoregressive.recurrent:RecurrentNet"
    return _strings(cell, path, about, fixed={"cell": cell}, cites=cites)


def _flow(name: str, path: str, about: str, **row: Any) -> Family:
    return Family(name, f"flows.{path}", "reals", about, **row)


def _spins(
    name: str, path: str, about: str, recipe: Mapping[str, Any] = recipes.RASTER, **row: Any
) -> Family:
    return Family(name, f"autoregressive.{path}", "spins", about, recipe=recipe, **row)


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
        recipe=recipes.MATRIX_PRODUCT,
        cites=("Cramer2010", "Kurmapu2023"),
    ),
    _strings(
        "lpdo",
        "matrix_product.model:MatrixProduct",
        "locally purified density operator: a mixed state",
        defaults={"kraus": 2},
        recipe=recipes.MATRIX_PRODUCT,
        cites=("Cramer2010", "Guo2023"),
    ),
    _flow(
        "equivariant-cnf",
        "continuous:EquivariantCNF",
        "continuous flow with the symmetries of its lattice",
        recipe=recipes.CONTINUOUS,
        cites=("Gerdes2023", "deHaan2021"),
    ),
    _flow(
        "coupling-flow",
        "checkerboard:CouplingFlow",
        "checkerboard couplings: additive, affine or splines",
        recipe=recipes.COUPLINGS,
        cites=("Albergo2019", "Dinh2015", "Dinh2017", "Durkan2019", "DelDebbio2021"),
    ),
    _flow(
        "glow-flow",
        "glow:GlowFlow",
        "Glow: mixing within blocks, couplings between them",
        recipe=recipes.COUPLINGS,
        cites=("KingmaDhariwal2018",),
    ),
    _flow(
        "zuko-flow",
        "zuko_adaptor:ZukoFlow",
        "flows of zuko, with or without a lattice",
        recipe=recipes.COUPLINGS | dict(learning_rate=3e-3),
        cites=("Rozet2022", "Papamakarios2017", "Durkan2019"),
    ),
    Family(
        "mixture-net",
        "autoregressive.mixture_net:MixtureNet",
        "reals",
        "autoregressive mixtures of Gaussian or logistic laws, coarse to fine",
        recipe=recipes.MIXTURES,
        cites=("Uria2013", "Salimans2017", "Figurnov2018"),
    ),
    Family(
        "score-model",
        "diffusion.score:ScoreModel",
        "reals",
        "diffusion with exact weights, learned from configurations",
        objective="denoising-diffusion",
        recipe=recipes.DIFFUSION,
        cites=("Song2021", "Anderson1982", "Karras2022", "WangAartsZhou2024"),
    ),
    _spins(
        "coloured-net",
        "coloured:ColouredNet",
        "spins in colours, coarse to fine",
        recipe=recipes.COLOURS,
        cites=("Wu2019", "vandenOord2016c"),
    ),
    _spins(
        "masked-net",
        "masked:MaskedNet",
        "masked dense network (MADE), one spin a step",
        # As many weights as pairs of units: at L = 16 larger steps end higher.
        recipe=recipes.RASTER | dict(learning_rate=2e-3),
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
    *ENERGY_ROWS,
    *CLASSICAL_ROWS,
    *ADVERSARIAL_ROWS,
    *LATENT_ROWS,
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
