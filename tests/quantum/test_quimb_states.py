"""States of quimb: whatever the order and the shape of its tensors, the same amplitudes."""

from dataclasses import dataclass

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import mps_from_quimb, random_mps


@dataclass
class Tensor:
    """What of a tensor of quimb is used."""

    inds: tuple
    data: np.ndarray


class QuimbLike:
    """What of a network of quimb is used: tensors with named indices, in any order."""

    def __init__(self, tensors, sites, cyclic=False):
        self.tensors, self.sites, self.cyclic = tuple(tensors), sites, cyclic

    def site_ind(self, site):
        return f"k{site}"


def network(state, order=None):
    """Return the tensors of a state as quimb holds them: ends without outer legs, legs mixed."""
    tensors = []
    for i, A in enumerate(state.tensors):
        inds = [f"b{i}", f"k{i}", f"b{i + 1}"]
        if i == 0:
            A, inds = A[0], inds[1:]
        if i == state.L - 1:
            A, inds = A[..., 0], inds[:-1]
        mixed = Stream(i).numpy().permutation(len(inds))
        tensors.append(Tensor(tuple(inds[k] for k in mixed), A.transpose(mixed)))
    order = range(state.L) if order is None else order
    return QuimbLike([tensors[k] for k in order], range(state.L))


def agrees(found, dense):
    overlap = np.vdot(dense, found.to_dense())
    return abs(overlap) == pytest.approx(np.linalg.norm(dense) * found.norm(), rel=1e-12)


def gate(seed):
    g = Stream(seed).numpy()
    return np.linalg.qr(g.normal(size=(4, 4)) + 1j * g.normal(size=(4, 4)))[0].reshape(2, 2, 2, 2)


def gated(state, a, b, U):
    """Return the amplitudes after a gate on sites a and b."""
    psi = state.to_dense().reshape((2,) * state.L)
    psi = np.tensordot(U, psi, axes=((2, 3), (a, b)))
    return np.moveaxis(psi, (0, 1), (a, b)).ravel()


@pytest.mark.parametrize("L", [1, 2, 6])
def test_tensors_are_found_by_their_site(L):
    """The order of non-local gates: with equal bonds, the shapes do not tell it."""
    state = random_mps(L, 2, 5)
    order = Stream(L).numpy().permutation(L)
    theirs = network(state, order)
    found = mps_from_quimb(theirs, {"state": "theirs"})
    assert agrees(found, state.to_dense())
    assert found.attrs == {"state": "theirs"}
    if L == 6:  # saboteur: in the order in which they lie
        wrong = mps_from_quimb(
            QuimbLike(
                [
                    Tensor(tuple(f"k{i}" if n[0] == "k" else n for n in t.inds), t.data)
                    for i, t in enumerate(theirs.tensors)
                ],
                range(L),
            )
        )
        assert not agrees(wrong, state.to_dense())


@pytest.mark.parametrize(("a", "b"), [(1, 2), (4, 0), (2, 5)])
def test_gates_that_are_not_contracted(a, b):
    state, U = random_mps(6, 3, 7), gate(a)
    theirs = network(state)
    moved = {f"k{a}": "in0", f"k{b}": "in1"}
    tensors = [Tensor(tuple(moved.get(n, n) for n in t.inds), t.data) for t in theirs.tensors]
    tensors.insert(2, Tensor((f"k{a}", f"k{b}", "in0", "in1"), U))
    found = mps_from_quimb(QuimbLike(tensors, range(6)))
    assert agrees(found, gated(state, a, b, U))
    assert not agrees(found, gated(state, b, a, U))  # saboteur: the qubits of the gate exchanged


def test_sites_merged_in_one_tensor():
    state = random_mps(5, 3, 2)
    theirs = list(network(state).tensors)
    A, B = (
        Tensor(("b1", "k1", "b2"), state.tensors[1]),
        Tensor(("b2", "k2", "b3"), state.tensors[2]),
    )
    merged = Tensor(("k2", "b1", "k1", "b3"), np.einsum("aib,bjc->jaic", A.data, B.data))
    found = mps_from_quimb(QuimbLike([merged, theirs[4], theirs[0], theirs[3]], range(5)))
    assert agrees(found, state.to_dense())


def test_a_site_that_was_measured_out():
    state = random_mps(4, 3, 2)
    theirs = list(network(state).tensors)
    at = theirs[2].inds.index("k2")
    kept = tuple(n for n in theirs[2].inds if n != "k2")
    theirs[2] = Tensor(kept, theirs[2].data.take(1, axis=at))
    found = mps_from_quimb(QuimbLike(theirs, range(4)))
    assert found.attrs == {"quimb_sites": "0, 1, 3"}
    assert agrees(found, state.to_dense().reshape(2, 2, 2, 2)[:, :, 1].ravel())


