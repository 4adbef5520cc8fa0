"""Labelled settings: weights, what is missing, and errors that cover; a naive error is caught."""

from itertools import product

import numpy as np
import pytest
from helpers.statistics import unit_variance_p

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact import exact_observables
from physgen.quantum import (
    TFIM,
    Born,
    MeasurementData,
    estimate_observables,
    ground_state,
    povm,
)
from physgen.quantum.estimators import shot_values
from physgen.quantum.pooled import pooled_estimates
from physgen.quantum.randomness import FALSE_ALARM, random_p
from physgen.quantum.settings import Settings, label_settings


class Laboratory:
    """Shots of a chain in settings of one's choice, from all outcomes enumerated."""

    def __init__(self, L):
        self.tfim = TFIM(L, 1.0, 0.7)
        self.x = np.array(list(product(range(6), repeat=L)), dtype=np.uint8)
        state = ground_state(self.tfim) if L > 2 else None
        if state is None:
            self.p = np.einsum("sab,ba->s", self._elements(), self._two_sites()).real
        else:
            self.p = np.exp(Born(state, povm("pauli-6")).log_prob(self.x))
        self.settings = np.array(list(product(range(3), repeat=L)))
        self.exact = exact_observables(self.tfim)

    def _elements(self):
        M = povm("pauli-6").elements
        return np.array([np.kron(M[a], M[b]) for a, b in self.x])

    def _two_sites(self):
        z, x, one = np.diag([1, -1]), np.array([[0, 1], [1, 0]]), np.eye(2)
        t = self.tfim
        H = -t.J * np.kron(z, z) - t.h * (np.kron(x, one) + np.kron(one, x))
        psi = np.linalg.eigh(H)[1][:, 0]
        return np.outer(psi, psi.conj())

    def measure(self, counts, rng):
        shots = []
        for basis, n in zip(self.settings, counts, strict=True):
            mine = (self.x % 3 == basis).all(axis=1)
            p = self.p[mine] / self.p[mine].sum()
            shots.append(self.x[mine][rng.choice(len(p), n, p=p)])
        labels = np.repeat(np.arange(len(counts)), counts)
        return MeasurementData(np.concatenate(shots), "pauli-6", self.tfim.attrs(), labels)


UNEQUAL = {2: [400, 30, 80, 50, 300, 20, 60, 200, 90], 3: (np.arange(27) * 7 % 27 + 8) * 3}


@pytest.mark.statistical
@pytest.mark.parametrize("L", [2, 3])
def test_errors_of_unequal_settings_cover(L):
    """200 data sets: pulls have unit variance; std / sqrt(n) of the dual frame does not cover."""
    lab, rng = Laboratory(L), Stream(5).child(L).numpy()
    pulls = {name: [] for name in ("energy", "x_mean", "z_mean", "zz")}
    naive = {name: [] for name in pulls}
    exact = {name: float(np.ravel(lab.exact[name])[-1]) for name in pulls}
    for _ in range(200):
        data = lab.measure(UNEQUAL[L], rng)
        pooled = pooled_estimates(data.outcomes, data.setting_table, lab.tfim)
        plain = shot_values(data.outcomes, data.povm, lab.tfim)
        for name, truth in exact.items():
            mean, error = (np.ravel(each[name])[-1] for each in (pooled.mean, pooled.error))
            pulls[name].append((mean - truth) / error)
            o = plain[name].reshape(data.n, -1)[:, -1]
            naive[name].append((o.mean() - truth) / (o.std() / np.sqrt(data.n)))
    assert all(unit_variance_p(np.array(values)) > 1e-3 for values in pulls.values())
    rejected = [unit_variance_p(np.array(values)) < 1e-3 for values in naive.values()]
    assert rejected.count(True) >= 3  # saboteur


@pytest.mark.statistical
def test_one_shot_a_setting_is_enough():
    lab, rng = Laboratory(3), Stream(6).numpy()
    exact, pulls = float(lab.exact.energy), []
    for _ in range(300):
        shots = lab.measure(np.full(27, 20), rng).outcomes
        alone = Settings.of(shots, np.arange(len(shots)))
        found = pooled_estimates(shots, alone, lab.tfim)
        pulls.append(float((found.mean["energy"] - exact) / found.error["energy"]))
    assert unit_variance_p(np.array(pulls)) > 1e-3
    assert unit_variance_p(1.3 * np.array(pulls)) < 1e-3


