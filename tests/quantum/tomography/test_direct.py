"""Fidelity and purity from shots: unbiased by enumeration, with error bars that hold."""

from itertools import product

import numpy as np
import pytest
from helpers.states import exact_counts, noisy_bell, product_of, random_state
from helpers.statistics import joint_p, normal_p, unit_variance_p

from physgen.core.errors import InputError
from physgen.quantum import MPS, Born, MeasurementData, bit_flipped, ghz_state, povm
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import Counts, count, direct_estimates
from physgen.quantum.tomography.direct import pair_purity
from physgen.quantum.tomography.resampling import drawn_from


def test_purity_is_unbiased_by_enumeration_of_all_data_sets():
    """One qubit, three shots: all 64 data sets with their probabilities."""
    rho, frame = random_state(1, 2), povm("pauli-4")
    p = exact_counts(rho, frame).counts
    exact = np.vdot(rho, rho).real
    mean = plain = 0.0
    for shots in product(range(4), repeat=3):
        total, _, of_inversion = pair_purity(count(MeasurementData([[a] for a in shots], frame)))
        weight = p[list(shots)].prod()
        mean, plain = mean + weight * total, plain + weight * of_inversion
    assert mean == pytest.approx(exact, abs=1e-12)
    self_pair = p @ np.einsum("aij,aji->a", frame.duals, frame.duals).real
    assert plain == pytest.approx(exact + (self_pair - exact) / 3, abs=1e-12)


def test_so_it_is_where_settings_were_chosen():
    """One qubit, 2, 2 and 3 shots of Z, X and Y: all 128 data sets."""
    rho, frame = random_state(1, 1), povm("pauli-6")
    p = 3 * exact_counts(rho, frame).counts
    bases = np.array([0, 0, 1, 1, 2, 2, 2])
    mean = taken_as_random = 0.0
    for bits in product(range(2), repeat=7):
        x = bases + 3 * np.array(bits)
        weight = p[x].prod()
        data = MeasurementData(x[:, None], frame, settings=bases)
        mean += weight * pair_purity(count(data))[0]
        taken_as_random += weight * pair_purity(count(MeasurementData(x[:, None], frame)))[0]
    assert mean == pytest.approx(1, abs=1e-12)
    assert abs(taken_as_random - 1) > 0.01


@pytest.mark.parametrize("by_setting", [False, True])
def test_each_number_is_the_sum_over_shots_that_it_says(by_setting):
    frame, n = povm("pauli-6"), 40
    rng = np.random.default_rng(3)
    bases = np.repeat([[a, b] for a in range(3) for b in range(3)], 5, axis=0)
    x = bases + 3 * rng.integers(2, size=bases.shape)
    data = MeasurementData(x, frame, settings=bases @ [3, 1] if by_setting else None)
    psi = noisy_bell(0)[0]
    ds, n = direct_estimates(data, psi), len(x)
    D = np.array([product_of(frame.duals, a) for a in x])
    terms = np.einsum("i,sij,j->s", psi.conj(), D, psi).real
    assert float(ds.fidelity_squared) == pytest.approx(terms.mean(), abs=1e-12)
    H = np.einsum("sij,tji->st", D, D).real
    if by_setting:
        within = terms.reshape(9, 5)
        error = np.sqrt((within.var(axis=1, ddof=1) / 5).sum()) / 9
        same = np.kron(np.eye(9), np.ones((5, 5))) - np.eye(n)
        purity = (H * (1 - np.kron(np.eye(9), np.ones((5, 5))))).sum() / 81 / 25
        purity += (H * same).sum() / 81 / 20
    else:
        error = terms.std(ddof=1) / np.sqrt(n)
        purity = (H.sum() - np.trace(H)) / n / (n - 1)
        left_out = (H.sum() - np.trace(H) - 2 * (H.sum(axis=1) - np.diag(H))) / (n - 1) / (n - 2)
        jackknife = np.sqrt((n - 1) ** 2 / n) * left_out.std()
        assert float(ds.purity_error) == pytest.approx(jackknife, rel=0.06)
    assert float(ds.fidelity_squared_error) == pytest.approx(error, rel=1e-12)
    assert float(ds.purity) == pytest.approx(purity, abs=1e-12)
    assert float(ds.purity_of_inversion) == pytest.approx(H.mean(), abs=1e-12)


