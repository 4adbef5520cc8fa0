r"""The gradient of a batch as one CUDA graph: recorded once, replayed at every step.

An update of a flow is some 2,800 kernels.  To launch them one by one takes tens of milliseconds,
whether they work on a hundred draws or on two thousand; a graph is launched as a whole.

What is replayed is what was recorded: the same kernels on the same memory.  What changes from step
to step therefore lies in memory that stays: the weights, which the optimiser changes in place, and
the seeds of the generators, which belong to the graph (:class:`HeldStream`).  A seed is set before
each replay to that of the step, so a fit has the same random numbers with and without graphs, and
a resumed one those of an uninterrupted one.  An objective whose updates read nothing else says so
(:class:`~physgen.core.learning.Replayable`).

The first `WARM` steps of a kind (size of the batch, steps of a solver) are taken one kernel at a
time, on a stream of their own: libraries set themselves up, and the generators are found.  The
optimiser, clipping and the average are a few kernels more, and are not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Replayable, Stepped
from physgen.core.random import Stream
from physgen.training.problem import device_of
from physgen.training.shards import Step

__all__ = ["Graphs", "HeldStream", "Recorder"]

WARM = 3  # steps of a kind before it is recorded

Tensors = Sequence[torch.Tensor | None]
Way = tuple[tuple[str, Any], ...]  # from the stream of a step to one of its streams


class Recorder(Protocol):
    """What records kernels."""

    def warm(self, call: Callable[[], Tensors]) -> Tensors:
        """Return what `call` returns, computed on the stream that will be recorded."""
        ...

    def record(
        self, call: Callable[[], Tensors], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Tensors]:
        """Return what replays `call`, and the tensors that a replay fills."""
        ...


class CudaRecorder:
    """CUDA graphs, which share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm(self, call: Callable[[], Tensors]) -> Tensors:
        """Return what `call` returns; kernels before and after wait for it."""
        self.stream.wait_stream(torch.cuda.current_stream(self.stream.device))
        with torch.cuda.stream(self.stream):
            found = call()
        torch.cuda.current_stream(self.stream.device).wait_stream(self.stream)
        return found

    def record(
        self, call: Callable[[], Tensors], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Tensors]:
        """Return what replays `call`, and the tensors that a replay fills."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self._pool, stream=self.stream):
            found = call()
        return graph.replay, found


@dataclass
class _Generators:
    """The generators of one kind of step, by the way to their streams."""

    found: dict[Way, torch.Generator] = field(default_factory=dict[Way, torch.Generator])
    asked: set[Way] = field(default_factory=set[Way])
    recording: bool = False

    def seed(self, step: Stream) -> None:
        """Give every generator the seed of its stream at a step."""
        for way, generator in self.found.items():
            stream = step
            for how, what in way:
                stream = stream.at(what) if how == "at" else stream.child(*what)
            generator.manual_seed(stream.torch_seed())


@dataclass(frozen=True)
class HeldStream(Stream):
    """A stream of a step whose generators are the same objects at every step.

    Raises
    ------
    InputError
        If it is asked for random numbers of the host, or twice for one generator: the second
        would begin where the first began, which no graph repeats.
    """

    generators: _Generators = field(default_factory=_Generators, compare=False, repr=False)
    way: Way = ()

    def child(self, *names: str | int) -> HeldStream:
        """Return the stream reached by appending `names` to the path."""
        return self._moved(super().child(*names), "child", names)

    def at(self, counter: int) -> HeldStream:
        """Return the same stream at position `counter`."""
        return self._moved(Stream(self.seed, self.path, int(counter)), "at", int(counter))

    def _moved(self, to: Stream, how: str, what: Any) -> HeldStream:
        way = (*self.way, (how, what))
        return HeldStream(to.seed, to.path, to.counter, self.generators, way)

    def numpy(self) -> np.random.Generator:
        """Refuse."""
        raise InputError(
            "an update that draws random numbers on the host cannot be a CUDA graph; leave out "
            "cuda_graphs"
        )

    def torch(self, device: Any = "cpu") -> torch.Generator:
        """Return the generator of this stream, at its start."""
        held = self.generators
        if self.way in held.asked:
            raise InputError(
                f"an update that draws twice from the stream {'/'.join(map(str, self.path))} "
                "cannot be a CUDA graph; leave out cuda_graphs"
            )
        held.asked.add(self.way)
        if not held.recording:
            if self.way not in held.found:
                held.found[self.way] = torch.Generator(device=device)
            held.found[self.way].manual_seed(self.torch_seed())
        return held.found[self.way]


@dataclass
class _Kind:
    """Steps that are alike: how many were taken, and the graph of the later ones."""

    generators: _Generators = field(default_factory=_Generators)
    taken: int = 0
    replay: Callable[[], None] | None = None
    tensors: Tensors = ()


class Graphs:
    """The gradients of a model's updates, replayed.

    Parameters
    ----------
    model : torch module
        On a CUDA device.
    objective : Objective
        The updates of this one are replayed.
    recorder : Recorder, optional
        By default CUDA graphs.

    Raises
    ------
    InputError
        If the model is on no CUDA device, or updates of the objective read from the host.
    """

    def __init__(self, model: Any, objective: Any, recorder: Recorder | None = None) -> None:
        if not (isinstance(objective, Replayable) and objective.replays(model)):
            raise InputError(
                "cuda_graphs needs updates that read nothing from the host (ReverseKL of a "
                f"density), got {type(objective).__name__} of {type(model).__name__}; leave it out"
            )
        if recorder is None:
            if (device := device_of(model)).type != "cuda":
                raise InputError(
                    f"cuda_graphs needs a model on a CUDA device, got one on {device}; move it "
                    "there (device = 'cuda'), or leave it out"
                )
            recorder = CudaRecorder(device)
        self.model, self.recorder = model, recorder
        self.objective: Any = objective
        self._weights = [p for p in model.parameters() if p.requires_grad]
        self._kinds: dict[int, _Kind] = {}  # by size of the batch
        self._solver: list[int] = []

    def apart(self, model: Any) -> Graphs:
        """Return graphs of their own for a copy of the model."""
        return Graphs(model, self.objective, self.recorder)

    def gradient(self, index: np.ndarray, rng: Stream) -> Step:
        """Set the gradient of a batch of as many items as `index` has, and return its loss."""
        solver = [m.steps for m in self.model.modules() if isinstance(m, Stepped)]
        if solver != self._solver:  # and those of fewer steps are never taken again
            self._kinds, self._solver = {}, solver
        kind = self._kinds.setdefault(len(index), _Kind())
        held = kind.generators
        step = HeldStream(rng.seed, rng.path, rng.counter, held)

        def update() -> Tensors:
            held.asked.clear()
            for p in self._weights:
                p.grad = None
            loss = self.objective.loss(self.model, index, step, {})
            loss.value.backward()
            return [loss.value.detach(), *(p.grad for p in self._weights)]

        if kind.taken < WARM:
            kind.taken += 1
            return self._step(self.recorder.warm(update))
        if kind.replay is None:
            kind.replay, kind.tensors = self._recorded(update, held)
        held.seed(rng)
        kind.replay()
        return self._step(kind.tensors)

    def _recorded(
        self, update: Callable[[], Tensors], held: _Generators
    ) -> tuple[Callable[[], None], Tensors]:
        held.recording = True  # from here on seeds are set from outside
        try:
            return self.recorder.record(update, list(held.found.values()))
        except RuntimeError as error:
            raise InputError(
                f"updates of {type(self.model).__name__} cannot be recorded as a CUDA graph "
                f"({error}); leave out cuda_graphs"
            ) from error

    def _step(self, tensors: Tensors) -> Step:
        """Hand gradients to the weights, and return the loss."""
        value, *gradients = tensors
        for p, gradient in zip(self._weights, gradients, strict=True):
            p.grad = gradient
        assert value is not None
        return Step(float(value), {})
