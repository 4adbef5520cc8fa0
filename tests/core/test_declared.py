"""What targets and bound samplers say beside their protocols, asked in one place."""

import numpy as np

from physgen.core.chains import Traits, traits
from physgen.core.declared import Declared, declared
from physgen.samplers import Emcee, HeatBath, ParallelTempering
from physgen.targets import FreeField, Ising, Phi4, as_target
from physgen.targets.even import EvenTarget

FOUR = {"hop", "quad", "quart", "const"}


def test_a_target_that_says_nothing():
    assert declared(object()) == Declared()
    bare = declared(as_target(lambda x: (x**2).sum(1), 3))
    assert (bare.lattice, bare.symmetries, bare.numbers) == (None, (), {})
    assert not bare.is_even


def test_built_in_targets():
    ising = declared(Ising(L=4, beta=0.4, h=0.1))
    assert ising.symmetries == ("point_group", "translations")
    assert ising.lattice.shape == (4, 4)
    assert set(ising.observables) == {"energy", "magnetization"}
    assert ising.couplings == ising.numbers == {"beta": 0.4, "J": 1.0, "h": 0.1}
    assert declared(Ising(L=4, beta=0.4)).is_even

    phi4 = declared(Phi4.from_unhalved(4, m2=-4.0, lam=8.0))
    assert phi4.couplings == {"m2": -4.0, "lam": 8.0}
    assert phi4.numbers == {"hop": 2.0, "quad": 0.0, "quart": 8.0, "const": 0.0}
    assert declared(Phi4.from_hopping(4, 0.2, 0.1)).numbers.keys() == FOUR
    assert declared(FreeField(4, 0.5)).numbers == {"m2": 0.5}
    assert declared(EvenTarget(Ising(L=4, beta=0.4))).numbers == {}


def test_disorder_is_a_coupling_but_no_number():
    glass = declared(Ising.spin_glass(L=4, beta=0.5, rng=1))
    assert set(glass.couplings) == {"beta", "J", "h"}
    assert set(glass.numbers) == {"beta", "h"}


def test_attributes_named_like_couplings_are_couplings():
    class Own:
        beta, kappa, temperature, h = np.float64(0.5), 0.2, 3.0, np.zeros(4)

    assert set(declared(Own()).couplings) == {"beta", "kappa", "h"}
    assert declared(Own()).numbers == {"beta": 0.5, "kappa": 0.2}


def test_traits_of_bound_samplers():
    assert traits(object()) == Traits()
    assert traits(HeatBath().bind(Ising(L=4))) == Traits()
    field = Phi4.from_unhalved(2, m2=-4.0, lam=8.0)
    assert traits(Emcee().bind(field)).coupled_chains
    replicas = ParallelTempering(HeatBath(), betas=[0.3, 0.4]).bind(Ising(L=4, beta=0.4))
    assert traits(replicas).replicas["beta"].tolist() == [0.3, 0.4]
