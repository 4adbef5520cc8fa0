"""Local actions against explicit sums, Phi4 and Ising; which couplings cannot be normalised."""

import itertools

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import Compilable, Conditional, Differentiable, Fingerprinted
from physgen.lattice import Hypercubic
from physgen.targets import FreeField, Ising, LocalAction, Phi4, check_force, local_couplings
from physgen.targets.local_starts import quadratic_modes

LATTICES = [
    Hypercubic((2, 2)),
    Hypercubic((3, 4)),
    Hypercubic((5,)),
    Hypercubic((2, 3, 4)),
    Hypercubic((1, 4)),
    Hypercubic((3, 4), "open"),
    Hypercubic((3, 2), ("open", "periodic")),
]
REALS = {"field": 0.3, "nearest": -0.6, "phi2": -0.4, "phi4": 0.2, "phi6": 0.05}
SPINS = {"field": 0.2, "nearest": -0.4}


def actions(kind):
    for lattice in LATTICES:
        g = dict(REALS if kind == "reals" else SPINS)
        if sum(n > 1 for n in lattice.shape) > 1:
            g["diagonal"] = 0.15
            if kind == "spins":
                g["plaquettes"] = -0.25
        yield LocalAction(lattice, kind=kind, **g)


ALL = [*actions("reals"), *actions("spins")]
each = pytest.mark.parametrize("action", ALL, ids=repr)


def configurations(action, n=3, seed=1):
    rng = np.random.default_rng(seed)
    shape = (n, *action.event_shape)
    if action.kind == "spins":
        return 2 * rng.integers(0, 2, shape, dtype=np.int8) - 1
    return rng.standard_normal(shape)


def explicit(lattice, x):
    """Every local sum of one configuration, by loops over sites and steps."""

    def at(site):
        wrapped = []
        for n, word, k in zip(lattice.shape, lattice.boundaries, site):
            if (word == "open" or n == 1) and not 0 <= k < n:
                return 0.0
            wrapped.append(k % n)
        return float(x[tuple(wrapped)])

    def moved(site, *steps):
        to = list(site)
        for mu, step in steps:
            to[mu] += step
        return at(to)

    sums = dict.fromkeys(("field", "nearest", "diagonal", "phi2", "phi4", "phi6", "plaquettes"), 0)
    for site in itertools.product(*(range(n) for n in lattice.shape)):
        here = at(site)
        sums["field"] += here
        for p in (2, 4, 6):
            sums[f"phi{p}"] += here**p
        for mu in range(lattice.dim):
            sums["nearest"] += here * moved(site, (mu, 1))
        for mu, nu in itertools.combinations(range(lattice.dim), 2):
            corner = moved(site, (mu, 1), (nu, 1))
            sums["diagonal"] += here * (corner + moved(site, (mu, 1), (nu, -1)))
            sums["plaquettes"] += here * moved(site, (mu, 1)) * moved(site, (nu, 1)) * corner
    return sums


@each
def test_action_is_the_sum_over_sites_and_steps(action):
    x = configurations(action)
    sums = [explicit(action.lattice, one) for one in x]
    S = [sum(g * s[name] for name, g in action.couplings.items()) for s in sums]
    np.testing.assert_allclose(action.action(x), S, rtol=1e-12, atol=1e-12)
    named = [[s[name] for name in action.terms.names] for s in sums]
    np.testing.assert_allclose(action.terms.values(x), named, rtol=1e-12, atol=1e-12)
    t = torch.from_numpy(x)
    np.testing.assert_allclose(action.action(t).numpy(), S, rtol=1e-12, atol=1e-12)
    assert action.action(t).dtype == torch.float64
    assert np.shape(action.action(x[0])) == ()


@pytest.mark.parametrize("action", list(actions("reals")), ids=repr)
def test_force_and_curvatures_are_derivatives(action):
    check_force(action)
    x = configurations(action)
    t = torch.from_numpy(x).requires_grad_(True)
    (slope,) = torch.autograd.grad(action.action(t).sum(), t)
    np.testing.assert_allclose(action.force(x), -slope.numpy(), atol=1e-12)
    np.testing.assert_allclose(action.force(t.detach()).numpy(), action.force(x), atol=1e-12)
    assert action.force(x.astype(np.float32)).dtype == np.float32
    for a, name in enumerate(action.terms.names):

        def term(flat, a=a):
            return action.terms.values(flat.reshape(action.event_shape))[a]

        flat = torch.from_numpy(x[0].ravel())
        hessian = torch.autograd.functional.hessian(term, flat)
        curvature = action.terms.curvatures(x)[0, a]
        assert curvature * action.n_sites == pytest.approx(hessian.trace().item(), abs=1e-10), name


@pytest.mark.parametrize("action", list(actions("spins")), ids=repr)
def test_a_flip_changes_the_action_by_the_slope(action):
    x = configurations(action)
    slope = action.terms.weighted_slope(x, action.couplings.values()).reshape(len(x), -1)
    for site in range(action.n_sites):
        flipped = x.reshape(len(x), -1).copy()
        old = flipped[:, site].copy()
        flipped[:, site] *= -1
        change = action.action(flipped.reshape(x.shape)) - action.action(x)
        np.testing.assert_allclose(change, -2 * old * slope[:, site], atol=1e-12)


