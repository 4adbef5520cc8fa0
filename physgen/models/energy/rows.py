"""The families of energies: rows of :mod:`physgen.models.families`, without torch."""

from __future__ import annotations

from typing import Any

from physgen.models import family_recipes as recipes
from physgen.models.family_row import Family

__all__ = ["ENERGY_ROWS"]


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


ENERGY_ROWS = (
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
