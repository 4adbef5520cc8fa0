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
from physgen.models import family_recipes as recipes
from physgen.models.family_row import KINDS, PACKAGE, SUPPORTS, Family

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
        recipe=recipes.MACHINE,
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
        recipe=recipes.ENERGY,
        cites=("Hyvarinen2005", *cites),
        corrects=corrects and f"energy.{corrects}",
    )


def _generator(name: str, kind: str, about: str, *cites: str) -> Family:
    return Family(
        name,
        "adversarial.generator:LatticeGenerator",
        kind,
        about,
        kind="simulator",
        objective="non-saturating",
        fixed={"kind": kind},
        recipe=recipes.GENERATOR,
        cites=("Goodfellow2014", "Mescheder2018", *cites),
    )


def _spin_string(net: str, about: str, *cites: str) -> Family:
    path = "spin_strings:SpinStrings"
    return _spins(
        f"spin-{net}", path, f"{about}, one spin a step", fixed={"net": net}, cites=cites
    )


def _classical(name: str, cls: str, about: str, *cites: str) -> Family:
    """Return the row of a density that is estimated from configurations."""
    support = "spins" if name in ("mean-field", "empirical") else "reals"
    objective = "reverse-kl" if name == "mean-field" else "likelihood"
    module = "classical." + name.replace("-", "_")
    cites = cites or ("Bishop2006",)
    return Family(name, f"{module}:{cls}", support, about, objective=objective, cites=cites)


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
    _classical("gaussian", "GaussianDensity", "normal density of the largest likelihood, solved"),
    _classical(
        "gaussian-mixture",
        "GaussianMixture",
        "mixture of normal densities by EM",
        "Dempster1977",
        "Pedregosa2011",
    ),
    _classical(
        "factor-analysis",
        "FactorAnalysis",
        "normal density with latent numbers",
        "Rubin1982",
        "Pedregosa2011",
    ),
    _classical(
        "kernel-density", "KernelDensity", "a normal bump on each configuration", "Parzen1962"
    ),
    _classical("mean-field", "MeanField", "independent spins, the variational mean field"),
    _classical("empirical", "EmpiricalDistribution", "frequencies of the configurations seen"),
    _generator("gan", "reals", "fields from latent variables, trained against a critic"),
    _generator(
        "spin-gan", "spins", "spins from latent variables, trained against a critic", "Bengio2013"
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
