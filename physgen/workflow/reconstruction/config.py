r"""What a reconstruction may be told: the sections of ``config.toml`` together.

What sections have in common, and how a config identifies a run, is in
:mod:`physgen.workflow.sections`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from physgen.core.checks import is_dict, is_list, is_mapping
from physgen.workflow.reconstruction.model_section import ModelSection
from physgen.workflow.reconstruction.sections import (
    DataSection,
    ErrorsSection,
    ObservablesSection,
    SampleSection,
    StateSection,
    TomographySection,
    TrainSection,
    ValidateSection,
)
from physgen.workflow.reconstruction.system_section import SystemSection
from physgen.workflow.sections import JobConfig, rule

__all__ = ["DEFAULT_POVM", "DEFAULT_SHOTS", "Config"]


DEFAULT_POVM = "pauli-4"
DEFAULT_SHOTS = 10_000


class Config(JobConfig):
    """A whole run.  Either [system] (and [state]) or [data] file says what is reconstructed."""

    KIND: ClassVar[str] = "reconstruction"
    FILE_SECTIONS: ClassVar[tuple[str, ...]] = ("state", "data", "tomography")

    system: SystemSection | None = None
    state: StateSection = StateSection()
    data: DataSection = DataSection()
    model: Annotated[tuple[ModelSection, ...], rule("a section, or a list", min_length=1)] = (
        ModelSection(),
    )
    train: TrainSection = TrainSection()
    observables: ObservablesSection = ObservablesSection()
    errors: ErrorsSection = ErrorsSection()
    tomography: TomographySection = TomographySection()
    sample: SampleSection = SampleSection()
    validate_: ValidateSection = Field(default=ValidateSection(), alias="validate")

    @model_validator(mode="before")
    @classmethod
    def _data_defaults(cls, values: Any) -> Any:
        """Fill what is only known once it is clear that no file supplies the outcomes."""
        data = values.get("data", {}) if is_dict(values) else None
        if is_dict(data) and data.get("file") is None:
            return {**values, "data": {"povm": DEFAULT_POVM, "n_shots": DEFAULT_SHOTS} | data}
        return values

    @model_validator(mode="before")
    @classmethod
    def _models_are_a_list(cls, values: Any) -> Any:
        model = values.get("model") if is_dict(values) else None
        if is_mapping(model) or is_list(model):
            return {**values, "model": (model,) if is_mapping(model) else tuple(model)}
        return values

    @model_validator(mode="after")
    def _models_differ(self) -> Config:
        names = [model.name for model in self.model]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"[[model]] label must differ from the others, got {name!r} twice; give each "
                    "model a label, or name one model: --set 'model={family = \"mps\"}'"
                )
        held_out = self.train.selection_fraction or self.train.validation_fraction
        if len(names) > 1 and held_out == 0:
            raise ValueError(
                "[train] validation_fraction must be positive where several models are compared "
                "on held-out shots, got 0; or give selection_fraction"
            )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Config:
        if self.data.file is not None and self.state.file is not None:
            raise ValueError(
                "[state] file and [data] file exclude each other: outcomes read from a file have "
                "no known state; remove one of them"
            )
        noise = [k for k in ("depolarising", "readout_error") if getattr(self.data, k)]
        if self.data.file is not None and noise:
            raise ValueError(
                f"[data] {noise[0]} must be left out beside a file, whose shots were measured "
                "already; put the noise into the elements of its POVM: physgen import-data --povm "
                "my_povm.npz"
            )
        if self.system is None:
            if self.data.file is not None:
                return self
            raise ValueError(
                "[system] must be given, got a config without it; add a [system] section with "
                "a name and its parameters, or name a measurement file as [data] file"
            )
        return self

    @property
    def device(self) -> str:
        """What the network is trained on."""
        return self.train.device

    @property
    def least_shards(self) -> int:
        """How many processes can share its fits."""
        return self.train.shards

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-able form that identifies the run; outcomes of a file have no state."""
        table = super().canonical()
        del table["data"]["holds"]  # as every run of this kind
        if self.train.selection_fraction is None:
            del table["train"]["selection_fraction"]  # so that older runs keep their identity
        if self.train.shards == 1:
            del table["train"]["shards"]
        if self.data.file is not None:
            del table["state"]
        if not table["observables"]:  # as runs without any always were
            del table["observables"]
        return table
