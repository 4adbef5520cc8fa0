"""Operators of one's own from shots: exact when enumerated, honest errors, and what is refused."""

from itertools import product

import numpy as np
import pytest
from helpers.statistics import accepts, joint_p, unit_variance_p

from physgen.core.errors import InputError
from physgen.quantum import (
    TFIM,
    Born,
    MeasurementData,
    PauliSum,
    SitePOVM,
    bit_flipped,
    estimate_observables,
    povm,
    random_mps,
)
from physgen.quantum.duals import optimised_weights
from physgen.quantum.operators import as_operators, operator_values, unseen
from physgen.quantum.settings import label_settings

STATE = random_mps(4, 4, 3)
TEXTS = {
    "heisenberg": "sum XX + YY + ZZ",
    "far": "X0 Y1 Z3",
    "mixed": "0.3 - 0.7 Y0 Z2 + 2 X1 + mean ZIZ",
}
OPERATORS = as_operators(TEXTS, 4)
EXACT = {name: STATE.expectation(operator) for name, operator in OPERATORS.items()}
NOISY = SitePOVM("noisy", tuple(bit_flipped(povm("pauli-6"), 0.02 * k, 0.05) for k in range(1, 5)))


@pytest.mark.parametrize(
    "frame", [povm("pauli-4"), povm("pauli-6"), povm("tetrahedral"), NOISY], ids=lambda f: f.name
)
def test_exact_on_the_enumerated_distribution(frame):
    x = np.array(list(product(range(frame.K), repeat=4)), dtype=np.uint8)
    probabilities = np.broadcast_to(frame.elements, (4, frame.K, 2, 2))
    p = np.array([_probability(row, probabilities) for row in x])
    assert p.sum() == pytest.approx(1)
    w = optimised_weights(frame, np.random.default_rng(1).random((4, frame.K)) + 0.1)
    for weights in (None, w):  # any duals are unbiased
        values = operator_values(x, frame, OPERATORS, weights)
        for name, exact in EXACT.items():
            assert p @ values[name] == pytest.approx(exact, abs=1e-11)


def _probability(row, elements):
    """<psi| M_a1 ... M_aL |psi>, with the vector as a tensor of L legs."""
    psi = STATE.to_dense()
    psi = psi / np.linalg.norm(psi)
    out = psi.reshape((2,) * 4)
    for site, a in enumerate(row):
        out = np.moveaxis(np.tensordot(elements[site, a], out, axes=(1, site)), 0, site)
    return (psi.conj() @ out.ravel()).real


def _data_sets(kind, n_sets, seed):
    """Data sets of 810 shots: bases at random, or settings chosen as unequally as 1 to 9."""
    if kind == "random":
        x = Born(STATE, "pauli-6").sample(810 * n_sets, seed).reshape(n_sets, 810, 4)
        return [MeasurementData(rows, "pauli-6") for rows in x]
    every = np.array(list(product(range(3), repeat=4)))
    shots_of = np.where(every[:, 0] == 0, 18, 6)
    born, found = Born(STATE, "pauli-6"), []
    pool = born.sample(1700 * n_sets + 5000, seed)
    setting = (pool % 3) @ (3 ** np.arange(3, -1, -1))
    of_setting = [pool[setting == k] for k in range(81)]
    for k in range(n_sets):
        rows = np.concatenate([of_setting[s][k * m : (k + 1) * m] for s, m in enumerate(shots_of)])
        found.append(MeasurementData(rows, "pauli-6", settings=label_settings(rows % 3)))
    return found


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kind", ["random", "chosen"])
def test_pulls_have_unit_variance(kind):
    """100 data sets; the three operators share shots, so each has its own test."""
    pulls = {name: [] for name in TEXTS}
    wrong = []
    for data in _data_sets(kind, 100, 3):
        ds = estimate_observables(data, operators=TEXTS | {"turned": "- X0 Y1 Z3"})
        for name, seen in pulls.items():
            seen.append(float((ds[name] - EXACT[name]) / ds[f"{name}_error"]))
        wrong.append(float((ds.turned - EXACT["far"]) / ds.turned_error))
    for seen in pulls.values():
        assert unit_variance_p(np.array(seen)) > 1e-3
        assert unit_variance_p(1.4 * np.array(seen)) < 1e-3  # saboteur: bars too small
    assert joint_p(np.array(wrong)) < 1e-3  # saboteur: a sign


