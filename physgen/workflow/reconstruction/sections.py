"""The sections of a reconstruction, [[model]] aside (:mod:`.model_section`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, field_validator, model_validator

from physgen.core.checks import is_mapping
from physgen.core.errors import InputError
from physgen.training.settings import parse_seconds
from physgen.workflow.devices import Device
from physgen.workflow.sections import (
    Count,
    Draws,
    Flag,
    Fraction,
    PathText,
    Positive,
    Section,
    Text,
    rule,
)

__all__ = [
    "DataSection",
    "ErrorsSection",
    "ObservablesSection",
    "SampleSection",
    "StateSection",
    "TomographySection",
    "TrainSection",
    "ValidateSection",
]


class StateSection(Section):
    """The state that is measured: the ground state by DMRG, or an MPS from a file.

    Attributes
    ----------
    chi_max
        Largest bond dimension of the ground state.
    file
        Matrix product state (npz) that is measured instead.
    sha256
        SHA-256 of the file; with it the run is refused where the file has changed.
    """

    chi_max: Count = 32
    file: PathText | None = None
    sha256: Text | None = None


class DataSection(Section):
    """Measurement outcomes: sampled from the state, or read from a file.

    Attributes
    ----------
    povm
        Measurement of each site; of a file that does not say it.
    depolarising
        Probability of depolarising noise on each site of generated shots.
    readout_error
        Probability that a generated bit is read wrong.
    n_shots
        Shots to generate, or to take of a file.
    file
        Data file of `physgen import-data`, or a file of outcomes.
    sha256
        SHA-256 of the file; with it the run is refused where the file has changed.
    holds
        What the data are; configurations make a lattice run.
    """

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
    holds: Annotated[Literal["outcomes"], rule("'outcomes' or 'configurations'")] = "outcomes"


class ObservablesSection(Section):
    """Operators of your own, in data, model and state; sites from 0, `sum` at every place."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _names_and_texts(cls, values: Any) -> Any:
        from physgen.quantum.operators import check_name

        for name, text in values.items() if is_mapping(values) else ():
            try:
                check_name(str(name))
            except InputError as error:
                raise ValueError(f"[observables] {error}") from None
            if not isinstance(text, str):
                raise ValueError(
                    f"[observables] {name} must be an operator as text, such as 'X0 Z3 Y7' or "
                    f"'sum XX + YY + ZZ', got {text!r}"
                )
        return values

    def texts(self) -> dict[str, str]:
        """Return the operators by name, as they were written."""
        return dict(self.model_extra or {})


class SampleSection(Section):
    """Draws from the trained model, from which its observables are estimated.

    Attributes
    ----------
    n_samples
        Draws of a network; states are contracted exactly.
    """

    n_samples: Draws = 100_000


class ValidateSection(Section):
    """Fresh draws from the state, on which model and state are compared.

    Attributes
    ----------
    n_samples
        Draws of the exact distribution.
    """

    n_samples: Draws = 20_000


class ErrorsSection(Section):
    """Refits of the chosen model to bootstrap resamples, for error bars that hold the fit.

    Attributes
    ----------
    refits
        How many; 0: errors of sampling alone.
    n_samples
        Draws of each refitted network.
    """

    refits: Annotated[int, rule("0, or an integer >= 2 (3 or more give useful errors)", ge=0)] = 12
    n_samples: Draws = 20_000

    @field_validator("refits")
    @classmethod
    def _one_refit_has_no_spread(cls, refits: int) -> int:
        if refits == 1:
            raise ValueError("[errors] refits must be 0, or an integer >= 2, got 1")
        return refits


class TomographySection(Section):
    """Density matrices of small systems, up to `max_sites` qubits.

    Attributes
    ----------
    max_sites
        Largest system that is inverted; 0: none.
    target
        State to take the fidelity with.
    file
        The same from a file: a matrix product state (npz) or a density matrix (npy).
    sha256
        SHA-256 of the file; with it the run is refused where the file has changed.
    bootstrap
        Resamples of the errors of a likelihood estimate.
    """

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
    """Maximum likelihood; what is left out is as the recipe of the model's family has it.

    Attributes
    ----------
    device
        Where networks are trained.
    validation_fraction
        Share of the shots held out: it chooses weights and models.
    selection_fraction
        Share of the shots on which several models are compared, each fitted to the rest; the best
        is then fitted anew to all shots. Left out: compared on the held-out shots.
    stream
        Leave the shots in their HDF5 file, for more than memory holds.
    n_epochs
        Passes over the shots.
    epochs_scale
        Factor on the number of passes that the recipe chooses by the number of shots.
    min_steps
        Least number of updates.
    budget
        CPU time instead of passes.
    batch_size
        Shots of an update.
    shards
        Parts of a batch with random numbers of their own: as many processes (torchrun, srun) can
        share a fit, to the same weights on any number of them.
    learning_rate
        Largest step of Adam.
    schedule
        How the learning rate falls.
    warmup_fraction
        Share of the updates in which the learning rate rises.
    clip_norm
        Largest norm of a gradient.
    beta2
        Memory of Adam's second moment.
    ema_decay
        Memory of the average of the weights, which is what is kept.
    validate_every
        Updates between looks at the held-out shots.
    patience
        Looks without improvement after which the fit ends.
    checkpoint_every
        Seconds between checkpoints.
    """

    device: Device = "cpu"
    validation_fraction: Fraction = 0.05
    selection_fraction: Annotated[float, rule("a share in (0, 1)", gt=0, lt=1)] | None = None
    stream: Flag = False
    n_epochs: Count | None = None
    epochs_scale: Positive | None = None
    min_steps: Annotated[int, rule("an integer >= 0", ge=0)] | None = None
    budget: Annotated[str, rule("a CPU time such as '60s', '5min' or '1h'")] | None = None
    batch_size: Count | None = None
    shards: Count = 1
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
        apart = ("device", "validation_fraction", "selection_fraction", "stream")
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
