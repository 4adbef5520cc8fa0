"""Angles are told from real fields: an action does not grow, configurations fill an interval."""

import numpy as np
import pytest

from physgen import Configurations, FreeField, Hypercubic, Phi4, as_target
from physgen.core.errors import InputError
from physgen.models import ScoreModel
from physgen.targets.angles import check_real_field
from physgen.training import DenoisingDiffusion, FlowMatching

SQUARE = Hypercubic((4, 4))


def xy(x):
    return -sum(np.cos(x - np.roll(x, 1, axis)).sum((-2, -1)) for axis in (-2, -1))


XY = as_target(xy, lattice=SQUARE, symmetries=["translations", "point_group", "z2"])


def test_an_action_of_angles_is_refused_everywhere():
    x = np.random.default_rng(1).uniform(-np.pi, np.pi, (60, 4, 4))
    for refused in (
        lambda: DenoisingDiffusion(XY, x),
        lambda: FlowMatching(XY, x),
    ):
        with pytest.raises(InputError, match="the action must grow in all directions"):
            refused()


@pytest.mark.parametrize("start", [-np.pi, 0.0])
def test_configurations_of_angles_are_refused(start):
    x = np.random.default_rng(1).uniform(start, start + 2 * np.pi, (300, 4, 4))
    data = Configurations(x, boundary="periodic", symmetries=["translations"])
    with pytest.raises(InputError, match=r"got angles \(values that fill"):
        ScoreModel.for_target(data)
    with pytest.raises(InputError, match="take a model of outcomes"):
        DenoisingDiffusion(data)


def test_real_fields_pass():
    rng = np.random.default_rng(1)
    for target in (
        FreeField(L=4, m2=0.5),
        Phi4.from_hopping(L=4, kappa=0.27, lam=0.022),
        # A washboard in a well is a real field, although its force is nearly periodic.
        as_target(lambda x: (1 - np.cos(x)).sum((-2, -1)) + 1e-3 * (x**2).sum((-2, -1)), (4, 4)),
        Configurations(rng.normal(size=(400, 4, 4))),
        Configurations(np.clip(rng.normal(size=(400, 4, 4)), -np.pi + 0.1, np.pi - 0.1)),
    ):
        check_real_field(target)
