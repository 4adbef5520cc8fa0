"""What a user without a device, or with settings that it cannot take, is told."""

import subprocess
import sys
from pathlib import Path

import numba
import pytest
import torch

from physgen.core.errors import InputError, MissingDependencyError
from physgen.kernels.cuda import launch
from physgen.models.energy.rbm import RBM
from physgen.samplers.block_gibbs import BlockGibbs
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.mala import MALA
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.overrelaxation import Overrelaxation
from physgen.samplers.phi4_cluster import Phi4Cluster
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.ula import ULA
from physgen.targets import Ising, Phi4, as_target

ISING, PHI4 = Ising(L=4, beta=0.4), Phi4.from_halved(4, m2=1.0, lam=1.0)
HAS_DEVICE = numba.cuda.is_available()


@pytest.mark.skipif(HAS_DEVICE, reason="there is a device")
@pytest.mark.parametrize(
    ("sampler", "target"),
    [
        (HeatBath, ISING),
        (Metropolis, ISING),
        (Metropolis, PHI4),
        (Overrelaxation, PHI4),
        (HMC, PHI4),
        (MALA, PHI4),
        (ULA, PHI4),
        (SwendsenWang, ISING),
        (Phi4Cluster, PHI4),
    ],
)
def test_without_a_device(sampler, target):
    sampler().bind(target)
    with pytest.raises(InputError, match=r"got 'cuda' .*; use device='cpu', .*physgen\[cuda\]"):
        sampler(device="cuda").bind(target)


def test_without_the_package(monkeypatch):
    monkeypatch.delattr(numba, "cuda")
    monkeypatch.setitem(sys.modules, "numba.cuda", None)
    with pytest.raises(MissingDependencyError, match=r"numba-cuda.*pip install 'physgen\[cuda\]'"):
        launch.require_device()


def test_with_a_driver_but_no_compiler(monkeypatch):
    monkeypatch.setattr(numba.cuda, "is_available", lambda: False)
    monkeypatch.setattr(numba.cuda, "cuda_error", lambda: None)
    with pytest.raises(MissingDependencyError, match=r"without them; pip install"):
        launch.require_device()


@pytest.mark.parametrize("sampler", [HeatBath, Metropolis, Overrelaxation, HMC, MALA, ULA])
def test_settings(sampler):
    with pytest.raises(InputError, match="device must be one of 'cpu', 'cuda', got 'gpu'"):
        sampler(device="gpu")
    with pytest.raises(InputError, match="runs on rng='philox' only, got rng='fast'"):
        sampler(device="cuda", rng="fast").bind(ISING)


def test_targets():
    with pytest.raises(InputError, match="layout 'lattice' cannot take this model"):
        HeatBath(device="cuda", layout="lattice").bind(ISING)
    glass = Ising(L=2, beta=0.4, J=[1, 2, 3, 4, 5, 6, 7, 8])
    with pytest.raises(InputError, match="one magnitude"):
        HeatBath(device="cuda", layout="chains").bind(glass)
    plain = as_target(lambda x: (x**2).sum(-1) / 2, (3,), force=lambda x: -x)
    with pytest.raises(InputError, match=r"HMC on device='cuda' needs a phi\^4"):
        HMC(device="cuda").bind(plain)
    with pytest.raises(InputError, match=r"Ising, phi\^4 and free fields only"):
        Metropolis(device="cuda").bind(plain)


def test_settings_of_clusters():
    for sampler in (SwendsenWang, Phi4Cluster, BlockGibbs):
        with pytest.raises(InputError, match="device must be one of 'cpu', 'cuda', got 'gpu'"):
            sampler(device="gpu")
    with pytest.raises(InputError, match=r"must be 'auto' with device='cuda', .*, got 3; leave"):
        Phi4Cluster(device="cuda", n_clusters=3)
    for sampler in (Phi4Cluster, BlockGibbs):
        with pytest.raises(InputError, match="runs on rng='philox' only, got rng='fast'"):
            sampler(device="cuda", rng="fast").bind(PHI4)
    large = Ising(L=256, beta=0.4), Phi4.from_halved(256, m2=1.0, lam=1.0)
    for sampler, target in zip((SwendsenWang, Phi4Cluster), large, strict=True):
        rule = r" on device='cuda' takes lattices of at most 65535 sites, got 65536; use device="
        with pytest.raises(InputError, match=sampler.__name__ + rule):
            sampler(device="cuda").bind(target)


def test_a_run_on_a_device_cites_what_it_used():
    assert Phi4Cluster().cites == ("Brower1989", "Wolff1989")
    assert Phi4Cluster(device="cuda").cites == ("Brower1989", "SwendsenWang1987")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_machines_without_a_device():
    with pytest.raises(InputError, match=r"got 'cuda' \(torch .* no CUDA .*use device='cpu'"):
        BlockGibbs(device="cuda").bind(RBM((4,)))


def test_schedule_of_the_threads():
    assert launch.parts(8, 16) == 16
    assert launch.parts(8, 1000) == 32
    assert launch.parts(256, 1) == 1


@pytest.mark.slow
@pytest.mark.skipif(HAS_DEVICE, reason="there is a device")
def test_figures_need_a_device():
    script = Path(__file__).parents[3] / "workflows/benchmarks/gpu.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("gpu.py: device must name one that is there")
    assert done.stderr.count("\n") == 1