@pytest.mark.statistical
def test_unequal_settings_are_not_averaged_as_if_they_were_drawn():
    """Saboteur: the labels thrown away; a string on site 0 is then seen by the wrong share."""
    text = {"far": "Z0 Y1 Z3"}
    exact = STATE.expectation({0: "Z", 1: "Y", 3: "Z"})

    def p(n, seed, labelled=True):
        sets = _data_sets("chosen", n, seed)
        if not labelled:
            sets = [MeasurementData(d.outcomes, "pauli-6") for d in sets]
        found = [estimate_observables(d, operators=text) for d in sets]
        return joint_p([float((ds.far - exact) / ds.far_error) for ds in found])

    assert abs(exact) > 0.1
    assert accepts(p, 40)
    assert p(40, 1, labelled=False) < 1e-3


def test_batches_duals_and_streamed_files(tmp_path):
    data = _data_sets("random", 1, 2)[0]
    data.save(tmp_path / "shots.h5")
    whole = estimate_observables(data, operators=TEXTS)
    for other in (
        estimate_observables(data, operators=TEXTS, batch_size=97),
        estimate_observables(
            MeasurementData.open(tmp_path / "shots.h5"), operators=TEXTS, batch_size=200
        ),
    ):
        for name in TEXTS:
            np.testing.assert_allclose(other[name], whole[name], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(other[f"{name}_error"], whole[f"{name}_error"], rtol=1e-10)
    adapted = estimate_observables(data, operators=TEXTS, duals="optimised")
    for name in TEXTS:
        assert abs(adapted[name] - whole[name]) < 3 * whole[f"{name}_error"]
    chosen = _data_sets("chosen", 1, 2)[0]
    for error in ("strata", "cluster"):
        own = {"one": "1 + X1 - 0.5 Z2"} | (TEXTS if error == "strata" else {})
        some, together = (
            estimate_observables(chosen, operators=own, batch_size=size, error=error)
            for size in (97, 1000)
        )
        for name in own:
            np.testing.assert_allclose(some[name], together[name], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(some[f"{name}_error"], together[f"{name}_error"])
    # a string on 2 sites is seen by 9 settings, too few for an error between settings
    lost = estimate_observables(chosen, operators=TEXTS, error="cluster").attrs["missing"]
    assert "heisenberg needs settings that see" in lost
    assert "(at least 10 settings each)" in lost


def test_the_ring_of_the_hamiltonian_closes_a_sum():
    data, ring = _data_sets("random", 1, 2)[0], TFIM(4, boundary="periodic")
    ds = estimate_observables(data, tfim=ring, operators={"own": "sum -ZZ - X"})
    assert ds.own == pytest.approx(float(ds.energy))
    assert ds.own_error == pytest.approx(float(ds.energy_error))


def test_what_shots_cannot_tell_is_left_out_and_named():
    x = Born(STATE, "trine").sample(100, 1)
    ds = estimate_observables(x, povm("trine"), operators=TEXTS | {"seen": "X0 Z3"})
    assert "seen" in ds
    assert not set(TEXTS) & set(ds)
    assert "heisenberg: trine does not see Y" in ds.attrs["missing"]
    chosen = _data_sets("chosen", 1, 2)[0]
    kept = chosen.outcomes[(chosen.outcomes[:, 0] % 3 != 2)]  # no Y on site 0
    few = MeasurementData(kept, "pauli-6", settings=label_settings(kept % 3))
    ds = estimate_observables(few, operators=TEXTS)
    assert "far" in ds
    assert "mixed" not in ds
    assert "mixed needs settings that see Y0 Z2 (at least 10 shots each)" in ds.attrs["missing"]


def test_settings_that_see_neither_x_nor_z_give_operators_of_y():
    up = np.random.default_rng(1).random((400, 3)) < 0.7
    x = np.where(up, 2, 5).astype(np.uint8)
    assert [povm("pauli-6").outcomes[k] for k in (2, 5)] == ["Y+", "Y-"]
    data = MeasurementData(x, "pauli-6", settings=label_settings(x % 3))
    ds = estimate_observables(data, operators={"yy": "Y0 Y1", "heisenberg": TEXTS["heisenberg"]})
    product_of_signs = (2 * up[:, 0] - 1) * (2 * up[:, 1] - 1)
    assert float(ds["yy"]) == pytest.approx(product_of_signs.mean())
    assert float(ds["yy_error"]) == pytest.approx(product_of_signs.std(ddof=1) / 20)
    assert not {"x", "z", "zz", "heisenberg"} & set(ds)
    assert ds.sizes["site"] == 3
    assert "z needs settings of Z on site 0, 1, 2" in ds.attrs["missing"]
    with pytest.raises(InputError, match="must be seen by the settings, got none: x needs"):
        estimate_observables(data)
    with pytest.raises(InputError, match=r"got none: .*xx needs settings that see X0 X1"):
        estimate_observables(data, operators={"xx": "X0 X1"})


def test_a_string_that_no_shot_carries_is_no_zero_without_error():
    """Of pauli-6, 1 shot in 3^12 has the bases of a string on 12 sites; all others give 0."""
    x = np.random.default_rng(1).integers(0, 6, (500, 12)).astype(np.uint8)
    ds = estimate_observables(x, povm("pauli-6"), operators={"long": "X" * 12, "short": "X0 X9"})
    assert "long" not in ds
    assert "takes 5,314,410 shots of pauli-6, got 500" in ds.attrs["missing"]
    assert ds.short_error > 0
    assert unseen(as_operators({"zs": "Z" * 12}, 12), povm("computational"), 10) == {}
    assert "9e+11 shots" in unseen(as_operators({"zs": "Z" * 23}, 23), povm("pauli-6"), 10)["zs"]


def test_flags_hold_the_extreme_eigenvalues():
    """Singlets have sum XX + YY + ZZ = -3 a bond; all outcomes equal would have +3 w^2."""
    x = np.tile(np.array([0, 1, 2], np.uint8), 60)[:, None].repeat(2, axis=1)
    ds = estimate_observables(x, povm("pauli-6"), operators={"bond": "sum XX + YY + ZZ"})
    assert float(ds.bond) == pytest.approx(9)  # its largest eigenvalue is 1
    assert ds.bond_unphysical == 1
    assert "[-3, 1], its extreme eigenvalues" in ds.bond_unphysical.attrs["long_name"]
    fair = estimate_observables(_data_sets("random", 1, 2)[0], operators=TEXTS)
    assert not any(int(fair[f"{name}_unphysical"]) for name in TEXTS)


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ({"energy": "X0"}, "must be free, got 'energy'"),
        ({"2nd": "X0"}, "a letter first, got '2nd'"),
        ({"a b": "X0"}, "a letter first"),
        ({"far_error": "X0"}, "must not end in '_error'"),
        ({"far": "X0 X9"}, r"far: a site must be in 0\.\.3, got 9"),
        ({"far": "A0"}, "far: an operator must be text"),
        ({"far": PauliSum.parse("X0", 5)}, "far must be an operator of 4 sites"),
        ({"far": 3}, "far must be an operator of 4 sites, or text, got 3"),
    ],
)
def test_operators_that_are_refused(operators, message):
    with pytest.raises(InputError, match=message):
        estimate_observables(np.zeros((5, 4), int), povm("pauli-6"), operators=operators)


