"""States of TeNPy, POVM_GENMODEL text and dense text, with their traps."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.quantum import (
    TFIM,
    ground_state,
    mps_from_arrays,
    mps_from_tenpy,
    mps_from_text,
    product_state,
    random_mps,
)

DATA = Path(__file__).parents[3] / "shared/data/quantum"
pytestmark = pytest.mark.filterwarnings("ignore:unit_cell_width:UserWarning")  # of TeNPy


@pytest.fixture(scope="module")
def tenpy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tenpy.networks.mps
        import tenpy.networks.site
    return tenpy


@pytest.mark.parametrize("conserve", [None, "parity", "Sz"])
def test_tenpy_states_are_found_by_label(tenpy, conserve):
    """Sorted by charge, up comes second: taken by position, every spin would be flipped."""
    site = tenpy.networks.site.SpinHalfSite(conserve=conserve)
    letters = ["up", "down", "down", "up", "down"]
    psi = tenpy.networks.mps.MPS.from_product_state([site] * 5, letters, bc="finite")
    state = mps_from_tenpy(psi, attrs={"state": "theirs"})
    np.testing.assert_array_equal(state.profile("Z"), [1, -1, -1, 1, -1])
    assert state.attrs == {"state": "theirs"}
    if conserve == "Sz":
        by_position = mps_from_tenpy(psi, basis=(0, 1))
        np.testing.assert_array_equal(by_position.profile("Z"), [-1, 1, 1, -1, 1])
    flipped = mps_from_tenpy(psi, basis=("down", "up"))
    np.testing.assert_array_equal(flipped.profile("Z"), [-1, 1, 1, -1, 1])


def test_tenpy_entangled_complex(tenpy):
    """Amplitude by amplitude, with an own expectation value of TeNPy beside it."""
    dense = random_mps(4, 4, 2).to_dense()
    site = tenpy.networks.site.SpinHalfSite(conserve=None)
    npc = tenpy.linalg.np_conserved
    labels = [f"p{i}" for i in range(4)]
    tensor = npc.Array.from_ndarray_trivial(dense.reshape(2, 2, 2, 2), labels=labels)
    psi = tenpy.networks.mps.MPS.from_full([site] * 4, tensor)
    state = mps_from_tenpy(psi)
    order = [site.state_index("up"), site.state_index("down")]
    expected = dense.reshape(2, 2, 2, 2)[np.ix_(order, order, order, order)].ravel()
    overlap = np.vdot(expected, state.to_dense())
    assert abs(overlap) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(state.profile("Y"), psi.expectation_value("Sigmay"), atol=1e-12)
    np.testing.assert_allclose(state.profile("Z"), psi.expectation_value("Sigmaz"), atol=1e-12)


def test_tenpy_ising_chain_has_its_axes_swapped(tenpy):
    """TeNPy's chain is -J sum XX - g sum Z: turned by H it has the energy of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tenpy.algorithms.dmrg import TwoSiteDMRGEngine
        from tenpy.models.tf_ising import TFIChain

        chain = {"L": 6, "J": 1.0, "g": 0.8, "bc_MPS": "finite", "conserve": "parity"}
        model = TFIChain(chain)
        psi = tenpy.networks.mps.MPS.from_product_state(model.lat.mps_sites(), ["up"] * 6)
        options = {"trunc_params": {"chi_max": 8, "svd_min": 1e-12}, "mixer": False}
        TwoSiteDMRGEngine(psi, model, options).run()
    tfim = TFIM(6, h=0.8)
    state = mps_from_tenpy(psi)
    assert state.rotated("H").energy(tfim) == pytest.approx(tfim.ground_state_energy(), abs=1e-8)
    assert state.energy(tfim) > tfim.ground_state_energy() + 1


def test_bad_tenpy(tenpy):
    sites = tenpy.networks.site
    make = tenpy.networks.mps.MPS.from_product_state
    three = make([sites.SpinSite(S=1, conserve=None)] * 3, [0, 1, 2])
    with pytest.raises(InputError, match="two pure levels, got dimension 3"):
        mps_from_tenpy(three)
    endless = make([sites.SpinHalfSite(conserve=None)] * 2, ["up", "up"], bc="infinite")
    with pytest.raises(InputError, match="bc='finite'"):
        mps_from_tenpy(endless)
    fermions = make([sites.FermionSite(conserve="N")] * 2, ["empty", "full"])
    with pytest.raises(InputError, match="labels empty, full at site 0, got 'up'"):
        mps_from_tenpy(fermions)
    state = mps_from_tenpy(fermions, basis=("empty", "full"))
    np.testing.assert_array_equal(state.profile("Z"), [1, -1])
    with pytest.raises(InputError, match="both states of site 0"):
        mps_from_tenpy(fermions, basis=("full", "full"))
    with pytest.raises(InputError, match="got MPS with bc=None"):
        mps_from_tenpy(random_mps(3, 2, 1))


@pytest.mark.parametrize("legs", ["lpr", "lrp", "plr", "prl", "rpl", "rlp"])
def test_arrays_in_any_order(legs):
    for L in (1, 2, 4):
        state = random_mps(L, 4, 5)
        arrays = [A.transpose(["lpr".index(leg) for leg in legs]) for A in state.tensors]
        whole = mps_from_arrays(arrays, legs)
        np.testing.assert_allclose(whole.to_dense(), state.to_dense(), atol=1e-14)
        arrays[-1] = arrays[-1].squeeze(legs.index("r"))
        inner = legs if L > 1 else legs.replace("r", "")
        arrays[0] = arrays[0].squeeze(inner.index("l"))
        bare = mps_from_arrays(arrays, legs)
        np.testing.assert_allclose(bare.to_dense(), state.to_dense(), atol=1e-14)
    with pytest.raises(InputError, match="legs must be one of"):
        mps_from_arrays(arrays, "lsr")
    with pytest.raises(
        InputError, match=r"MPS tensor 1 must have the legs lpr, got shape \(2, 2\)"
    ):
        mps_from_arrays([np.ones((2, 2))] * 3)


