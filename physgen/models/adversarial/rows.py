"""The families of generators: rows of :mod:`physgen.models.families`, without torch."""

from __future__ import annotations

from physgen.models import family_recipes as recipes
from physgen.models.family_row import Family

__all__ = ["ADVERSARIAL_ROWS"]


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


ADVERSARIAL_ROWS = (
    _generator("gan", "reals", "fields from latent variables, trained against a critic"),
    _generator(
        "spin-gan", "spins", "spins from latent variables, trained against a critic", "Bengio2013"
    ),
)
