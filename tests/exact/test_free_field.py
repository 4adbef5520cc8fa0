"""Gaussian fields in closed form against dense linear algebra, in every convention."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import exact_phi4, free_field_observables, ula_observables
from physgen.exact.free_field import mode_eigenvalues
from physgen.lattice import Hypercubic
from physgen.targets import FreeField, Ising, Phi4

FIELDS = [
    FreeField(L=6, m2=0.3),
    FreeField((2, 4), m2=1.25),
    FreeField((3, 4, 2), m2=0.7),
    Phi4.from_halved(4, m2=0.5, lam=0.0, stiffness=1.7),
    Phi4.from_unhalved((5,), m2=0.2, lam=0.0),
    Phi4.from_hopping((4, 3), kappa=0.2, lam=0.0),
    Phi4.from_hopping_well((4, 3), kappa=-0.2, lam=0.0),
    Phi4.from_quarter(4, m2=0.5, lam=0.0),
    Phi4.from_factorial(4, m2=0.5, lam=0.0),
    Phi4((3, 4), hop=0.3, quad=1.1, quart=0.0, const=0.25),
    Phi4(Hypercubic((3, 4), "open"), hop=0.4, quad=1.0, quart=0.0),
    Phi4(Hypercubic((4, 5), ("open", "periodic")), hop=0.4, quad=1.0, quart=0.0),
]


def hessian(target):
    """Second derivatives of the action by evaluating it: exact for a quadratic form."""
    V = target.event_shape
    n = int(np.prod(V))
    e = np.eye(n)
    S0 = float(target.action(np.zeros(V)))
    single = np.array([float(target.action(v.reshape(V))) for v in e]) - S0
    pair = np.array([[float(target.action((a + b).reshape(V))) for a in e] for b in e]) - S0
    return pair - single[:, None] - single[None, :], S0


@pytest.mark.parametrize("target", FIELDS, ids=str)
def test_equals_linear_algebra(target):
    H, S0 = hessian(target)
    V = len(H)
    eigenvalues = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(np.sort(mode_eigenvalues(target).ravel()), eigenvalues, atol=1e-12)
    covariance = np.linalg.inv(H)
    ds = exact_phi4(target)
    log_z = V / 2 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(H)[1] - S0
    assert float(ds.log_z) == pytest.approx(log_z, abs=1e-11)
    assert float(ds.phi2) == pytest.approx(np.trace(covariance) / V, abs=1e-12)
    assert float(ds.action_per_site) == pytest.approx(0.5 + S0 / V, abs=1e-12)
    m2 = covariance.sum() / V**2
    assert float(ds.m2) == pytest.approx(m2, abs=1e-12)
    assert float(ds.susceptibility) == pytest.approx(V * m2, abs=1e-11)
    assert float(ds.abs_magnetization) == pytest.approx(np.sqrt(2 * m2 / np.pi), abs=1e-12)
    assert float(ds.binder) == pytest.approx(0, abs=1e-12)
    if "two_point" in ds:
        row = covariance[0].reshape(target.event_shape)
        np.testing.assert_allclose(ds.two_point, row, atol=1e-12)


def test_closed_form_in_each_convention():
    """-log Z = -(V/2) log 2 pi + (1/2) sum log(khat^2 + m2), by the unit of the field."""
    L, m2, V = 8, 1.25, 64
    k = 2 * np.pi * np.arange(L) / L
    khat2 = 4 * np.sin(k / 2) ** 2
    eigenvalues = khat2[:, None] + khat2[None, :] + m2
    halved = V / 2 * np.log(2 * np.pi) - 0.5 * np.log(eigenvalues).sum()
    assert float(free_field_observables(FreeField(L, m2)).log_z) == pytest.approx(
        halved, abs=1e-11
    )
    for maker, shift in [
        (Phi4.from_halved, 0.0),
        (Phi4.from_quarter, 0.0),
        (Phi4.from_factorial, 0.0),
        (Phi4.from_unhalved, -V / 2 * np.log(2)),
    ]:
        log_z = float(free_field_observables(maker(L, m2=m2, lam=0.0)).log_z)
        assert log_z == pytest.approx(halved + shift, abs=1e-11), maker
    kappa = 1 / (m2 + 4)  # so that (1 - 0) / kappa - 4 = m2, phi_unhalved = sqrt(kappa) phi
    hopping = Phi4.from_hopping(L, kappa=kappa, lam=0.0)
    assert float(free_field_observables(hopping).log_z) == pytest.approx(
        halved - V / 2 * np.log(2 * kappa), abs=1e-11
    )


def test_unadjusted_langevin():
    """The stationary covariance solves C = (1 - eps H) C (1 - eps H) + 2 eps."""
    target, step_size = FreeField(L=6, m2=1.0), 0.02
    H, _ = hessian(target)
    propagate = np.eye(36) - step_size * H
    C = np.linalg.solve(
        np.eye(36**2) - np.kron(propagate, propagate), 2 * step_size * np.eye(36).ravel()
    ).reshape(36, 36)
    ds = ula_observables(target, step_size)
    assert float(ds.phi2) == pytest.approx(np.trace(C) / 36, abs=1e-12)
    assert float(ds.action_per_site) == pytest.approx(0.5 * np.trace(H @ C) / 36, abs=1e-12)
    assert float(ds.susceptibility) == pytest.approx(C.sum() / 36, abs=1e-11)
    assert "log_z" not in ds
    continuum = float(free_field_observables(target).phi2)
    assert float(ds.phi2) / continuum - 1 > 0.02  # the bias a test must see


def test_known_discretised_value():
    """Independent values, m2 = 1 and step 0.02: 0.26458, against 0.25405 of the target."""
    target = FreeField(L=16, m2=1.0)
    assert float(ula_observables(target, 0.02).phi2) == pytest.approx(0.26458, abs=6e-6)
    assert float(free_field_observables(target).phi2) == pytest.approx(0.25405, abs=6e-6)


def test_bad_input():
    with pytest.raises(InputError, match="no quartic term"):
        free_field_observables(Phi4.from_hopping(4, 0.2, 0.1))
    with pytest.raises(InputError, match="must be a FreeField or a Phi4"):
        free_field_observables(Ising(4, beta=0.3))
    with pytest.raises(InputError, match="below 2 / lambda_max"):
        ula_observables(FreeField(8, m2=1.0), 0.25)
    with pytest.raises(InputError, match="step_size must be a positive number"):
        ula_observables(FreeField(8, m2=1.0), 0.0)
