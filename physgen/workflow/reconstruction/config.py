r"""What a reconstruction may be told: one class a section of ``config.toml``.

What sections have in common, and how a config identifies a run, is in
:mod:`physgen.workflow.sections`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from physgen.core.errors import InputError
from physgen.models.default import FAMILY, HIDDEN, LAYERS
from physgen.training.settings import FitSettings, parse_seconds
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
    "ModelSection",
    "SampleSection",
    "StateSection",
    "SystemSection",
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
        Literal["pauli-4", "pauli-6", "tetrahedral"] | None,
        rule("one of 'pauli-4', 'pauli-6', 'tetrahedral'"),
    ] = None
    n_shots: Draws | None = None
    file: PathText | None = None
    sha256: Text | None = None


class ModelSection(Section):
    """The autoregressive network."""

    family: Annotated[Literal["gru", "lstm", "rnn"], rule("one of 'gru', 'lstm', 'rnn'")] = FAMILY
    hidden: Count = HIDDEN
    layers: Count = LAYERS
    site_features: Flag = True
    precision: Annotated[
        Literal["float32", "bfloat16"], rule("'float32' or 'bfloat16' (products when sampling)")
    ] = "float32"


class SampleSection(Section):
    """Draws from the trained model, from which its observables are estimated."""

    n_samples: Draws = 100_000


class ValidateSection(Section):
    """Fresh draws from the state, on which model and state are compared."""

    n_samples: Draws = 20_000


class TrainSection(Section):
    """Maximum likelihood: where, the held-out share, and `physgen.training.FitSettings`."""

    device: Annotated[Literal["cpu", "cuda"], rule("'cpu' or 'cuda'")] = "cpu"
    validation_fraction: Fraction = 0.05
    n_epochs: Count | None = FitSettings.n_epochs
    budget: Annotated[str, rule("a CPU time such as '60s', '5min' or '1h'")] | None = (
        FitSettings.budget
    )
    batch_size: Count = FitSettings.batch_size
    learning_rate: Positive = FitSettings.learning_rate
    schedule: Annotated[Literal["cosine", "constant"], rule("'cosine' or 'constant'")] = "cosine"
    warmup_fraction: Fraction = FitSettings.warmup_fraction
    clip_norm: Positive | None = FitSettings.clip_norm
    ema_decay: Fraction = FitSettings.ema_decay
    validate_every: Count = FitSettings.validate_every
    patience: Count | None = FitSettings.patience
    checkpoint_every: Positive = FitSettings.checkpoint_every

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
    FILE_SECTIONS: ClassVar[tuple[str, ...]] = ("state", "data")

    system: SystemSection | None = None
    state: StateSection = StateSection()
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    sample: SampleSection = SampleSection()
    validate_: ValidateSection = Field(default=ValidateSection(), alias="validate")

    @model_validator(mode="before")
    @classmethod
    def _data_defaults(cls, values: Any) -> Any:
        """Fill what is only known once it is clear that no file supplies the outcomes."""
        data = values.get("data", {}) if isinstance(values, dict) else None
        if isinstance(data, dict) and data.get("file") is None:
            return {**values, "data": {"povm": DEFAULT_POVM, "n_shots": DEFAULT_SHOTS} | data}
        return values

    @model_validator(mode="after")
    def _one_source(self) -> Config:
        if self.data.file is not None and "state" in self.model_fields_set:
            raise ValueError(
                "[state] and [data] file exclude each other: outcomes read from a file have no "
                "known state; remove one of them"
            )
        if self.system is None:
            if self.data.file is not None:
                return self
            raise ValueError(
                "[system] must be given, got a config without it; add a [system] section with "
                "name, L, J, h, or name a measurement file as [data] file"
            )
        if self.data.file is None and self.state.file is None and self.system.L < 3:
            raise ValueError(
                f"[system] L must be an integer >= 3 for a ground state by DMRG, "
                f"got {self.system.L}; give a smaller chain as [state] file"
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
