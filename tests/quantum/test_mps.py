"""Matrix product states against dense vectors, and what they refuse."""

from itertools import pairwise

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact import ground_state_vector
from physgen.quantum import MPS, TFIM, PauliSum, environments
from physgen.quantum.povm import PAULI


def random_state(L, *, complex_valued=False, chi=3, seed=1):
    draw = Stream(seed).numpy().standard_normal
    bonds = [1, *[chi] * (L - 1), 1]
    shapes = [(a, 2, b) for a, b in pairwise(bonds)]
    return MPS([draw(s) + (1j * draw(s) if complex_valued else 0) for s in shapes])


def dense_expectation(psi, paulis, L):
    out = psi.reshape((2,) * L)
    for site, pauli in paulis.items():
        out = np.moveaxis(np.tensordot(PAULI[pauli], out, axes=(1, site)), 0, site)
    return (psi.conj() @ out.ravel()).real / (psi.conj() @ psi).real


@pytest.mark.parametrize("complex_valued", [False, True])
def test_contractions_agree_with_the_dense_vector(complex_valued):
    state = random_state(5, complex_valued=complex_valued)
    psi = state.to_dense()
    assert state.norm() == pytest.approx(np.linalg.norm(psi), rel=1e-13)
    for paulis in ({0: "X"}, {2: "Y"}, {1: "Z", 4: "Z"}, {0: "Y", 1: "X", 3: "Y"}, {}):
        assert state.expectation(paulis) == pytest.approx(
            dense_expectation(psi, paulis, 5), abs=1e-12
        )
    for pauli in "XYZ":
        expected = [dense_expectation(psi, {i: pauli}, 5) for i in range(5)]
        np.testing.assert_allclose(state.profile(pauli), expected, atol=1e-12)
    other = random_state(5, complex_valued=True, seed=2)
    phi = other.to_dense()
    overlap = psi.conj() @ phi / np.linalg.norm(psi) / np.linalg.norm(phi)
    assert state.overlap(other) == pytest.approx(overlap, abs=1e-12)


@pytest.mark.parametrize("complex_valued", [False, True])
def test_canonical_form_is_the_same_state(complex_valued):
    state = random_state(6, complex_valued=complex_valued, chi=4)
    canonical = state.right_canonical()
    for A in canonical.tensors:
        eye = np.einsum("asb,csb->ac", A, A.conj())
        np.testing.assert_allclose(eye, np.eye(len(eye)), atol=1e-13)
    np.testing.assert_allclose(canonical.to_dense(), state.to_dense() / state.norm(), atol=1e-13)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("J", [1.0, -0.7])
def test_energy_by_contraction(boundary, J):
    tfim = TFIM(6, J, 0.9, boundary)
    energy, psi = ground_state_vector(tfim)
    assert MPS.from_dense(3 * psi).energy(tfim) == pytest.approx(energy, abs=1e-11)
    state = random_state(6, complex_valued=True)
    terms = -tfim.J * sum(state.expectation({i: "Z", j: "Z"}) for i, j in tfim.bonds)
    terms -= tfim.h * state.profile("X").sum()
    assert state.energy(tfim) == pytest.approx(terms, abs=1e-11)


def test_dense_round_trip():
    _, psi = ground_state_vector(TFIM(8))
    np.testing.assert_allclose(MPS.from_dense(psi).to_dense(), psi, atol=1e-13)


@pytest.mark.parametrize("complex_valued", [False, True])
def test_files_round_trip(tmp_path, complex_valued):
    state = random_state(4, complex_valued=complex_valued)
    state.attrs = {"J": -1.0, "note": "random"}
    state.save(tmp_path / "state.npz")
    for copy in (MPS.load(tmp_path / "state.npz"), MPS.from_dataset(state.to_dataset())):
        assert copy.attrs == state.attrs
        for A, B in zip(copy.tensors, state.tensors):
            np.testing.assert_array_equal(A, B)
    bare = [np.full((1, 2, 1), float(i + 1)) for i in range(12)]
    np.savez(tmp_path / "bare.npz", *bare)
    loaded = MPS.load(tmp_path / "bare.npz")
    assert [A[0, 0, 0] for A in loaded.tensors] == list(range(1, 13))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([], "at least one"),
        ([np.ones((1, 2))], r"got \(1, 2\); reshape"),
        ([np.ones((1, 3, 1))], r"got \(1, 3, 1\)"),
        ([np.ones((2, 2, 1))], "outer bond 1"),
        ([np.ones((1, 2, 2))], "last MPS tensor must be 1, got 2"),
        ([np.ones((1, 2, 2)), np.ones((3, 2, 1))], "must equal right bond 2 of tensor 0"),
        ([np.full((1, 2, 1), np.nan)], "tensor 0 must be finite"),
        ([np.array([[["a"], ["b"]]])], "must hold numbers"),
    ],
)
def test_bad_tensors(tensors, message):
    with pytest.raises(InputError, match=message):
        MPS(tensors)