@pytest.mark.slow
@pytest.mark.statistical
def test_cluster_errors_cover_a_drift_that_strata_do_not_see():
    """200 settings of 25 shots of one spin; each setting has its own <Z>, of mean 0."""
    rng, pulls = Stream(7).numpy(), {"strata": [], "cluster": []}
    labels = np.repeat(np.arange(200), 25)
    for _ in range(200):
        p = rng.uniform(0.2, 0.8, 200)[labels]
        bits = (rng.random((5000, 2)) > p[:, None]).astype(np.uint8)
        data = MeasurementData(3 * bits, "pauli-6", settings=labels)
        for error, values in pulls.items():
            found = pooled_estimates(data.outcomes, data.setting_table, None, error=error)
            values.append(found.mean["z"][0] / found.error["z"][0])
    for error in pulls:
        told = estimate_observables(data, error=error).attrs["estimator"]
        assert ("cluster-robust" in told) == (error == "cluster")
    assert unit_variance_p(np.array(pulls["cluster"])) > 1e-3
    assert unit_variance_p(np.array(pulls["strata"])) < 1e-3


def test_pooled_estimates_by_hand():
    """Three settings of two spins: <Z_0> from the shots in which site 0 was measured in Z."""
    x = np.array([[0, 0], [0, 3], [3, 0], [0, 1], [1, 4], [4, 1], [1, 1], [1, 1]])
    labels = np.array([7, 7, 7, 2, 9, 9, 9, 9])
    data = MeasurementData(x, "pauli-6", settings=labels)
    ds = estimate_observables(data)
    np.testing.assert_allclose(ds.z, [0.5, 1 / 3])  # of 4 shots, of 3
    np.testing.assert_allclose(ds.zz, [-1 / 3])
    np.testing.assert_allclose(ds.z_error[0], np.sqrt((1 - 0.25) / 3))
    np.testing.assert_allclose(ds.x, [0.5, 0.6])
    assert data.setting_table.names == ["ZX", "ZZ", "XX"]
    for batch in (1, 3, 100):
        again = pooled_estimates(data.outcomes, data.setting_table, None, batch)
        np.testing.assert_allclose(again.error["z"], ds.z_error)


def test_settings_left_out_are_named():
    lab = Laboratory(3)
    data = lab.measure(np.full(27, 10), Stream(1).numpy())
    bases = data.outcomes % 3
    part = data.take((bases[:, 2] != 1) & ~((bases[:, 0] == 0) & (bases[:, 1] == 0)))
    ds = estimate_observables(part)
    np.testing.assert_array_equal(np.isnan(ds.x), [False, False, True])
    np.testing.assert_array_equal(np.isnan(ds.x_error), [False, False, True])
    assert not {"energy", "x_mean"} & set(ds)
    assert "z_mean" in ds
    missing = ds.attrs["missing"]
    assert "x needs settings of X on site 2" in missing
    assert "energy needs settings of Z Z on every bond and X" in missing
    assert not ds.x_unphysical.any()
    only_y = data.take((bases == 2).all(axis=1))
    with pytest.raises(InputError, match=r"got none: .*measured: YYY"):
        estimate_observables(only_y)
    with pytest.raises(InputError, match="at least 10 settings each"):
        estimate_observables(data.take(data.settings < 3), error="cluster")


def test_weights_make_a_complete_set_uniform():
    counts = UNEQUAL[2]
    data = Laboratory(2).measure(counts, Stream(1).numpy())
    weights = data.weights
    assert weights.mean() == pytest.approx(1)
    per_setting = np.bincount(data.settings, weights=weights)
    np.testing.assert_allclose(per_setting, data.n / 9)
    doubled = np.where(np.arange(data.n) % 2, data.settings, data.settings + 100)
    same = MeasurementData(data.outcomes, data.povm, settings=doubled)  # two labels a basis
    np.testing.assert_allclose(same.weights, weights)
    with pytest.raises(InputError, match=r"got none of ZZ, XY \(2 of 9 settings\)"):
        _ = data.take(~np.isin(data.settings, [0, 5])).weights
    assert MeasurementData(data.outcomes, "pauli-6").weights is None


