"""What the stages of a reconstruction find in the config and in the run file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from physgen.workflow.context import Context
from physgen.workflow.reconstruction import inputs
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.fittable import fittable
from physgen.workflow.reconstruction.model_section import ModelSection

if TYPE_CHECKING:
    from physgen.quantum import MPS, Born, Hamiltonian, MeasurementData, PauliSum

__all__ = ["ReconstructionContext"]


@dataclass
class ReconstructionContext(Context):
    """One reconstruction, as its stages see it."""

    config: Config

    def hamiltonian(self) -> Hamiltonian | None:
        """Return the Hamiltonian that the config, or else the data, names."""
        named = inputs.system_of(self.config)
        return named or (self.data().hamiltonian if self.store.has("data") else None)

    def operators(self) -> dict[str, PauliSum]:
        """Return the operators of [observables]."""
        return inputs.operators_of(self.config, self.data().L)

    def state(self) -> MPS | None:
        """Return the measured state, or None where only outcomes are known."""
        from physgen.quantum import MPS

        return MPS.from_dataset(self.store.read("state")) if self.store.has("state") else None

    def data(self) -> MeasurementData:
        """Return the outcomes that the model is trained on; streamed ones stay in their file."""
        from physgen.quantum import MeasurementData

        if self.config.train.stream:
            return inputs.load_measurements(self.config)
        return MeasurementData.from_dataset(self.store.read("data"))

    def sections(self) -> list[ModelSection]:
        """Return the models that can be fitted to the outcomes."""
        return fittable(self.config, self.data())

    def truth(self) -> Born | None:
        """Return the outcome distribution of the state, if the state is known."""
        from physgen.quantum import Born

        state = self.state()
        return None if state is None else Born(state, self.data().povm)
