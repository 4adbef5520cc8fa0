"""The models that a reconstruction may be told to fit: ``[model]``, or several ``[[model]]``.

What is left out of a section has the default of its family, so the values of one family are no
values of another; a key that a family does not have is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, field_validator, model_validator

from physgen.core.checks import is_list, key_remedy
from physgen.models.default import FAMILY
from physgen.models.families import Family, family, names
from physgen.workflow.sections import Count, Flag, Section, Text, one_of, rule

__all__ = ["FAMILY_KEYS", "SYMMETRIES", "ModelSection"]

# What the data or another key of the section says.
_SAID_OTHERWISE = ("L", "K", "povm", "spin", "reflection")
_OF_LATTICES = ("shape", "boundary", "hidden", "even", "scale")  # arguments of energies


def _keys(name: str) -> tuple[str, ...]:
    row = family(name)
    said = (*_SAID_OTHERWISE, *(_OF_LATTICES if row.kind == "energy" else ()))
    return tuple(key for key in row.arguments if key not in said)


FAMILY_KEYS = {
    name: _keys(name) for kind in ("density", "energy") for name in names("outcomes", kind)
}
SYMMETRIES = ("reflection", "translation", "y-flip", "z2")


class ModelSection(Section):
    """One model: its family, the symmetries that are imposed on it, and its sizes.

    Attributes
    ----------
    family
        Family of models (`physgen models`).
    label
        Name in tables; the family if left out.
    symmetries
        Symmetries of the state that are imposed.
    hidden
        Width of a network.
    layers
        Depth of a network.
    heads
        Heads of attention.
    shared
        Whether all sites share their weights.
    site_features
        Whether a network is told which site it is at.
    precision
        Numbers of the products in sampling.
    bond
        Bond dimension of a matrix product.
    kraus
        Dimension of the environment of a site: rank of the mixture.
    profile
        Whether tensors vary smoothly from site to site.
    cell
        Sites of the unit cell of equal tensors.
    parity
        Parity string that the state is an eigenstate of.
    complex_valued
        Whether amplitudes are complex.
    """

    # Of keys that are named below the rule is in words; others are checked by the family itself.
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    family: Annotated[str, one_of(tuple(FAMILY_KEYS))] = FAMILY
    label: Text | None = None
    symmetries: Annotated[
        tuple[Literal["reflection", "translation", "y-flip", "z2"], ...],
        rule("a list of 'reflection', 'translation', 'y-flip', 'z2'"),
    ] = ()
    hidden: Count | None = None
    layers: Count | None = None
    heads: Count | None = None
    shared: Flag | None = None
    site_features: Flag | None = None
    precision: (
        Annotated[
            Literal["float32", "bfloat16"],
            rule("'float32' or 'bfloat16' (products when sampling)"),
        ]
        | None
    ) = None
    bond: Count | None = None
    kraus: Annotated[Literal[2, 4], rule("2 or 4")] | None = None
    profile: Annotated[Literal["free", "smooth"], rule("'free' or 'smooth'")] | None = None
    cell: Count | None = None
    parity: (
        Annotated[Literal["X", "-X", "Z", "-Z"], rule("one of 'X', '-X', 'Z', '-Z'")] | None
    ) = None
    complex_valued: Flag | None = None

    @field_validator("symmetries", mode="before")
    @classmethod
    def _lists_are_tuples(cls, symmetries: Any) -> Any:
        return tuple(symmetries) if is_list(symmetries) else symmetries

    @model_validator(mode="after")
    def _keys_of_the_family(self) -> ModelSection:
        known = FAMILY_KEYS[self.family]
        for key in self.sizes():
            if key not in known:
                owners = ", ".join(f for f, keys in FAMILY_KEYS.items() if key in keys)
                if not owners:
                    raise ValueError(f"[model] {key} is not a known key; {key_remedy(key, known)}")
                raise ValueError(
                    f"[model] {key} must stand with a family that has it ({owners}), got family "
                    f"{self.family!r}; remove it, or use one of {', '.join(known)}"
                )
        if self.is_energy and self.symmetries:
            raise ValueError(
                f"[model] symmetries cannot be imposed on {self.family!r}, an energy, got "
                f"{list(self.symmetries)}; remove them"
            )
        if len(set(self.symmetries)) != len(self.symmetries):
            raise ValueError(f"[model] symmetries must differ, got {list(self.symmetries)}")
        return self

    def sizes(self) -> dict[str, Any]:
        """Return what is said of the architecture."""
        apart = ("family", "label", "symmetries")
        return {k: v for k, v in self.model_dump().items() if v is not None and k not in apart}

    @property
    def name(self) -> str:
        """The label, or the family with its symmetries."""
        return self.label or " + ".join([self.family, *self.symmetries])

    @property
    def row(self) -> Family:
        """The row of the family."""
        return family(self.family)

    @property
    def is_energy(self) -> bool:
        """Whether the model is an energy, which becomes a density once its log Z is found."""
        return self.row.kind == "energy"

    @property
    def is_state(self) -> bool:
        """Whether the model is a state, which needs neither weights nor complete settings.

        A state knows its measurement.
        """
        return "povm" in self.row.arguments
