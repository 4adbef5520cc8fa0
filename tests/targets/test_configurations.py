"""Configurations whose action nobody knows: what is taken, what is asked, what is measured."""

import numpy as np
import pytest

from physgen import Configurations, HeatBath, Ising, estimates, run
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Target
from physgen.samplers import draws_of, measured, unpack_configurations

RNG = np.random.default_rng(1)
FIELDS = RNG.standard_normal((30, 4, 6))
SPIN = np.sign(RNG.standard_normal((30, 4, 4))).astype(int)


def test_what_is_clear_is_not_asked():
    fields = Configurations(FIELDS, boundary="periodic", symmetries=["translations", "z2"])
    assert (fields.support, fields.event_shape, len(fields)) == (REALS, (4, 6), 30)
    assert fields.lattice.shape == (4, 6)
    spins = Configurations(SPIN)
    assert spins.support == SPINS
    assert spins.x.dtype == np.int8
    assert not isinstance(fields, Target)
    assert Configurations(SPIN.astype(float), support="reals").support == REALS
    assert Configurations(RNG.integers(0, 9, (30, 4)), support="reals").x.dtype == np.float64


@pytest.mark.parametrize(
    ("x", "how", "message"),
    [
        (
            FIELDS[:19],
            {},
            "configurations must be an array (n, ...) of at least 20, got shape (19",
        ),
        (FIELDS, {"support": "spins"}, "spins must be -1 and +1"),
        ((SPIN + 1) // 2, {}, "spins must be -1 and +1, got 0 to 1; for bits 0 and 1 give 2 * x"),
        (SPIN.astype(float), {}, "support must be given for numbers that are all -1 or +1"),
        (SPIN > 0, {}, "spins must be -1 and +1"),
        (FIELDS + 1j, {}, "configurations must be real numbers, got complex128"),
        (np.where(FIELDS > 2, np.nan, FIELDS), {}, "configurations must be finite"),
        (FIELDS, {"symmetries": ["translations"]}, "the symmetry 'translations' needs a lattice"),
        (FIELDS, {"symmetries": ["parity"]}, "symmetries must be one of"),
        (FIELDS, {"boundary": "open", "symmetries": ["translations"]}, "translations need period"),
        (FIELDS, {"support": "outcomes"}, "support must be one of"),
        (FIELDS[:, 0, 0], {}, "configurations must be an array (n, ...)"),
        (FIELDS[None], {"chains": True, "boundary": ("open",)}, "boundary must be one word, or"),
    ],
)
def test_what_is_not_clear_is_refused(x, how, message):
    with pytest.raises(InputError) as error:
        Configurations(x, **how)
    assert str(error.value).startswith(message)


def test_chains_are_laid_out_draw_by_draw():
    """The last share of `flat` is the end of every chain."""
    x = np.arange(3 * 8 * 2, dtype=float).reshape(3, 8, 2)
    data = Configurations(x, chains=True)
    np.testing.assert_array_equal(data.flat[:3], x[:, 0])
    np.testing.assert_array_equal(data.flat[-3:], x[:, -1])


def test_the_fingerprint_is_of_the_numbers_and_what_is_known():
    known = {"boundary": "periodic", "symmetries": ["z2"]}
    same = Configurations(FIELDS, **known).fingerprint
    assert same == Configurations(FIELDS.copy(), **known).fingerprint
    changed = FIELDS.copy()
    changed[3, 1, 1] += 1e-9
    others = [
        Configurations(changed, **known),
        Configurations(FIELDS, boundary="open", symmetries=["z2"]),
        Configurations(FIELDS, boundary="periodic"),
    ]
    assert same not in {other.fingerprint for other in others}


def test_hot_configurations_are_those_of_the_data():
    data = Configurations(FIELDS)
    drawn = data.hot(1, 500)
    assert {x.tobytes() for x in drawn} <= {x.tobytes() for x in FIELDS}
    assert len({x.tobytes() for x in drawn}) > 25


def test_observables_are_those_of_the_chains_that_drew_them():
    """Value and error of the same series, and the energy from the product over bonds."""
    target = Ising(L=6, beta=0.3)
    ds = run(
        HeatBath(), target, n_chains=64, n_draws=20, seed=2, keep="configurations", quiet=True
    )
    data = Configurations(
        unpack_configurations(ds), chains=True, boundary="periodic", symmetries=["z2"]
    )
    own, known = estimates(measured(data)), estimates(ds)
    for name in ("abs_magnetization", "susceptibility", "binder"):
        for number in ("value", "error", "tau_int"):
            assert float(own.sel(quantity=name)[number]) == pytest.approx(
                float(known.sel(quantity=name)[number]), rel=1e-12
            )
    product = own.sel(quantity="bond_product")
    energy = known.sel(quantity="energy_per_site")
    assert float(product["value"]) == pytest.approx(-float(energy["value"]) / 2)
    assert float(product["error"]) == pytest.approx(float(energy["error"]) / 2)


def test_bonds_of_an_open_lattice_are_counted():
    ones = Configurations(np.ones((20, 3, 4), int), boundary="open")
    np.testing.assert_allclose(ones.observables["bond_product"](ones.flat), 1.0)


def test_chains_that_drift_are_told():
    drift = np.linspace(0, 3, 100)[:, None] + RNG.standard_normal((100, 5))
    assert "drifts" in measured(Configurations(drift)).attrs["warnings"]
    still = measured(Configurations(RNG.standard_normal((4000, 5))))
    assert still.attrs["warnings"] == ""


class Noise:
    """Standard normal numbers, too wide by a factor."""

    def __init__(self, width):
        self.width = width

    def sample(self, n, rng):
        return self.width * rng.numpy().standard_normal((n, 4, 6))


def test_draws_of_a_model_are_approximate_for_them():
    data = Configurations(FIELDS, symmetries=["z2"])
    ds = draws_of(Noise(1.0), data, 6400, 1)
    assert (ds.attrs["exactness"], ds.attrs["exactness_for"]) == ("approximate", "the target")
    assert ds.attrs["symmetries"] == "z2"
    assert "log_weight" not in ds
    table = estimates(ds, {"phi2": 1.0})
    assert abs(float(table.sel(quantity="phi2")["pull"])) < 4
    wide = estimates(draws_of(Noise(1.1), data, 6400, 1), {"phi2": 1.0})
    assert abs(float(wide.sel(quantity="phi2")["pull"])) > 4
    with pytest.raises(InputError, match="must draw configurations of the target"):
        draws_of(Noise(1.0), Configurations(FIELDS[:, :, :5]), 6400, 1)


def test_an_array_of_chains_knows_that_it_is_one():
    target = Ising(L=4, beta=0.2)
    ds = run(
        HeatBath(), target, n_chains=64, n_draws=20, seed=2, keep="configurations", quiet=True
    )
    kept = unpack_configurations(ds)
    data = Configurations(kept, boundary="periodic")
    assert (data.event_shape, data.x.shape) == ((4, 4), (64, 20, 4, 4))
    assert (
        data.fingerprint
        == Configurations(kept.values, chains=True, boundary="periodic").fingerprint
    )
    assert Configurations(kept.values, boundary="periodic").event_shape == (20, 4, 4)
    with pytest.raises(InputError, match="packed as bits; use unpack_configurations"):
        Configurations(ds["configurations"])
