"""The matrix that a density over outcomes implies: exact by enumeration, else from samples."""

import numpy as np
import pytest
from helpers.states import noisy_bell

from physgen.core.errors import InputError
from physgen.core.protocols import outcomes
from physgen.quantum import MPS, TFIM, Born, MeasurementData, ground_state, povm
from physgen.quantum.tomography import direct_estimates, from_density


@pytest.mark.parametrize("name", ["pauli-4", "pauli-6"])
def test_the_born_distribution_gives_its_state_back(name):
    state = ground_state(TFIM(4))
    psi = state.to_dense()
    ds = from_density(Born(state, name), name, state, blocks=[[0, 1]])
    np.testing.assert_allclose(ds.rho_real + 1j * ds.rho_imag, np.outer(psi, psi), atol=1e-9)
    assert float(ds.fidelity_squared) == pytest.approx(1, abs=1e-9)
    assert float(ds.renyi2) == pytest.approx(0, abs=1e-9)
    half = psi.reshape(4, 4)
    assert float(ds.block_purity[0]) == pytest.approx(((half @ half.T) ** 2).sum(), abs=1e-9)
    assert (ds.attrs["exactness"], ds.attrs["exactness_for"]) == ("exact", "the model")
    assert float(ds.purity_error) == 0


class Learned:
    """A distribution that no state has: all mass on Z+ Z+ of pauli-6."""

    event_shape, support = (2,), outcomes(6)

    def log_prob(self, x):
        with np.errstate(divide="ignore"):
            return np.log((x == 0).all(axis=-1).astype(float))


def test_what_is_no_state_is_shown_as_it_is():
    ds = from_density(Learned(), "pauli-6", np.array([1, 0, 0, 0]))
    assert float(ds.fidelity_squared) == pytest.approx(4)  # (1 + 3)^2 / 4
    assert ds.attrs["physical"] == 0
    assert float(ds.lowest_eigenvalue) == pytest.approx(-2)  # 2 x (-1)


def test_larger_systems_are_sampled():
    state = MPS.from_dense(np.eye(1, 2**9)[0])
    density = Born(state, "tetrahedral")
    ds = from_density(density, "tetrahedral", state, n_samples=400, rng=3)
    data = MeasurementData(density.sample(400, 3), "tetrahedral")
    assert float(ds.purity) == float(direct_estimates(data).purity)
    assert ds.attrs["exactness"] == "asymptotic"
    with pytest.raises(InputError, match=r"rng must be given to sample a density of 4\^9"):
        from_density(density, "tetrahedral")


def test_bad_input():
    density = Born(MPS.from_dense(noisy_bell(0)[0]), "pauli-4")
    with pytest.raises(InputError, match="must have the 4 outcomes of the density, got 6"):
        from_density(density, "pauli-6")
    with pytest.raises(InputError, match="must be pure"):
        from_density(density, "pauli-4", np.eye(4) / 4)

    class Unnormalised(Learned):
        def log_prob(self, x):
            return np.zeros(len(x))

    with pytest.raises(InputError, match="must sum to 1 over all strings, got 36"):
        from_density(Unnormalised(), povm("pauli-6"))