def drawn(rho, name, n, seed):
    frame = povm(name)
    like = Counts(frame, np.zeros((1, len(rho).bit_length() - 1), np.uint8), np.array([n]))
    return drawn_from(rho, like, np.random.default_rng(seed))


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["pauli-4", "pauli-6", "tetrahedral"])
def test_pulls_have_unit_variance_and_wrong_duals_are_rejected(name):
    psi, rho = noisy_bell(0.1)
    exact = {"fidelity_squared": (psi.conj() @ rho @ psi).real, "purity": np.vdot(rho, rho).real}
    pulls = {key: [] for key in exact}
    inside = {key: [] for key in exact}
    for seed in range(120):
        ds = direct_estimates(drawn(rho, name, 1000, seed), psi)
        for key, value in exact.items():
            pulls[key].append(float((ds[key] - value) / ds[f"{key}_error"]))
            low, high = ds[f"{key}_interval"].sel(level=0.95).values
            inside[key].append(low < value < high)
    for key, seen in pulls.items():
        assert unit_variance_p(np.array(seen)) > 1e-3, key
        assert unit_variance_p(1.4 * np.array(seen)) < 1e-3  # saboteur: bars too small
        assert np.mean(inside[key]) == pytest.approx(0.95, abs=0.05)
    counts = drawn(rho, name, 5000, 1)
    if name == "pauli-6":  # Z+ and Z- exchanged, on one site
        swapped = np.array([3, 1, 2, 0, 4, 5], np.uint8)[counts.strings[:, 0]]
        strings = np.column_stack([swapped, counts.strings[:, 1]])
        wrong = MeasurementData(np.repeat(strings, counts.counts, axis=0), name)
    else:  # the duals of the other POVM of four outcomes
        other = {"pauli-4": "tetrahedral", "tetrahedral": "pauli-4"}[name]
        wrong = MeasurementData(np.repeat(counts.strings, counts.counts, axis=0), other)
    ds = direct_estimates(wrong, psi)
    key = "fidelity_squared" if name == "pauli-6" else "purity"  # which a reflection keeps
    assert normal_p(float((ds[key] - exact[key]) / ds[f"{key}_error"])) < 1e-3


def test_blocks_are_the_reduced_states():
    psi = np.zeros(8)
    psi[[0, 7]] = np.sqrt(0.5)
    counts = drawn(np.outer(psi, psi), "tetrahedral", 20_000, 4)
    ds = direct_estimates(counts, psi, blocks=[[0], [2, 0]])
    assert ds.block.values.tolist() == ["0", "2,0"]
    assert joint_p((ds.block_purity - 0.5) / ds.block_purity_error) > 1e-3
    np.testing.assert_allclose(ds.block_renyi2, -np.log(ds.block_purity))
    alone = direct_estimates(counts.restricted([2, 0]))
    assert float(alone.purity) == float(ds.block_purity[1])
    low, high = ds.renyi2_interval.sel(level=0.68).values
    np.testing.assert_allclose([np.exp(-high), np.exp(-low)], ds.purity_interval[0])
    assert ds.attrs["exactness"] == "asymptotic"
    assert not any(ds[name].any() for name in ds if name.endswith("_unphysical"))


def test_targets_in_every_form_and_what_is_refused():
    psi, rho = noisy_bell(0.0)
    counts = drawn(rho, "pauli-6", 500, 1)
    forms = (psi, 3j * psi, rho, MPS.from_dense(psi))
    values = [float(direct_estimates(counts, form).fidelity_squared) for form in forms]
    np.testing.assert_allclose(values, values[0], atol=1e-12)
    for target, message in (
        (noisy_bell(0.1)[1], "pure target, got a mixed one"),
        (np.ones(3), r"state vector \(4,\) or a density matrix \(4, 4\), got shape \(3,\)"),
        (np.zeros(4), "non-zero norm"),
        (np.full(4, np.nan), "finite"),
        (np.diag([1.5, -0.5, 0, 0]), "positive and of trace 1"),
        (np.triu(np.ones((4, 4))), "Hermitian"),
    ):
        with pytest.raises(InputError, match=message):
            direct_estimates(counts, target)
    bases = np.array([[0], [1], [1], [2], [2]])
    with pytest.raises(InputError, match="at least 2 shots"):
        direct_estimates(MeasurementData(bases, "pauli-6", settings=bases[:, 0]))
    with pytest.raises(InputError, match="blocks must be distinct"):
        direct_estimates(counts, blocks=[[0], [0]])


def test_impossible_data_are_flagged():
    x = np.zeros((200, 2), np.uint8)
    x[::7] = [1, 2]
    ds = direct_estimates(MeasurementData(x, "pauli-6"), np.array([1, 0, 0, 0]))
    assert (int(ds.fidelity_squared_unphysical), int(ds.purity_unphysical)) == (1, 1)


def test_the_purity_of_two_shots_has_no_error():
    data = MeasurementData(np.array([[0, 1], [3, 2]]), "pauli-6")
    ds = direct_estimates(data)
    assert np.isnan(ds.purity_error)
    assert float(direct_estimates(data.take([0, 1, 1])).purity_error) > 0


def test_settings_that_do_not_look_random_need_labels():
    """Also with noise in the elements; random ones, and labelled ones, are not questioned."""
    frame = bit_flipped("pauli-6", 0.05, 0.05)
    x = Born(ghz_state(2), frame).sample(40_000, 1)
    code = (x % 3) @ [3, 1]
    uneven = np.concatenate([x[code == s][: 4000 if s in (0, 4) else 200] for s in range(9)])
    said = direct_estimates(MeasurementData(uneven, frame)).attrs["warnings"]
    assert "do not look random" in said
    labelled = MeasurementData(uneven, frame, settings=label_settings(uneven % 3))
    for data in (MeasurementData(x, frame), labelled):
        assert direct_estimates(data).attrs["warnings"] == ""
