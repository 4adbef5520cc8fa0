"""Entropies of blocks: against dense matrices, closed forms, and from shots with honest errors."""

import numpy as np
import pytest
from helpers.statistics import unit_variance_p

from physgen.core.errors import InputError
from physgen.models import MatrixProduct
from physgen.quantum import (
    MPS,
    Born,
    DensityMatrix,
    MeasurementData,
    ghz_state,
    product_state,
    random_mps,
)
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import block_purities, count, standard_blocks
from physgen.quantum.tomography.direct import pair_purity

STATE = random_mps(6, 5, 2)
BLOCKS = [(0,), (0, 1, 2), (1, 2), (3, 4, 5), (0, 5), (1, 3, 4), (2,), tuple(range(6))]


def test_a_chain_has_the_purities_of_its_matrix():
    rho = DensityMatrix.pure(STATE)
    chain, dense = (block_purities(source, BLOCKS) for source in (STATE, rho))
    np.testing.assert_allclose(chain.block_purity, dense.block_purity, atol=1e-12)
    np.testing.assert_allclose(chain.block_renyi2, -np.log(dense.block_purity), atol=1e-12)
    assert chain.block.values[1] == "0,1,2"
    assert not [name for name in chain if str(name).endswith("_error")]
    # norm and gauge of the tensors do not matter, nor does the order of the sites
    scaled = block_purities(MPS([3.0 * A for A in STATE.tensors]), [(4, 3, 1)])
    assert scaled.block_purity[0] == pytest.approx(float(chain.block_purity[5]), abs=1e-12)


@pytest.mark.parametrize("kraus", [1, 2, 4])
def test_ancillas_of_a_purification_are_traced_out(kraus):
    model = MatrixProduct(4, "pauli-6", bond=3, kraus=kraus, rng=3)
    blocks = [(0,), (0, 1), (1, 2), (0, 3), (2, 3), (0, 1, 2, 3)]
    ours = block_purities(model.purification(), blocks, sites_per_qubit=model.sites_per_qubit)
    dense = block_purities(model.density_matrix(), blocks)
    np.testing.assert_allclose(ours.block_purity, dense.block_purity, atol=1e-12)
    assert float(ours.block_purity[-1]) < 1 - 1e-6 or kraus == 1


def test_closed_forms_of_long_chains():
    blocks = [(0,), tuple(range(20)), tuple(range(10, 25)), (3, 40)]
    ghz = block_purities(ghz_state(60), blocks)
    np.testing.assert_allclose(ghz.block_renyi2, np.log(2), atol=1e-10)
    plain = block_purities(product_state("0" * 60), blocks)
    np.testing.assert_allclose(plain.block_renyi2, 0, atol=1e-10)
    assert np.all(plain.block_renyi2 >= 0)


def test_blocks_that_a_run_shows():
    assert standard_blocks(50)[2:] == [(0, 1, 2), (0, 1, 2, 3), (23, 24, 25, 26)]
    assert standard_blocks(2) == [(0,)]
    assert standard_blocks(1) == []


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("labelled", [False, True])
def test_pulls_of_purities_of_shots(labelled):
    """100 data sets of 400 shots; the jackknife counts single pairs twice, so bars err upwards."""
    blocks = [(0,), (1, 2)]
    exact = block_purities(STATE, blocks).block_purity.values
    x = Born(STATE, "pauli-6").sample(100 * 400, 5).reshape(100, 400, 6)
    pulls, inverted = [], []
    for rows in x:
        labels = label_settings(rows % 3) if labelled else None
        data = MeasurementData(rows, "pauli-6", settings=labels)
        ds = block_purities(data, blocks)
        pulls.append((ds.block_purity.values - exact) / ds.block_purity_error.values)
        _, error, plain = pair_purity(count(data, (1, 2)))
        inverted.append((plain - exact[1]) / error)
    pulls = np.array(pulls)
    assert np.all(np.abs(pulls.mean(axis=0)) < 4 / np.sqrt(100))
    for seen in pulls.T:
        assert 0.55 < seen.std() < 1.25
        assert unit_variance_p(2.2 * seen) < 1e-3  # saboteur: bars too small
    assert abs(np.mean(inverted)) > 4 / np.sqrt(100)  # saboteur: pairs of a shot with itself


def test_what_noise_buries_is_bounded_from_below_alone():
    mixed = np.random.default_rng(1).integers(0, 6, (300, 8)).astype(np.uint8)
    ds = block_purities(MeasurementData(mixed, "pauli-6"), [(0,), (0, 1, 2, 3, 4, 5)])
    assert ds.block_renyi2_determined.values.tolist() == [1, 0]
    assert float(ds.block_renyi2[0]) == pytest.approx(np.log(2), abs=0.2)
    bound = ds.block_renyi2_at_least.values
    assert np.all(bound >= 0)
    assert bound[0] < np.log(2)
    assert bound[1] < 6 * np.log(2)


@pytest.mark.statistical
def test_the_bound_from_below_holds():
    """In at least 95 % of data sets, and not always by far; a saboteur without noise does not."""
    exact = float(block_purities(STATE, [(1, 2, 3)]).block_renyi2[0])
    x = Born(STATE, "pauli-6").sample(100 * 300, 8).reshape(100, 300, 6)
    found = [block_purities(MeasurementData(r, "pauli-6"), [(1, 2, 3)]) for r in x]
    holds = np.mean([float(ds.block_renyi2_at_least[0]) <= exact for ds in found])
    assert holds >= 0.88  # 95 % less three standard errors of 100 sets
    bare = np.mean([-np.log(max(float(ds.block_purity[0]), 1e-9)) <= exact for ds in found])
    assert bare < 0.8


def test_blocks_that_shots_do_not_determine_are_refused():
    x = Born(STATE, "trine").sample(50, 1)
    with pytest.raises(InputError, match="does not see Y"):
        block_purities(MeasurementData(x, "trine"), [(0, 1)])
    x = Born(STATE, "pauli-6").sample(50, 1)
    labelled = MeasurementData(x, "pauli-6", settings=label_settings(x % 3))
    with pytest.raises(InputError, match="settings"):
        block_purities(labelled, [(0, 1, 2, 3)])
    with pytest.raises(InputError, match=r"0\.\.5, got \[6\]"):
        block_purities(STATE, [[6]])
    with pytest.raises(InputError, match="sites_per_qubit must be 1"):
        block_purities(DensityMatrix.pure(STATE), [(0,)], sites_per_qubit=2)
    with pytest.raises(InputError, match="4 sites a qubit, got 6"):
        block_purities(STATE, [(0,)], sites_per_qubit=4)