def test_bad_files_and_arguments(tmp_path):
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "unnamed.npz", left=np.ones((1, 2, 1)))
    np.save(tmp_path / "array.npy", np.ones((1, 2, 1)))
    product_state = [np.ones((1, 2, 1))] * 4
    np.savez(tmp_path / "braces.npz", *product_state, attrs="{bad")
    np.savez(tmp_path / "list.npz", *product_state, attrs="[1]")
    np.savez(tmp_path / "whole.npz", *product_state)
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    np.savez_compressed(tmp_path / "deflated.npz", Stream(1).numpy().random((1, 2, 1)))
    deflated = bytearray((tmp_path / "deflated.npz").read_bytes())
    deflated[60:80] = b"\xff" * 20
    (tmp_path / "deflated.npz").write_bytes(deflated)
    for name, message in [
        ("text.npz", "must be an npz file"),
        ("absent.npz", "must be an npz file"),
        ("unnamed.npz", "named by a number"),
        ("array.npy", "the single array"),
        ("half.npz", "not a zip file"),
        ("deflated.npz", "decompressing"),
        ("braces.npz", "JSON object, got '{bad'"),
        ("list.npz", r"JSON object, got '\[1\]'"),
    ]:
        with pytest.raises(InputError, match=message):
            MPS.load(tmp_path / name)
    state = random_state(4)
    with pytest.raises(InputError, match="site must be in"):
        state.expectation({4: "X"})
    with pytest.raises(InputError, match="L = 4"):
        state.energy(TFIM(5))
    with pytest.raises(InputError, match="same L"):
        state.overlap(random_state(5))
    with pytest.raises(InputError, match="non-zero norm"):
        MPS([np.zeros((1, 2, 1))]).right_canonical()
    with pytest.raises(InputError, match=r"2\*\*L"):
        MPS.from_dense(np.ones(6))


def test_any_normalisation_will_do_at_any_length():
    """<phi|psi> of norms that float64 does not hold, and the zero vector in one line."""
    up, plus = np.array([1.0, 0]).reshape(1, 2, 1), np.array([0.6, 0.8j]).reshape(1, 2, 1)
    for scale in (1e-3, 1e3):
        ours, theirs = MPS([scale * up] * 200), MPS([scale * plus] * 199 + [up])
        assert ours.overlap(ours) == pytest.approx(1)
        assert ours.overlap(MPS([plus] * 2 + [up] * 198)) == pytest.approx(0.36)
        assert abs(ours.overlap(theirs)) == pytest.approx(0.6**199, rel=1e-9)
    assert MPS([2 * up] * 3).norm() == pytest.approx(8)
    zero = MPS([0 * up] * 3)
    assert zero.norm() == 0
    for call in (lambda: zero.overlap(MPS([up] * 3)), lambda: zero.expectation({1: "X"})):
        with pytest.raises(InputError, match="got the zero vector"):
            call()
    down = np.array([0.0, 1]).reshape(1, 2, 1)
    assert MPS([up] * 3).overlap(MPS([down] * 3)) == 0


@pytest.mark.parametrize("complex_valued", [False, True])
def test_sums_share_environments_and_agree_with_their_strings(complex_valued):
    state = random_state(6, complex_valued=complex_valued, chi=4)
    psi = state.to_dense()
    for text in (
        "sum XX + YY + ZZ",
        "1.5 - 0.3 Y1 Y2 Y4 + Z0 + 2 X5",
        "X0 Z3 Y5 + 0.7 Y1 Z3 Y5 - 0.2 Z3 Y5 + X0 Z2 Y5",  # the same rest from several starts
        "XYZZYX",
        "Y2",
        "0.25",
    ):
        operator = PauliSum.parse(text, 6)
        expected = sum(c * dense_expectation(psi, dict(s), 6) for s, c in operator)
        assert state.expectation(operator) == pytest.approx(expected, abs=1e-12)
    tfim = TFIM(6, 0.8, -0.6, "periodic")
    ring = PauliSum.parse("sum -0.8 ZZ + 0.6 X", 6, "periodic")
    assert state.expectation(ring) == pytest.approx(state.energy(tfim), abs=1e-12)
    with pytest.raises(InputError, match="L = 6, got 5"):
        state.expectation(PauliSum.parse("sum ZZ", 5))


def test_a_sum_costs_a_sweep_and_not_one_for_every_string(monkeypatch):
    steps, closed = [], environments._closed
    monkeypatch.setattr(environments, "_closed", lambda ket, A: steps.append(1) or closed(ket, A))
    random_state(40, chi=2).expectation(PauliSum.parse("sum XX + YY + ZZ", 40))
    assert len(steps) <= 7 * 40
