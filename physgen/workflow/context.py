"""What a stage works with: the config, the run file, and where to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from physgen.core.errors import InterruptedRunError
from physgen.core.random import Stream
from physgen.workflow import inputs
from physgen.workflow.config import Config
from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    from physgen.quantum import MPS, TFIM, Born, MeasurementData
    from physgen.results import RunStore

__all__ = ["Context"]


@dataclass
class Context:
    """One run, as its stages see it.

    ``stop()`` is true once a signal has asked the run to end.
    """

    config: Config
    store: RunStore
    reporter: Reporter
    stop: Callable[[], bool]

    def check_stop(self) -> None:
        """Raise :class:`InterruptedRunError` if the run has been asked to end."""
        if self.stop():
            name = getattr(self.stop, "signal", None) or "a request"
            raise InterruptedRunError(
                f"stopped by {name}; continue with `physgen resume {self.store.path}`"
            )

    def stream(self, stage: str) -> Stream:
        """Return the random stream that belongs to `stage`."""
        return Stream(self.config.seed).child(stage)

    def hamiltonian(self) -> TFIM | None:
        """Return the Hamiltonian that the config, or else the data, names."""
        named = inputs.system_of(self.config)
        return named or (self.data().tfim if self.store.has("data") else None)

    def state(self) -> MPS | None:
        """Return the measured state, or None where only outcomes are known."""
        from physgen.quantum import MPS

        return MPS.from_dataset(self.store.read("state")) if self.store.has("state") else None

    def data(self) -> MeasurementData:
        """Return the outcomes that the model is trained on."""
        from physgen.quantum import MeasurementData

        return MeasurementData.from_dataset(self.store.read("data"))

    def truth(self) -> Born | None:
        """Return the outcome distribution of the state, if the state is known."""
        from physgen.quantum import Born

        state = self.state()
        return None if state is None else Born(state, self.data().povm)