def write_sparse(folder, state, digits=16):
    """The two files of POVM_GENMODEL: legs (right, physical, left), counted from 1."""
    index, tensor = [], []
    for i, A in enumerate(state.tensors):
        A = A.transpose(2, 1, 0)
        A = A[:, :, 0] if i == 0 else A[0] if i == state.L - 1 else A
        index.append("\t".join(map(str, [A.ndim, A.size, *A.shape])) + "   ")
        for at, value in np.ndenumerate(A):
            tensor.append(" ".join(str(k + 1) for k in at) + f"\t{value:.{digits}g} ")
        tensor.append("")
    (folder / "index.txt").write_text("\n".join(index) + "\n")
    (folder / "tensor.txt").write_text("\n".join(tensor) + "\n")
    return folder / "tensor.txt", folder / "index.txt"


def test_sparse_text(tmp_path):
    """Legs, signs and axes of a chain like the one that is shipped."""
    odd = random_mps(4, 3, 1, complex_valued=False)  # no symmetry hides a transposed tensor
    tensor, index = write_sparse(tmp_path, odd)
    read = mps_from_text(tensor, index=index)
    np.testing.assert_allclose(read.to_dense(), odd.to_dense(), atol=1e-14)
    assert read.attrs == {"source": "tensor.txt"}
    tfim = TFIM(7, J=-1, h=-1)
    exact = ground_state(tfim)
    tensor, index = write_sparse(tmp_path, exact)
    state = mps_from_text(tensor, index=index, tfim=tfim)
    np.testing.assert_allclose(state.to_dense(), exact.to_dense(), atol=1e-14)
    assert state.energy(tfim) == pytest.approx(tfim.ground_state_energy(), abs=1e-9)
    assert (state.attrs["J"], state.attrs["h"], state.attrs["L"]) == (-1, -1, 7)
    assert "coupling along Z" in state.attrs["axes"]
    with pytest.raises(InputError, match="must hold L = 8 sites as tfim says, got 7"):
        mps_from_text(tensor, index=index, tfim=TFIM(8))


def test_bad_sparse_text(tmp_path):
    tensor, index = write_sparse(tmp_path, random_mps(3, 2, 1, complex_valued=False))
    lines = tensor.read_text().splitlines()

    def broken(n, text):
        tensor.write_text("\n".join([*lines[:n], *([text] if text else []), *lines[n + 1 :]]))
        return pytest.raises(InputError)

    with broken(1, "1 x\t0.5") as error:
        mps_from_text(tensor, index=index)
    assert "got '1 x\\t0.5' at line 2" in str(error.value)
    with broken(1, "1 3\t0.5") as error:
        mps_from_text(tensor, index=index)
    assert "must be 2 indices within (2, 2)" in str(error.value)
    with broken(1, "0 1\t0.5") as error:
        mps_from_text(tensor, index=index)
    assert "got line 2" in str(error.value)
    with broken(1, "1 1 nan") as error:
        mps_from_text(tensor, index=index)
    assert "must be finite, got line 2" in str(error.value)
    with broken(len(lines) - 2, "") as error:
        mps_from_text(tensor, index=index)
    assert "must hold 4 entries of tensor 2" in str(error.value)
    tensor.write_text("\n".join([*lines, "1 1 0.5"]))
    with pytest.raises(InputError, match=r"must hold the 16 entries that .* says, got 17"):
        mps_from_text(tensor, index=index)
    index.write_text("2 4 2\n")
    with pytest.raises(InputError, match="as many dimensions, got line 1"):
        mps_from_text(tensor, index=index)
    with pytest.raises(InputError, match="must be a text file, got"):
        mps_from_text(tmp_path / "absent.txt")


def test_state_vector_text(tmp_path):
    state = product_state("0+r")
    psi = state.to_dense()
    path = tmp_path / "psi.txt"
    np.savetxt(path, np.stack([psi.real, psi.imag], axis=1))
    read = mps_from_text(path)
    assert abs(read.overlap(state)) == pytest.approx(1, abs=1e-14)
    assert read.attrs == {"source": "psi.txt"}
    mirrored = mps_from_text(path, first_site="least significant")
    assert abs(mirrored.overlap(product_state("r+0"))) == pytest.approx(1, abs=1e-14)
    np.savetxt(path, product_state("0+-").to_dense())
    assert mps_from_text(path).is_real
    path.write_text("1 0\n0 0\n0 0\n")
    with pytest.raises(InputError, match=r"2\*\*L lines, got 3"):
        mps_from_text(path)
    path.write_text("1 0\n0 0 0\n")
    with pytest.raises(InputError, match="got 3 numbers at line 2"):
        mps_from_text(path)
    path.write_text("")
    with pytest.raises(InputError, match=r"2\*\*L lines, got 0"):
        mps_from_text(path)
    with pytest.raises(InputError, match="first_site must be one of"):
        mps_from_text(path, first_site="left")


@pytest.mark.skipif(not (DATA / "tfim1d_psi.txt").exists(), reason="needs the shared data")
def test_the_ten_qubit_chain_of_qucumber():
    tfim = TFIM(10)
    state = mps_from_text(DATA / "tfim1d_psi.txt", tfim=tfim)
    assert state.energy(tfim) == pytest.approx(tfim.ground_state_energy(), abs=1e-8)
    assert abs(state.overlap(ground_state(tfim))) ** 2 == pytest.approx(1, abs=1e-8)