def test_what_a_set_of_settings_sees():
    bases = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 0]])
    table = Settings.of(bases, np.array([3, 1, 1]))
    assert table.names == ["XXZ", "ZZZ"]
    assert table.counts.tolist() == [2, 1]
    assert table.coverage(1) == (5, 9)
    assert table.coverage(2) == (6, 27)
    assert table.n_missing == 25
    assert table.missing(3) == ["ZZX", "ZZY", "ZXZ"]
    assert table.seeing({0: "X", 2: "Z"}).tolist() == [True, False]
    with pytest.raises(InputError, match="X, Y or Z on sites"):
        table.seeing({3: "X"})
    long = Settings.of(np.zeros((4, 60), int), np.zeros(4, int))
    assert "nearly all of 3^60" in long.describe_missing()


@pytest.mark.statistical
@pytest.mark.parametrize(("n", "L"), [(40, 2), (200, 4), (300, 6), (300, 45)])
def test_random_settings_look_random(n, L):
    rng = Stream(1).child(L).numpy()
    p = [random_p(rng.integers(0, 3, (n, L), dtype=np.uint8)) for _ in range(300)]
    alarms = np.sum(np.array(p) < FALSE_ALARM)
    assert alarms <= 4  # of 0.3 expected: 1.6e-5 by chance
    assert np.mean(np.array(p) < 0.2) > 0.03  # the tests are not asleep


def chosen_settings():
    rng = Stream(2).numpy()
    every = np.array(list(product(range(3), repeat=2)))
    yield np.repeat(every, 50, axis=0)
    yield rng.permutation(np.repeat(every, 50, axis=0))  # balanced, shuffled
    yield rng.choice(3, (450, 2), p=[0.45, 0.3, 0.25])
    yield np.repeat(rng.integers(0, 3, (450, 1)), 12, axis=1)  # one basis for all sites
    yield np.repeat(rng.integers(0, 3, (45, 12)), 10, axis=0)  # held for ten shots
    yield rng.permutation(np.repeat(rng.integers(0, 3, (45, 50)), 10, axis=0))
    yield np.zeros((450, 5), int)


@pytest.mark.parametrize("bases", list(chosen_settings()))
def test_chosen_settings_do_not(bases):
    assert random_p(bases.astype(np.uint8)) < FALSE_ALARM


def test_labels_follow_the_data(tmp_path):
    data = Laboratory(2).measure(UNEQUAL[2], Stream(3).numpy())
    data.save(tmp_path / "a.h5")
    for loaded in (
        MeasurementData.load(tmp_path / "a.h5"),
        MeasurementData.open(tmp_path / "a.h5"),
    ):
        np.testing.assert_array_equal(loaded.settings, data.settings)
        np.testing.assert_array_equal(loaded.weights, data.weights)
        assert estimate_observables(loaded).identical(estimate_observables(data))
    part = data.take(slice(100, 500))
    np.testing.assert_array_equal(part.settings, data.settings[100:500])
    with pytest.raises(InputError, match="labels of 9 settings, which pauli-4 cannot keep"):
        data.merged("pauli-4")
    np.testing.assert_array_equal(label_settings(data.outcomes % 3), data.settings)


def test_labels_that_do_not_fit():
    x = np.array([[0, 1], [3, 1], [3, 2]])
    MeasurementData(x, "pauli-6", settings=[5, 5, 6])
    with pytest.raises(InputError, match=r"label 5 for ZX and, in shot 2, for ZY"):
        MeasurementData(x, "pauli-6", settings=[5, 5, 5])
    with pytest.raises(InputError, match="one integer label a shot"):
        MeasurementData(x, "pauli-6", settings=[5, 5])
    with pytest.raises(InputError, match=r"that tell their bases, .* got pauli-4"):
        MeasurementData(x, "pauli-4", settings=[5, 5, 5])
