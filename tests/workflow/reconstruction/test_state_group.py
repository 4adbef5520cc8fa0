"""What the group of the state says about how exact it is."""

import numpy as np

from physgen.quantum import MPS, TFIM
from physgen.workflow.reconstruction.stages import _labelled


def test_a_state_of_unknown_method_is_labelled_all_the_same():
    up = [np.array([1.0, 0.0]).reshape(1, 2, 1)] * 4
    attrs = _labelled(MPS(up, {"energy_error": 0.1}), TFIM(4)).attrs
    assert attrs["exactness"] == "approximate"
    assert attrs["estimator"].startswith("unknown; energy error")
