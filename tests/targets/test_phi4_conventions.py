"""Every convention of the literature: formulas, maps between them, and what they do to log Z."""

import re

import numpy as np
import pytest

from physgen.catalogue import load_system
from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.targets import FreeField, Phi4
from physgen.targets.phi4_conventions import CONVENTIONS, largest_step

SHAPE = (3, 4)


def written_out(name, phi, c):
    """The action as its source writes it, sums over axes by hand."""
    hop = sum((phi * np.roll(phi, -1, mu)).sum() for mu in range(phi.ndim))
    gradient2 = sum(((np.roll(phi, -1, mu) - phi) ** 2).sum() for mu in range(phi.ndim))
    p2, p4 = (phi**2).sum(), (phi**4).sum()
    lam = c["lam"]
    if name == "hopping":
        return -2 * c["kappa"] * hop + (1 - 2 * lam) * p2 + lam * p4
    if name == "hopping_well":
        return -2 * c["kappa"] * hop + p2 + lam * ((phi**2 - 1) ** 2).sum()
    if name == "unhalved":
        return gradient2 + c["m2"] * p2 + lam * p4
    quart = {"halved": lam, "quarter": lam / 4, "factorial": lam / 24}[name]
    return 0.5 * c.get("stiffness", 1) * gradient2 + 0.5 * c["m2"] * p2 + quart * p4


@pytest.mark.parametrize("name", CONVENTIONS)
def test_action_as_its_source_writes_it(name):
    maker = getattr(Phi4, f"from_{name}")
    couplings = (0.3, 0.7) if name.startswith("hopping") else (-1.3, 0.7)
    extra = (1.7,) if name == "halved" else ()
    for shape in (SHAPE, (2, 2), (2, 3, 2)):
        model = maker(shape, *couplings, *extra)
        phi = np.random.default_rng(1).standard_normal(shape)
        assert model.action(phi) == pytest.approx(written_out(name, phi, model.couplings))
        assert model.convention == name
    assert repr(model).startswith(f"Phi4.from_{name}(L=(2, 3, 2), ")


@pytest.mark.parametrize("start", CONVENTIONS)
@pytest.mark.parametrize("goal", CONVENTIONS)
def test_conventions_map_into_each_other(start, goal):
    couplings = (0.3, 0.7) if start.startswith("hopping") else (-1.3, 0.7)
    model = getattr(Phi4, f"from_{start}")(SHAPE, *couplings)
    other = model.to(goal)
    c = model.field_unit(other)
    phi = np.random.default_rng(1).standard_normal((3, *SHAPE))
    shift = model.n_sites * (model.const - other.const)
    np.testing.assert_allclose(other.action(c * phi) + shift, model.action(phi))
    assert model.log_z_shift(other) == pytest.approx(-other.log_z_shift(model))
    back = other.to(start)
    assert back.couplings == pytest.approx(dict(model.couplings))


def test_maps_of_the_literature():
    """phi_A = sqrt(kappa) phi_K, m2_A = (1 - 2 lam_K)/kappa - 4, lam_A = lam_K / kappa^2, ..."""
    kappa, lam, V = 0.2705, 0.022, 36
    K = Phi4.from_hopping(6, kappa, lam)
    A = K.to("unhalved")
    assert A.couplings == pytest.approx({"m2": (1 - 2 * lam) / kappa - 4, "lam": lam / kappa**2})
    assert dict(A.couplings) == pytest.approx({"m2": -0.46581, "lam": 0.30067}, abs=1e-5)
    assert K.field_unit(A) == pytest.approx(np.sqrt(kappa))
    assert K.log_z_shift(A) == pytest.approx(V / 2 * np.log(kappa))
    H, S, N = A.to("factorial"), A.to("quarter"), A.to("halved")
    assert A.field_unit(H) == pytest.approx(np.sqrt(2))
    assert A.log_z_shift(H) == pytest.approx(V / 2 * np.log(2))
    lam_A = A.couplings["lam"]
    for model, factor in ((H, 6), (S, 1), (N, 1 / 4)):
        assert model.couplings["m2"] == pytest.approx(A.couplings["m2"])
        assert model.couplings["lam"] == pytest.approx(factor * lam_A)
    assert K.log_z_shift(K.to("hopping_well")) == pytest.approx(-V * lam)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_log_z_of_the_gaussian_case(name):
    """Against the closed form in momentum space, in every convention."""
    free = FreeField(SHAPE, m2=0.8)
    model = free.as_phi4.to(name)
    hop, quad = model.hop, model.quad
    k = Hypercubic(SHAPE).momenta()
    eigenvalues = 2 * quad - 2 * hop * np.cos(k).sum(axis=-1)  # S = 1/2 sum_k e_k |phi_k|^2 / V
    log_z = 0.5 * np.sum(np.log(2 * np.pi / eigenvalues)) - model.n_sites * model.const
    assert free.log_z + free.as_phi4.log_z_shift(model) == pytest.approx(log_z)


def log_z_by_quadrature(model):
    """A plain sum over a grid: exponentially accurate for these integrands; 1 or 2 sites."""
    scale = (1 + abs(model.quad)) ** 0.25 / model.quart**0.25 + 1
    grid = np.linspace(-5 * scale, 5 * scale, 301)
    axes = np.meshgrid(*[grid] * model.n_sites, indexing="ij")
    x = np.stack(axes, axis=-1).reshape(-1, *model.event_shape)
    return np.log(np.exp(-model.action(x)).sum() * (grid[1] - grid[0]) ** model.n_sites)