@pytest.mark.parametrize("error", ["strata", "cluster"])
def test_errors_in_settings_by_hand(error):
    """pauli-rebit (X+, X-, Z+, Z-): 12 settings of X Z and 12 of Z Z, one to five shots each."""
    rng = np.random.default_rng(4)
    rows, labels = [], []
    for label in range(24):
        m = 1 + label % 5
        x = np.stack([rng.integers(2, size=m), 2 + rng.integers(2, size=m)], axis=1)
        rows.append(x + np.array([2 * (label >= 12), 0]))
        labels += [label] * m
    x, labels = np.concatenate(rows), np.array(labels)
    data = MeasurementData(x, "pauli-rebit", settings=labels)
    ds = estimate_observables(data, operators={"own": "1 + 2 X0 Z1 - Z1"}, error=error)
    z1, first = 1.0 - 2 * (x[:, 1] - 2), labels < 12
    xz = np.where(first, (1.0 - 2 * x[:, 0]) * z1, 0.0)
    n, m = len(x), first.sum()
    mean = xz.sum() / m
    off = np.where(first, xz - mean, 0.0), z1 - z1.mean()
    if error == "strata":
        residual = 2 * off[0] / np.sqrt(m * (m - 1)) - off[1] / np.sqrt(n * (n - 1))
    else:
        residual = 2 * off[0] / m * np.sqrt(12 / 11) - off[1] / n * np.sqrt(24 / 23)
        residual = np.bincount(labels, residual)
    assert float(ds.own) == pytest.approx(1 + 2 * mean - z1.mean())
    assert float(ds.own_error) == pytest.approx(np.sqrt((residual**2).sum()))
