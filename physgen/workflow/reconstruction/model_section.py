"""The models that a reconstruction may be told to fit: ``[model]``, or several ``[[model]]``.

What is left out of a section has the default of its family, so the values of one family are no
values of another; a key that a family does not have is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import field_validator, model_validator

from physgen.models.default import FAMILY
from physgen.workflow.sections import Count, Flag, Section, Text, rule

__all__ = ["FAMILY_KEYS", "STATES", "SYMMETRIES", "ModelSection"]

_RECURRENT = ("hidden", "layers", "site_features", "precision")
_MATRIX_PRODUCT = ("bond", "profile", "cell", "parity", "complex_valued")
FAMILY_KEYS = {
    "rnn": _RECURRENT,
    "gru": _RECURRENT,
    "lstm": _RECURRENT,
    "convolution": ("hidden", "layers", "shared", "site_features"),
    "transformer": ("hidden", "layers", "heads", "site_features"),
    "mps": _MATRIX_PRODUCT,
    "lpdo": (*_MATRIX_PRODUCT, "kraus"),
}
STATES = ("mps", "lpdo")  # families that are states, not only distributions of outcomes
SYMMETRIES = ("reflection", "translation", "y-flip", "z2")
_LISTED = ", ".join(repr(name) for name in FAMILY_KEYS)


class ModelSection(Section):
    """One model: its family, the symmetries that are imposed on it, and its sizes."""

    family: Annotated[
        Literal["rnn", "gru", "lstm", "convolution", "transformer", "mps", "lpdo"],
        rule(f"one of {_LISTED}"),
    ] = FAMILY
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
        return tuple(symmetries) if isinstance(symmetries, list) else symmetries

    @model_validator(mode="after")
    def _keys_of_the_family(self) -> ModelSection:
        known = FAMILY_KEYS[self.family]
        for key in self.sizes():
            if key not in known:
                owners = ", ".join(f for f, keys in FAMILY_KEYS.items() if key in keys)
                raise ValueError(
                    f"[model] {key} must stand with a family that has it ({owners}), got family "
                    f"{self.family!r}; remove it, or use one of {', '.join(known)}"
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
    def is_state(self) -> bool:
        """Whether the model is a state, which needs neither weights nor complete settings."""
        return self.family in STATES