@pytest.mark.parametrize("lattice", [Hypercubic((1,), "open"), Hypercubic((2,))], ids=repr)
def test_log_z_shift_by_quadrature(lattice):
    model = Phi4.from_unhalved(lattice, m2=-1.5, lam=0.6)
    log_z = log_z_by_quadrature(model)
    for name in CONVENTIONS:
        other = model.to(name)
        assert log_z_by_quadrature(other) == pytest.approx(log_z + model.log_z_shift(other))
    stretched = model.rescaled(1.7)
    shift = lattice.n_sites * np.log(1.7)
    assert log_z_by_quadrature(stretched) == pytest.approx(log_z + shift)
    assert model.log_z_shift(stretched) == pytest.approx(shift)
    # The saboteur: a shift with the wrong sign is far outside the tolerance.
    assert abs(log_z_by_quadrature(stretched) - (log_z - shift)) > 0.1


def test_different_theories_have_no_shift():
    A = Phi4.from_unhalved(4, m2=-4, lam=8.0)
    with pytest.raises(
        InputError, match=r"one theory in different units.*quartic terms do not agree"
    ):
        A.log_z_shift(Phi4.from_unhalved(4, m2=-4, lam=6.0))
    with pytest.raises(
        InputError, match=r"m2=-3, lam=8\): the quadratic terms do not agree in any unit"
    ):
        A.log_z_shift(Phi4.from_unhalved(4, m2=-3, lam=8.0))
    with pytest.raises(InputError, match="one lattice"):
        A.log_z_shift(Phi4.from_unhalved(6, m2=-4, lam=8.0))
    with pytest.raises(InputError, match=r"one of 'hopping'.*got 'lattice'"):
        A.to("lattice")
    with pytest.raises(
        InputError, match=r"hop > 0 to change conventions, got Phi4\(L=\d+, hop=-1"
    ):
        Phi4(4, hop=-1.0, quad=1.0, quart=1.0).to("hopping")


def test_at_keeps_the_convention():
    model = Phi4.from_hopping((4, 6), kappa=0.3, lam=0.02)
    other = model.at(kappa=0.25)
    assert dict(other.couplings) == {"kappa": 0.25, "lam": 0.02}
    assert (other.hop, other.lattice) == (0.5, model.lattice)
    assert Phi4(4, 1.0, 3.0, 0.5).at(quart=2.0).quart == 2.0
    with pytest.raises(InputError, match="are kappa, lam; got m2"):
        model.at(m2=1.0)


def test_bad_couplings():
    with pytest.raises(InputError, match="m2 must be a finite number, got inf"):
        Phi4.from_unhalved(4, m2=np.inf, lam=1.0)
    with pytest.raises(InputError, match="stiffness must be a positive number, got 0"):
        Phi4.from_halved(4, m2=1.0, lam=1.0, stiffness=0)
    with pytest.raises(InputError, match="must be normalizable"):
        Phi4.from_unhalved(4, m2=-0.1, lam=0.0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Phi4.from_hopping(8, kappa=0.3, lam=0.0),
         r"lam > 0, or lam = 0 and abs\(kappa\) < 0.25; got kappa=0.3, lam=0$"),
        (lambda: Phi4.from_hopping_well(8, kappa=0.2, lam=-0.1), r"got kappa=0.2, lam=-0.1$"),
        (lambda: Phi4.from_unhalved(8, m2=0.0, lam=0.0),
         r"lam > 0, or lam = 0 and m2 > 0; got m2=0, lam=0$"),
        (lambda: Phi4.from_halved(8, m2=-1.0, lam=0.0, stiffness=2.0),
         r"m2 > 0; got m2=-1, lam=0, stiffness=2$"),
        (lambda: Phi4.from_factorial(8, m2=1.0, lam=-2.0), r"got m2=1, lam=-2$"),
        (lambda: Phi4.from_quarter(8, m2=1.0, lam=2.0).at(lam=-1.0), r"got m2=1, lam=-1$"),
        (lambda: Phi4.from_hopping(8, kappa=1e308, lam=1.0), r"finite in S.* got kappa=1e\+308"),
        (lambda: Phi4.from_hopping(8, kappa=-0.1, lam=1.0).to("unhalved"),
         r"kappa > 0 to change conventions, got Phi4.from_hopping\(L=8, kappa=-0.1, lam=1\)"),
        (lambda: Phi4.from_hopping(8, kappa=0.2, lam=1.0).field_unit(
            Phi4.from_unhalved(8, m2=1.0, lam=2.0)), "quadratic terms do not agree in any unit"),
        (lambda: load_system("phi4-2d").target(L=8, convention="unhalved", m2=1.0, lam=-1.0),
         r"got m2=1, lam=-1$"),
    ],
)  # fmt: skip
def test_errors_speak_of_the_couplings_that_were_given(make, says):
    with pytest.raises(InputError, match=says) as found:
        make()
    assert not re.search(r"\b(hop|quad|quart)\b", str(found.value))


@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_the_bounds_that_errors_name_are_those_that_hold(lam):
    """Also with open boundaries: just above they make a field, just below they do not."""
    open_ = Hypercubic((4, 6), "open")
    bound = largest_step(open_)
    for kappa in (0.999, 1.001):
        call = lambda k=kappa: Phi4.from_hopping(open_, k / (2 * bound), lam)  # noqa: E731
        if kappa < 1 or lam > 0:
            call()
            continue
        with pytest.raises(InputError, match=rf"abs\(kappa\) < {1 / (2 * bound):g}"):
            call()
    least = 2 * (bound - 2)
    Phi4.from_unhalved(open_, least + 1e-3, lam)
    if lam == 0:
        with pytest.raises(InputError, match=f"m2 > {least:g}"):
            Phi4.from_unhalved(open_, least - 1e-3, lam)
