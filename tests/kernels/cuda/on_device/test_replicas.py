import numpy as np

from physgen.samplers import HeatBath, run_replicas
from physgen.targets import Ising

ISING = Ising(L=(2, 3), beta=0.4)
HOW = {"n_chains": 4, "n_draws": 3, "warmup": 2, "seed": 1, "quiet": True}


def test_replicas_on_a_device_are_those_of_the_cpu():
    host = run_replicas(HeatBath(), ISING, 2, **HOW)
    device = run_replicas(HeatBath(device="cuda"), ISING, 2, [0], **HOW)
    for name in ("energy", "magnetization", "replica"):
        np.testing.assert_array_equal(device[name], host[name])