def test_what_is_no_chain_of_qubits():
    state = random_mps(4, 3, 2)
    good = network(state)
    with pytest.raises(InputError, match="open ends, got cyclic=True"):
        mps_from_quimb(QuimbLike(good.tensors, range(4), cyclic=True))
    with pytest.raises(InputError, match="MatrixProductState, got MPS; of a circuit give"):
        mps_from_quimb(state)
    wide = [*good.tensors[:3], Tensor(("k3", "b3"), np.ones((3, good.tensors[3].data.size // 2)))]
    with pytest.raises(InputError, match="must be qubits, got dimension 3 at site 3"):
        mps_from_quimb(QuimbLike(wide, range(4)))
    with pytest.raises(InputError, match="no others, got k3; an operator"):
        mps_from_quimb(QuimbLike(good.tensors, range(3)))
    words = [*good.tensors[:3], Tensor(good.tensors[3].inds, np.array([["a"]], object))]
    with pytest.raises(InputError, match="must hold numbers, got ndarray"):
        mps_from_quimb(QuimbLike(words, range(4)))
    grid = QuimbLike(good.tensors, [(0, 0), (0, 1)])
    with pytest.raises(InputError, match="must be a chain, with integers as sites"):
        mps_from_quimb(grid)
    hub = [Tensor((f"k{i}", "hub"), np.ones((2, 2))) for i in range(3)]
    with pytest.raises(InputError, match="must join two tensors, got hub"):
        mps_from_quimb(QuimbLike(hub, range(3)))
    many = [Tensor((f"k{i}", f"q{i}"), np.ones((2, 2))) for i in range(30)]
    many.append(Tensor(tuple(f"q{i}" for i in range(30)), np.broadcast_to(1.0, (2,) * 30)))
    with pytest.raises(InputError, match="tensors of at most 67,108,864 numbers"):
        mps_from_quimb(QuimbLike(many, range(30)))


def test_tensors_that_torch_differentiates():
    torch = pytest.importorskip("torch")
    state = random_mps(4, 3, 2)
    theirs = network(state)
    leaves = [
        Tensor(t.inds, torch.tensor(t.data.conj(), requires_grad=True).conj())
        for t in theirs.tensors
    ]
    assert agrees(mps_from_quimb(QuimbLike(leaves, range(4))), state.to_dense())


CIRCUITS = ("CircuitMPS", "CircuitPermMPS", "Circuit")
CONTRACTIONS = (False, True, "split", "swap+split", "split-gate", "auto-mps", "nonlocal")


@pytest.mark.filterwarnings("ignore")
def test_states_that_quimb_makes():
    """Against dense states of quimb: non-local, lazy and merged gates, circuits, measurement."""
    qtn = pytest.importorskip("quimb.tensor")

    def same(psi):
        return agrees(mps_from_quimb(psi), np.asarray(psi.to_dense()).ravel())

    rng = Stream(3).numpy()
    for seed in range(20):
        psi = qtn.MPS_rand_state(8, 2, seed=seed, dtype=complex)
        for k in range(3):
            where = tuple(map(int, rng.choice(8, 2, replace=False)))
            psi.gate_nonlocal_(gate(k).reshape(4, 4), where, max_bond=4)
        assert same(psi)
    for contract in CONTRACTIONS:
        psi = qtn.MPS_rand_state(6, 3, seed=3, dtype=complex)
        for k, where in enumerate(((1, 2), (4, 3), (2, 3))):
            psi.gate_(gate(k).reshape(4, 4), where, contract=contract)
        assert same(psi)
    for name in CIRCUITS:
        circuit = getattr(qtn, name)(6)
        for k, (a, b) in enumerate(((0, 3), (4, 1), (2, 5), (1, 2))):
            circuit.ry(0.3 + 0.2 * k, a)
            circuit.cnot(a, b)
        assert same(circuit.psi)
    left = qtn.MPS_rand_state(6, 3, seed=3).measure(2, remove=True, seed=1)[1]
    assert mps_from_quimb(left).L == 5
    assert same(left)
    with pytest.raises(InputError, match="got MatrixProductOperator"):
        mps_from_quimb(qtn.MPO_rand(4, 2))
    with pytest.raises(InputError, match="open ends"):
        mps_from_quimb(qtn.MPS_rand_state(4, 2, cyclic=True))
    bits = qtn.MPS_computational_state("01101")
    np.testing.assert_allclose(mps_from_quimb(bits).profile("Z"), [1, -1, -1, 1, -1])
