"""Compiled loops of local actions: the action and force of the target, and no recompilation."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.compiling import heard
from physgen.kernels.cpu import field_hmc
from physgen.kernels.cpu.field_layout import pack, unpack
from physgen.kernels.cpu.langevin import langevin
from physgen.kernels.cpu.mala import proposals
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers import HMC, MALA, ULA
from physgen.samplers.fields.local_action import LocalActionFields
from physgen.targets import LocalAction

ALL = (0, 1)
LATTICES = [
    (2, 2),
    (4, 6),
    (3, 4, 5),
    Hypercubic((4, 5), "open"),
    Hypercubic((6, 4), ("open", "periodic")),
    Hypercubic((3, 3, 3), ("periodic", "open", "periodic")),
]
SIX = {
    "field": 0.3, "nearest": -0.4, "diagonal": 0.15, "phi2": 0.9, "phi4": 0.2, "phi6": 0.03,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("L", LATTICES, ids=str)
def test_action_and_force_are_the_target_s(L, dtype):
    target = LocalAction(L, **SIX)
    x = np.random.default_rng(1).normal(size=(20, target.n_sites))
    blocks, action = pack(x, 32, dtype), LocalActionFields(target).arrays
    S, F = np.empty((blocks.shape[0], blocks.shape[2])), np.empty_like(blocks)
    field_hmc.actions(ALL, blocks, *action, S)
    field_hmc.forces(ALL, blocks, *action, F)
    fields = x.reshape(20, *target.event_shape)
    tolerance = 1e-12 if dtype == np.float64 else 5e-5
    np.testing.assert_allclose(S.ravel()[:20], target.action(fields), rtol=tolerance)
    force = target.force(fields).reshape(20, -1)
    np.testing.assert_allclose(unpack(F, 20), force, rtol=tolerance, atol=tolerance)


def test_a_chain_of_sites_has_no_diagonal():
    target = LocalAction((7,), nearest=-0.4, phi2=0.9)
    x = np.random.default_rng(1).normal(size=(3, 7))
    fields = LocalActionFields(target, "float64")
    found = fields.actions(fields.init(Stream(1), 3, x))
    np.testing.assert_allclose(found, target.action(x), rtol=1e-12)


def test_new_couplings_compile_nothing():
    first = LocalAction((4, 4), **SIX)
    others = [
        first.at(phi6=0.0, diagonal=0.0),
        first.at(nearest=0.0, field=0.0, diagonal=0.0),
        first.at(nearest=0.7, phi4=1.5),
    ]

    def move(target):
        for sampler in (ULA(), MALA(step_size=0.02), HMC(step_size=0.1, n_leapfrog=2)):
            chains = sampler.bind(target)
            chains.step(Stream(1), chains.init(Stream(2), 4))

    loops = (langevin, proposals, field_hmc.trajectories, field_hmc.actions, field_hmc.forces)
    move(first)
    seen, compiled = [len(loop.signatures) for loop in loops], []
    with heard(lambda: compiled.append(1)):
        for target in others:
            move(target)
    assert not compiled
    assert [len(loop.signatures) for loop in loops] == seen


def test_couplings_that_change_are_read_again():
    """A model is trained while chains are bound to it."""

    class Model:
        def __init__(self, target):
            self.target = target

        def __getattr__(self, name):
            return getattr(self.target, name)

    model = Model(LocalAction((4, 4), nearest=-0.2, phi2=0.7, phi4=0.1))
    fields = LocalActionFields(model, "float64")
    x = np.random.default_rng(1).normal(size=(5, 4, 4))
    for couplings in ({"nearest": 0.3, "diagonal": -0.1}, {"nearest": 0.0, "phi2": 1.1}):
        model.target = model.target.at(**couplings)
        found = fields.actions(fields.init(Stream(1), 5, x))
        np.testing.assert_allclose(found, model.target.action(x), rtol=1e-12)


def test_a_block_that_vectors_would_overrun_is_refused():
    target = LocalAction((4, 4), nearest=-0.2, phi2=0.7)
    chains = ULA(dtype="float64").bind(target)
    state = chains.init(Stream(1), 20)
    with pytest.raises(InputError, match="power of two"):
        chains.step(Stream(2), state._replace(x=state.x[:, :, :24].copy()))