@pytest.mark.parametrize("lattice", LATTICES[:4] + LATTICES[5:], ids=repr)
def test_phi4_and_ising_are_local_actions(lattice):
    phi4 = Phi4(lattice, hop=0.7, quad=-0.3, quart=0.9, const=0.1)
    local = LocalAction(lattice, nearest=-0.7, phi2=-0.3, phi4=0.9)
    x = configurations(local)
    expected = phi4.action(x) - 0.1 * lattice.n_sites
    np.testing.assert_allclose(local.action(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(local.force(x), phi4.force(x), rtol=1e-12, atol=1e-12)
    assert local.symmetries == phi4.symmetries
    ising = Ising(lattice, 0.8, J=0.5, h=0.25)
    spins = LocalAction(lattice, kind="spins", nearest=-0.4, field=-0.2)
    s = configurations(spins)
    np.testing.assert_allclose(spins.action(s), ising.action(s), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(spins.as_ising.action(s), ising.action(s), rtol=1e-12, atol=1e-12)
    assert spins.symmetries == ising.symmetries


def test_known_couplings_of_targets():
    reals = dict.fromkeys(("field", "diagonal", "phi6"), 0.0)
    phi4 = Phi4.from_hopping(4, kappa=0.26, lam=0.022)
    assert local_couplings(phi4) == reals | {"nearest": -0.52, "phi2": 0.956, "phi4": 0.022}
    assert local_couplings(FreeField(4, 0.5)) == reals | {"nearest": -1, "phi2": 2.25, "phi4": 0}
    ising = local_couplings(Ising(4, 0.5, h=0.4))
    assert ising == {"nearest": -0.5, "field": -0.2, "diagonal": 0.0, "plaquettes": 0.0}
    assert local_couplings(Ising(4, 0.5, J=np.arange(32.0))) is None
    assert local_couplings(object()) is None
    own = LocalAction(4, phi2=1.0, nearest=-0.1)
    assert local_couplings(own) == reals | {"nearest": -0.1, "phi2": 1.0, "phi4": 0.0}
    assert local_couplings(Ising((1, 1), 0.5))["nearest"] == 0.0


def dense(lattice, couplings):
    """Half the Hessian of the quadratic terms, by unit vectors."""
    terms = LocalAction(lattice, **{**couplings, "phi2": 50.0}).at(**couplings, phi4=1.0).terms
    units = np.eye(lattice.n_sites).reshape(-1, *lattice.shape)
    g = [couplings.get(name, 0.0) for name in terms.names]
    return terms.weighted_slope(units, g).reshape(lattice.n_sites, -1) / 2


@pytest.mark.parametrize("lattice", LATTICES, ids=repr)
def test_modes_of_the_quadratic_form(lattice):
    g = {"phi2": 0.7, "nearest": -0.3}
    if sum(n > 1 for n in lattice.shape) > 1:
        g["diagonal"] = 0.2
    modes = np.sort(quadratic_modes(lattice, g).ravel())
    np.testing.assert_allclose(modes, np.linalg.eigvalsh(dense(lattice, g)), atol=1e-12)
    bare = modes - 0.7  # phi2 shifts all eigenvalues
    LocalAction(lattice, **{**g, "phi2": 1e-6 - bare.min()})
    for low in (-bare.min(), -bare.min() - 1e-6):
        with pytest.raises(UnboundedTargetError, match="phi2"):
            LocalAction(lattice, **{**g, "phi2": low})


def test_unbounded_powers_are_named():
    LocalAction(4, phi2=-5.0, phi4=0.0, phi6=0.1)
    LocalAction(4, phi2=-5.0, phi4=-3.0, phi6=0.1)
    with pytest.raises(UnboundedTargetError, match=r"got phi6 = -0\.1"):
        LocalAction(4, phi2=5.0, phi4=3.0, phi6=-0.1)
    with pytest.raises(UnboundedTargetError, match=r"got phi4 = -3"):
        LocalAction(4, phi2=5.0, phi4=-3.0, phi6=0.0)
    with pytest.raises(UnboundedTargetError, match="lowest eigenvalue"):
        LocalAction(4, field=1.0)
    with pytest.raises(UnboundedTargetError, match="lowest eigenvalue"):  # massless
        LocalAction(4, nearest=-1.0, phi2=2.0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"phi3": 1.0}, "each term of reals must be one of"),
        ({"plaquettes": 1.0, "phi2": 1.0}, "each term of reals must be one of"),
        ({"phi2": np.nan}, "phi2 must be a finite number"),
        ({}, "terms must be one or more"),
        ({"kind": "spin", "nearest": 1.0}, "kind must be one of"),
    ],
)
def test_bad_couplings_are_refused(arguments, text):
    with pytest.raises(InputError, match=text):
        LocalAction(4, **arguments)


