"""Names of samplers in configs follow from their classes, and so does what to cite."""

import subprocess
import sys

import pytest

from physgen import samplers
from physgen.results.citations import METHODS, bibtex, references
from physgen.samplers import registry

NAMED = {
    "block-gibbs": "BlockGibbs",
    "heat-bath": "HeatBath",
    "metropolis": "Metropolis",
    "wolff": "Wolff",
    "swendsen-wang": "SwendsenWang",
    "hmc": "HMC",
    "mala": "MALA",
    "ula": "ULA",
    "overrelaxation": "Overrelaxation",
    "phi4-cluster": "Phi4Cluster",
    "emcee": "Emcee",
    "exact": "ExactDraws",
}


def test_names_follow_from_classes():
    assert {name: cls.__name__ for name, cls in registry.methods().items()} == NAMED
    for name, cls in registry.methods().items():
        assert registry.find(name) is cls
        assert cls(**registry.settings_of(cls)) == cls()
    for wrong in ("exact-draws", "heat", "independence", "auto-warmup", "run", ""):
        assert registry.find(wrong) is None


def test_what_a_config_cannot_hold_is_left_out():
    """A density, another sampler, a ladder: these have no default that is a number or a text."""
    for cls in (
        samplers.Independence,
        samplers.SelfLearning,
        samplers.Alternating,
        samplers.ParallelTempering,
        samplers.TrajectoryTempering,
    ):
        assert registry.settings_of(cls) is None
    assert registry.settings_of(samplers.HeatBath) == {
        "rng": "philox",
        "layout": "auto",
        "device": "cpu",
    }


@pytest.mark.parametrize("name", [n for n in samplers.__all__ if n[0].isupper()])
def test_samplers_carry_what_to_cite(name):
    cls = getattr(samplers, name)
    if not hasattr(cls, "bind"):
        return
    assert set(cls.cites) <= set(references())
    assert cls.cites or cls is samplers.ExactDraws
    assert bibtex(cls.cites).count("@") == len(cls.cites)
    assert registry.config_name(cls) not in METHODS  # not named twice


def test_a_name_imports_its_sampler_alone():
    code = (
        "import sys\n"
        "from physgen.samplers.registry import find\n"
        "assert not [m for m in sys.modules if m.startswith('physgen.samplers.h')]\n"
        "assert find('hmc').__name__ == 'HMC'\n"
        "print([m for m in ('emcee', 'torch', 'physgen.samplers.wolff') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
