"""An update that is replayed is the update that was recorded, with the random numbers of its step.

No CUDA device is needed: a recorder of the tests computes again, into the tensors of the
recording; and on the meta device an update shows whether it reads from the host.
"""

import contextlib
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import physgen as pg
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice import sublattices
from physgen.models import VAE
from physgen.training import FitSettings, NegativeLogLikelihood, ReverseKL, fit, graphs
from physgen.training.graphs import WARM, Graphs, HeldStream
from physgen.training.loop import Loop

PHI4 = pg.Phi4.from_unhalved((4, 4), m2=-4.0, lam=6.0)
ISING = pg.Ising(4, beta=0.4)
BOTH = pytest.mark.parametrize("target", [PHI4, ISING], ids=["path", "reinforce"])
N_EPOCHS, BATCHES = 4, 3


class Repeating:
    """A recorder on the CPU; what a graph would not see changes nothing in its replays."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def warm(self, call):
        return call()

    def record(self, call, generators):
        self.recorded += 1
        self.generators = generators
        states = [g.get_state() for g in generators]
        found = [t if t is None else t.clone() for t in call()]
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)  # a recording draws nothing

        def replay():
            self.replayed += 1
            for old, new in zip(found, call(), strict=True):
                if old is not None:
                    old.copy_(new)

        return replay, found


def fitted(target, recorder=None, **options):
    """Return the weights and losses of a fit, with graphs if there is a recorder."""
    model = pg.for_target(target, rng=1)
    # 40 draws in batches of 16: an epoch has steps of two kinds
    objective = ReverseKL(target, draws_per_epoch=40, n_validation=32, **options)
    loop = Loop(model, objective, FitSettings(n_epochs=N_EPOCHS, batch_size=16), Stream(5))
    loop.graphs = None if recorder is None else Graphs(model, objective, recorder)
    loop.begin(lambda: 0)
    while not loop.finished:
        loop.advance()
    return [*model.state_dict().values()], loop.state.history_dataset()


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True)) and a[1].equals(b[1])


@BOTH
def test_a_fit_has_the_same_weights_and_losses_with_graphs(target):
    assert same(fitted(target), fitted(target, recorder := Repeating()))
    whole = N_EPOCHS * (BATCHES - 1) - WARM  # and N_EPOCHS - WARM of the shorter batch
    assert recorder.recorded == 2
    assert recorder.replayed == whole + N_EPOCHS - WARM
    assert len(recorder.generators) == 1


def test_a_fit_that_forgets_to_set_the_seeds_is_another_one(monkeypatch):
    plain = fitted(PHI4)
    monkeypatch.setattr(graphs._Generators, "seed", lambda self, step: None)
    assert not same(plain, fitted(PHI4, Repeating()))


def test_steps_whose_action_still_grows_are_not_replayed():
    """A multiple of the action is a number of the host, and would stay what it was."""
    assert same(fitted(PHI4, anneal=0.5), fitted(PHI4, recorder := Repeating(), anneal=0.5))
    assert 0 < recorder.replayed < N_EPOCHS * BATCHES // 2


def test_a_solver_with_more_steps_is_recorded_again():
    model, objective = pg.for_target(PHI4, rng=1), ReverseKL(PHI4, n_validation=0)
    found, index = Graphs(model, objective, recorder := Repeating()), np.arange(16)
    for t in range(WARM + 1):
        found.gradient(index, Stream(2).at(t))
    assert recorder.recorded == 1
    model.even.steps += 1
    for t in range(WARM + 1):
        value = found.gradient(index, Stream(2).at(t)).value
    assert recorder.recorded == 2
    loss = objective.loss(model, index, Stream(2).at(WARM), {}).value
    assert value == pytest.approx(float(loss.detach()), rel=1e-12)


class OnDevice(TorchDispatchMode):
    """Counts operations that bring a tensor of the host to the device."""

    def __init__(self):
        super().__init__()
        self.copies = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **(kwargs or {}))
        given, got = (
            {t.device.type for t in tree_leaves(of) if isinstance(t, torch.Tensor)}
            for of in ((args, kwargs), out)
        )
        self.copies += "cpu" in given and "meta" in got
        return out


class OfDevice(Stream):
    """A stream whose generators are of the meta device, which torch does not have."""

    def torch(self, device="cpu"):
        return SimpleNamespace(device=torch.device(device))

    def numpy(self):
        raise AssertionError("random numbers of the host")


def copies(target, monkeypatch, **options):
    """Return the copies to the device of the first update, and of the second."""
    for name in ("rand", "randn"):
        draw = getattr(torch, name)
        monkeypatch.setattr(torch, name, lambda *a, draw=draw, generator=None, **k: draw(*a, **k))
    model = pg.for_target(target, rng=1, **options).to("meta")
    objective, found = ReverseKL(target, n_validation=0), []
    for t in range(2):
        with OnDevice() as counted:  # and a number asked of the device is an error there
            objective.loss(model, np.arange(8), OfDevice(1).at(t), {}).value.backward()
        found.append(counted.copies)
    return found


CUBE = pg.Phi4.from_unhalved((4, 4, 4), m2=-4.0, lam=6.0)
RECORDABLE = [
    (PHI4, {}), (PHI4, {"decimate": False}), (CUBE, {}),
    *((PHI4, {"family": f}) for f in ("coupling-flow", "glow-flow", "zuko-flow")),
    (ISING, {}), (ISING, {"decimate": False}),
    *((ISING, {"family": f}) for f in ("masked-net", "pixel-net", "spin-transformer")),
]  # fmt: skip


@pytest.mark.parametrize(("target", "options"), RECORDABLE)
def test_an_update_reads_nothing_from_the_host(target, options, monkeypatch):
    """All tables of targets and models are on the device after the first update."""
    assert copies(target, monkeypatch, **options)[1] == 0


def test_tables_that_are_made_anew_are_seen(monkeypatch):
    monkeypatch.setattr(
        sublattices, "beside", lambda a, x: torch.from_numpy(a.copy()).to(x.device)
    )
    assert copies(PHI4, monkeypatch)[1] == 3


def test_what_cannot_be_replayed_is_refused():
    on_cpu = FitSettings(n_epochs=1, batch_size=64, cuda_graphs=True)
    flow = pg.for_target(PHI4, rng=1)
    with pytest.raises(InputError, match="needs a model on a CUDA device, got one on cpu"):
        fit(flow, ReverseKL(PHI4), on_cpu)
    lstm = pg.LSTM(4, 4, hidden=4, rng=1)
    shots = np.zeros((100, 4), np.uint8)
    with pytest.raises(InputError, match=r"read nothing from the host .* NegativeLogLikelihood"):
        fit(lstm, NegativeLogLikelihood(shots), on_cpu)
    with pytest.raises(InputError, match="got ReverseKL of VAE"):
        Graphs(VAE((4, 4), rng=1), ReverseKL(PHI4), Repeating())
    with pytest.raises(InputError, match="needs shards = 1, got 2"):
        FitSettings(cuda_graphs=True, shards=2)


def test_a_stream_that_no_graph_can_follow_is_refused():
    held = HeldStream(1).child("a").at(2)
    assert held.torch().initial_seed() == Stream(1).child("a").at(2).torch().initial_seed()
    with pytest.raises(InputError, match="draws twice from the stream a"):
        held.torch()
    with pytest.raises(InputError, match="random numbers on the host"):
        held.numpy()


def test_an_update_that_cannot_be_recorded_says_why():
    class Failing(Repeating):
        def record(self, call, generators):
            raise RuntimeError("operation not permitted when stream is capturing")

    found = Graphs(pg.for_target(PHI4, rng=1), ReverseKL(PHI4), Failing())
    for t in range(WARM):
        found.gradient(np.arange(8), Stream(1).at(t))
    with pytest.raises(InputError, match=r"recorded as a CUDA graph \(operation not permitted"):
        found.gradient(np.arange(8), Stream(1).at(WARM))


def test_generators_belong_to_a_graph_before_it_is_recorded(monkeypatch):
    """The calls of torch.cuda, which has nothing to record with here, in their order."""
    cuda, done = MagicMock(spec=torch.cuda), []
    cuda.stream.side_effect = lambda stream: contextlib.nullcontext(done.append("stream"))
    cuda.graph.side_effect = lambda *a, **k: contextlib.nullcontext(done.append("begun"))
    graph = cuda.CUDAGraph.return_value = MagicMock()
    graph.register_generator_state.side_effect = done.append
    monkeypatch.setattr(torch, "cuda", cuda)
    recorder = graphs.CudaRecorder(torch.device("cuda:0"))
    recorder.stream.wait_stream.side_effect = lambda other: done.append("waited")
    assert recorder.warm(lambda: [None]) == [None]
    assert recorder.record(lambda: [None], ["generator"]) == (graph.replay, [None])
    assert done == ["waited", "stream", "generator", "begun"]
    (recorded,), options = cuda.graph.call_args
    assert recorded is graph
    assert options == {"pool": cuda.graph_pool_handle.return_value, "stream": recorder.stream}