def test_a_chain_has_no_diagonals():
    for name in ("diagonal", "plaquettes"):
        with pytest.raises(InputError, match=f"term '{name}' needs a lattice of at least 2 axes"):
            LocalAction((4, 1), kind="spins", **{name: 1.0})
    with pytest.raises(InputError, match="must have shape"):
        LocalAction(4, phi2=1.0).action(np.zeros((3, 4)))
    with pytest.raises(InputError, match="a force needs real fields"):
        LocalAction(4, kind="spins", nearest=1.0).force(np.ones((4, 4), np.int8))


@each
def test_what_it_declares(action):
    assert isinstance(action, Differentiable)
    assert isinstance(action, Conditional)
    assert isinstance(action, Fingerprinted)
    assert isinstance(action, Compilable) == ("plaquettes" not in action.couplings)
    assert action.at().fingerprint == action.fingerprint
    assert action.at(nearest=-0.1).fingerprint != action.fingerprint
    assert "z2" not in action.symmetries
    assert "z2" in action.at(field=0.0).symmetries
    x = configurations(action)
    np.testing.assert_allclose(action.observables["action"](x), action.action(x))


@pytest.mark.parametrize("action", list(actions("reals")), ids=repr)
def test_kernel_arrays_give_the_force(action):
    name, (nearest, diagonal, g) = action.kernel
    assert name == "local-action"
    assert nearest.dtype == diagonal.dtype == np.int32
    x = configurations(action).reshape(3, -1)
    padded = np.pad(x, ((0, 0), (0, 1)))  # -1 finds the zero
    slope = g[0] + g[1] * padded[:, nearest].sum(-1) + g[2] * padded[:, diagonal].sum(-1)
    slope = slope + 2 * g[3] * x + 4 * g[4] * x**3 + 6 * g[5] * x**5
    force = action.force(x.reshape(3, *action.event_shape)).reshape(3, -1)
    np.testing.assert_allclose(force, -slope, atol=1e-12)
    if "diagonal" in action.couplings:  # the compiled loop skips what has no coupling
        assert action.at(diagonal=0.0).kernel[1][1].shape == (action.n_sites, 0)


@pytest.mark.parametrize("action", list(actions("spins")), ids=repr)
def test_kernel_arrays_give_the_local_field(action):
    if "plaquettes" in action.couplings:
        action = action.at(plaquettes=0.0)
    name, (neighbours, J, h) = action.kernel
    assert name == "pairs"
    s = configurations(action).reshape(3, -1).astype(float)
    padded = np.pad(s, ((0, 0), (0, 1)))
    field = (J * padded[:, neighbours]).sum(-1) + h
    slope = action.terms.weighted_slope(
        s.reshape(3, *action.event_shape), action.couplings.values()
    )
    np.testing.assert_allclose(field, -slope.reshape(3, -1), atol=1e-12)
    nothing = action.at(**dict.fromkeys(action.couplings, 0.0)).kernel[1]
    assert not np.any(nothing[1])
    assert not np.any(nothing[2])


def test_hot_starts_have_the_weight_of_a_site():
    action = LocalAction(16, field=0.4, nearest=-0.3, phi2=-1.0, phi4=0.5, phi6=0.02)
    x = action.hot(1, 400).ravel()
    grid = np.linspace(-5, 5, 20001)
    S = 0.4 * grid - grid**2 + 0.5 * grid**4 + 0.02 * grid**6
    w = np.exp(-S) / np.exp(-S).sum()
    for power in (1, 2, 3):
        mean, square = (w * grid**power).sum(), (w * grid ** (2 * power)).sum()
        error = np.sqrt((square - mean**2) / x.size)
        assert abs((x**power).mean() - mean) < 4 * error
    spins = LocalAction(4, kind="spins", nearest=1.0).hot(1, 1000)
    assert spins.dtype == np.int8
    assert abs(spins.mean()) < 4 / np.sqrt(spins.size)


def test_cold_starts_are_minima():
    well = LocalAction(4, nearest=-0.5, phi2=-0.5, phi4=0.25)  # (-0.5 - 1) v^2 + v^4 / 4
    x = well.cold(1, 20)
    np.testing.assert_allclose(np.abs(x), np.sqrt(3.0))
    np.testing.assert_allclose(well.force(x), 0.0, atol=1e-9)
    assert len({float(s) for s in np.sign(x[:, 0, 0])}) == 2
    staggered = well.at(nearest=0.5).cold(1, 2)
    np.testing.assert_allclose(np.abs(staggered), np.sqrt(3.0))
    assert np.all(staggered[:, 0, 0] * staggered[:, 0, 1] < 0)
    tilted = LocalAction(4, field=0.1, nearest=-0.5, phi2=-0.5, phi4=0.25).cold(1, 5)
    assert np.all(tilted < -np.sqrt(3.0))
    np.testing.assert_allclose(tilted, tilted[0, 0, 0])
    up = LocalAction(4, kind="spins", nearest=-0.5, field=-0.1).cold(1, 2)
    assert up.dtype == np.int8
    assert np.all(up == 1)
    single = LocalAction(4, phi2=1.0, phi4=0.1, nearest=-0.1).cold(1, 2)
    np.testing.assert_array_equal(single, 0.0)
