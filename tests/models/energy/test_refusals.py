"""What energies and their chains refuse, each in one line: rule, value, remedy."""

import numpy as np
import pytest
import torch

from physgen import models
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.random import Stream
from physgen.samplers import HMC, MALA, ULA, log_z_sandwich, run
from physgen.targets import LocalAction, Phi4, as_target
from physgen.targets.configurations import Configurations

SPINS = 2 * np.random.default_rng(1).integers(0, 2, (40, 4), np.int8) - 1
BITS = (1 + SPINS) // 2


def convolution():
    return models.ConvolutionalEnergy((4, 4), rng=1)


def dense():
    return models.MlpEnergy((4,), rng=1)


def ran_away():
    chains = ULA(step_size=1.0).bind(Phi4.from_halved(L=4, m2=1.0, lam=1.0))
    chains.step(Stream(2), chains.init(Stream(1), 8), 50)


def zeros_and_ones():
    return models.RBM((4,), visible="outcomes", K=2, n_hidden=2, rng=1)


CASES = {
    "loops of a network": (
        lambda: ULA(rng="fast").bind(convolution()),
        r"rng='fast' is of compiled loops, and ConvolutionalEnergy does not compile",
    ),
    "loops of another type": (
        lambda: HMC(rng="fast", dtype="float64").bind(dense()),
        r"MlpEnergy has none in float64; take rng='philox'",
    ),
    "loops of a function": (
        lambda: MALA(rng="fast").bind(
            as_target(lambda x: np.sum(x**2, -1), 3, force=lambda x: -2 * x)
        ),
        r"does not compile: it is moved by its force; take rng='philox'",
    ),
    "a network on a GPU": (
        lambda: HMC(device="cuda").bind(convolution()),
        r"needs a phi\^4 or free field, got ConvolutionalEnergy",
    ),
    "half a float": (
        lambda: HMC().bind(dense().to(torch.bfloat16)),
        r"must be float32 or float64, got torch.bfloat16.*take model.float\(\)",
    ),
    "chains in half a float": (lambda: HMC(dtype="bfloat16"), r"dtype must be one of"),
    "no shape, dense": (lambda: models.MlpEnergy((), rng=1), r"shape must be the extents"),
    "no shape, machine": (lambda: models.RBM((), n_hidden=2), r"shape must be the extents"),
    "a number as shape": (lambda: models.MlpEnergy(5, rng=1), r"e.g. \(8, 8\), got 5"),
    "an extent of 0": (lambda: models.MlpEnergy((4, 0), rng=1), r"extent of shape must be"),
    "no shape, function": (lambda: as_target(np.sum), r"event_shape must be given"),
    "a step of 0": (lambda: ULA(step_size=0), r"step_size must be a positive number, got 0"),
    "no leapfrog": (lambda: HMC(n_leapfrog=0), r"n_leapfrog must be a positive integer, got 0"),
    "too many chains": (
        lambda: run(HMC(), dense(), n_chains=10**12, n_draws=2, seed=1),
        r"must fit in memory: n_chains = 1000000000000 .* lower them",
    ),
    "too many to anneal": (
        lambda: log_z_sandwich(dense(), n_chains=10**12, seed=1),
        r"n_chains = 1000000000000 need .* lower it",
    ),
    "bits as spins": (lambda: Configurations(BITS), r"must be -1 and \+1, .* give 2 \* x - 1"),
    "bits to a machine of spins": (
        lambda: models.RBM((4,), n_hidden=2).action(BITS),
        r"must hold spins -1 and 1, got 0 and 1; give 2 \* x - 1",
    ),
    "spins to a machine of bits": (
        lambda: zeros_and_ones().action(SPINS),
        r"must lie in 0..1, got spins -1 and 1; give \(x \+ 1\) // 2",
    ),
    "no bottom": (
        lambda: LocalAction(4, nearest=-1.0, phi2=0.1),
        r"must be normalisable: .* raise phi2",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_with_a_remedy(case):
    act, told = CASES[case]
    with pytest.raises(InputError, match=told):
        act()


def test_a_chain_that_diverges_names_its_energy_its_step_and_the_remedy():
    with pytest.raises(
        NonFiniteActionError,
        match=r"got (nan|-?inf) after a Langevin step of 1; lower step_size, chain \d",
    ):
        ran_away()


def test_what_is_nearly_the_same_is_allowed():
    ULA(rng="fast").bind(Phi4.from_halved(L=4, m2=1.0, lam=1.0))
    HMC(rng="fast").bind(dense())
    HMC(dtype="float64").bind(dense())
    HMC().bind(dense().double())
    models.MlpEnergy([4, 2], rng=1)
    zeros_and_ones().action(BITS)
