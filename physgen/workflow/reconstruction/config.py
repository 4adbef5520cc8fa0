r"""What a reconstruction may be told: one class a section of ``config.toml``.

What sections have in common, and how a config identifies a run, is in
:mod:`physgen.workflow.sections`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from physgen.core.checks import is_dict, is_list, is_mapping
from physgen.core.errors import InputError
from physgen.training.settings import parse_seconds
from physgen.workflow.devices import Device
from physgen.workflow.reconstruction.model_section import ModelSection
from physgen.workflow.sections import (
    Count,
    Coupling,
    Draws,
    Flag,
    Fraction,
    JobConfig,
    PathText,
    Positive,
    Section,
    Text,
    rule,
)

__all__ = [
    "DEFAULT_POVM",
    "DEFAULT_SHOTS",
    "Config",
    "DataSection",
    "ErrorsSection",
    "ModelSection",
    "SampleSection",
    "StateSection",
    "SystemSection",
    "TomographySection",
    "TrainSection",
    "ValidateSection",
]


DEFAULT_POVM = "pauli-4"
DEFAULT_SHOTS = 10_000


class SystemSection(Section):
    """The Hamiltonian H = -J sum Z_i Z_{i+1} - h sum X_i (Pauli matrices)."""

    name: Annotated[Literal["tfim-1d"], rule("'tfim-1d'")] = "tfim-1d"
    L: Annotated[int, rule("an integer >= 2 (the number of sites)", ge=2)]
    J: Coupling = 1.0
    h: Coupling = 1.0
    boundary: Annotated[Literal["open", "periodic"], rule("'open' or 'periodic'")] = "open"

    @model_validator(mode="after")
    def _some_coupling(self) -> SystemSection:
        if self.J == 0 and self.h == 0:
            raise ValueError("[system] J and h must not both be 0; every state is a ground state")
        return self


class StateSection(Section):
    """The state that is measured: the ground state by DMRG, or an MPS from a file."""

    chi_max: Count = 32
    file: PathText | None = None
    sha256: Text | None = None


class DataSection(Section):
    """Measurement outcomes: sampled from the state, or read from a file."""

    povm: Annotated[
        Literal["pauli-4", "pauli-6", "tetrahedral", "computational", "trine", "pauli-rebit"]
        | None,
        rule(
            "one of 'pauli-4', 'pauli-6', 'tetrahedral', 'computational', 'trine', 'pauli-rebit'"
        ),
    ] = None
    depolarising: Annotated[float, rule("a probability in [0, 0.75]", ge=0, le=0.75)] = 0.0
    readout_error: Annotated[float, rule("a probability in [0, 0.5)", ge=0, lt=0.5)] = 0.0
    n_shots: Draws | None = None
    file: PathText | None = None
    sha256: Text | None = None


class SampleSection(Section):
    """Draws from the trained model, from which its observables are estimated."""

    n_samples: Draws = 100_000


class ValidateSection(Section):
    """Fresh draws from the state, on which model and state are compared."""

    n_samples: Draws = 20_000


class ErrorsSection(Section):
    """Refits of the chosen model to bootstrap resamples, for error bars that hold the fit."""

    refits: Annotated[int, rule("0, or an integer >= 2 (3 or more give useful errors)", ge=0)] = 12
    n_samples: Draws = 20_000

    @field_validator("refits")
    @classmethod
    def _one_refit_has_no_spread(cls, refits: int) -> int:
        if refits == 1:
            raise ValueError("[errors] refits must be 0, or an integer >= 2, got 1")
        return refits


class TomographySection(Section):
    """Density matrices of small systems, up to `max_sites` qubits."""

    max_sites: Annotated[int, rule("an integer in 0..8", ge=0, le=8)] = 6
    target: (
        Annotated[Literal["ghz", "w"], rule("'ghz' or 'w'; a file is named as file")] | None
    ) = None
    file: PathText | None = None
    sha256: Text | None = None
    bootstrap: Annotated[int, rule("an integer >= 50", ge=50)] = 50

    @model_validator(mode="after")
    def _one_target(self) -> TomographySection:
        if self.target is not None and self.file is not None:
            raise ValueError("[tomography] takes target or file, not both; remove one of them")
        return self


class TrainSection(Section):
    """Maximum likelihood: where, the held-out share, and `physgen.training.FitSettings`.

    What is left out is as the recipe of the model's family has it.
    """

    device: Device = "cpu"
    validation_fraction: Fraction = 0.05
    stream: Flag = False
    n_epochs: Count | None = None
    epochs_scale: Positive | None = None
    min_steps: Annotated[int, rule("an integer >= 0", ge=0)] | None = None
    budget: Annotated[str, rule("a CPU time such as '60s', '5min' or '1h'")] | None = None
    batch_size: Count | None = None
    learning_rate: Positive | None = None
    schedule: Annotated[Literal["cosine", "constant"], rule("'cosine' or 'constant'")] | None = (
        None
    )
    warmup_fraction: Fraction | None = None
    clip_norm: Positive | None = None
    beta2: Fraction | None = None
    ema_decay: Fraction | None = None
    validate_every: Count | None = None
    patience: Count | None = None
    checkpoint_every: Positive | None = None

    def settings(self) -> dict[str, Any]:
        """Return what is said of the fit: arguments of `physgen.training.FitSettings`."""
        apart = ("device", "validation_fraction", "stream")
        return {k: v for k, v in self.model_dump().items() if v is not None and k not in apart}

    @model_validator(mode="after")
    def _one_length(self) -> TrainSection:
        if self.n_epochs is not None and self.budget is not None:
            raise ValueError("[train] takes n_epochs or budget, not both; remove one of them")
        return self

    @field_validator("budget")
    @classmethod
    def _budget_is_a_time(cls, budget: str | None) -> str | None:
        if budget is not None:
            try:
                parse_seconds(budget)
            except InputError as error:
                raise ValueError(f"[train] {error}") from None
        return budget

    @model_validator(mode="after")
    def _patience_needs_held_out_shots(self) -> TrainSection:
        if self.patience is not None and self.validation_fraction == 0:
            raise ValueError(
                "[train] patience needs held-out shots, got validation_fraction = 0; raise it or "
                "remove patience"
            )
        return self


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
        if len(names) > 1 and self.train.validation_fraction == 0:
            raise ValueError(
                "[train] validation_fraction must be positive where several models are compared "
                "on held-out shots, got 0"
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
                "name, L, J, h, or name a measurement file as [data] file"
            )
        return self

    @property
    def device(self) -> str:
        """What the network is trained on."""
        return self.train.device

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-able form that identifies the run; outcomes of a file have no state."""
        table = super().canonical()
        if self.data.file is not None:
            del table["state"]
        return table
