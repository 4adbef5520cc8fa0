r"""A matrix product state as a normalised distribution of measurement outcomes.

.. math:: q(a) = \frac{\mathrm{Tr}\, \rho \bigotimes_i M_{a_i}}{\mathrm{Tr}\, \rho}, \qquad
          \rho = \sum_k |\psi_k\rangle \langle\psi_k|, \quad
          \langle s | \psi_k \rangle = A_1^{k_1 s_1} A_2^{k_2 s_2} \cdots A_L^{k_L s_L}

with the measurement M that gave the data, one for all sites or one for each.  With one Kraus index
rho is pure; with more it is a locally purified density operator: a mixed state, positive by
construction.  Fitted by maximum
likelihood it is the tomography that other models are compared with [1]_ [2]_.  All its states are
physical: the energy is never below the ground state's, so a fit to finite data lies above the true
energy on average.

For shots of a product basis with unequal or few settings, log q is, up to a constant, the log
likelihood of the bits given their basis, so the fit needs no weights.

References
----------
.. [1] Cramer et al., "Efficient quantum state tomography", Nature Communications 1, 149 (2010).
.. [2] Kurmapu et al., "Reconstructing complex states of a 20-qubit quantum simulator", PRX Quantum
       4, 040345 (2023), arXiv:2208.04862.
.. [3] Guo and Yang, "Scalable quantum state tomography with locally purified density operators and
       local measurements", arXiv:2307.16381.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.matrix_product.likelihood import log_likelihood
from physgen.models.matrix_product.tensors import SiteTensors
from physgen.models.strings import BLOCK, StringModel
from physgen.quantum.mps import MPS
from physgen.quantum.pauli_sum import PauliSum, pauli_strings
from physgen.quantum.povm import PAULI, POVM, names
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM, of_outcomes, simplest

if TYPE_CHECKING:
    from physgen.quantum.density_matrix import DensityMatrix

__all__ = ["MatrixProduct", "mean_spin"]

PROFILES = ("free", "smooth")
PARITIES = ("X", "-X", "Z", "-Z")
_HADAMARD = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2.0)


class MatrixProduct(StringModel):
    """A matrix product state, or locally purified density operator, and a POVM; a Density.

    Parameters
    ----------
    L : int
        Number of sites.
    povm : POVM, SitePOVM, str or mapping
        The measurement, one for all sites or one for each; :attr:`config` holds it as a mapping.
    bond : int
        Bond dimension.
    kraus : {1, 2, 4}
        Kraus indices a site: 1 is a pure state.
    profile : {"free", "smooth"}
        A tensor for each site, or tensors that change smoothly with the distance to the edges: far
        fewer parameters, for long chains of one material (see
        :mod:`~physgen.models.matrix_product.tensors`).
    cell : int
        Sites of a unit cell, with tensors of their own; for the smooth profile.
    reflection : bool
        Impose symmetry under reversal of the chain.
    parity : {None, "X", "-X", "Z", "-Z"}
        Impose prod X_i = +1 or -1, or the same for Z.
    complex_valued : bool, optional
        Default: true for the free profile, false for the smooth one.  A real state has fewer
        weights, and <Y_i> = 0 always.  But real tensors that must change sign have to pass through
        zero, so fits with a free profile end in a poor state more often than not, where complex
        ones turn the phase (GHZ and W states of 6 qubits: 3 of 8 fits against 8 of 8).
    spin : two numbers
        State of one qubit (amplitudes of |0> and |1>, of any norm): the first weights are close to
        the product of this state.  :func:`mean_spin` reads it off shots.  With a parity, the
        nearest eigenstate of its Pauli matrix.
    K : int, optional
        Outcomes of the POVM: checked if given.
    rng : Stream or int
        Initial weights.

    Raises
    ------
    InputError
        If an argument is out of its range, or two of them exclude each other.
    """

    def __init__(
        self,
        L: int,
        povm: POVM | SitePOVM | str | Mapping[str, Any],
        bond: int = 8,
        kraus: int = 1,
        profile: str = "free",
        cell: int = 1,
        reflection: bool = False,
        parity: str | None = None,
        complex_valued: bool | None = None,
        spin: Sequence[float] = (1.0, 1.0),
        K: int | None = None,
        *,
        rng: Stream | int = 0,
    ) -> None:
        frame = simplest(_as_povm(povm), check_positive_int("L", L))
        super().__init__(L, frame.K if K is None else K)
        self.povm = frame
        self._povm_config = dict(povm) if isinstance(povm, Mapping) else _povm_config(frame)
        if self.K != self.povm.K:
            raise InputError(f"K must be the {self.povm.K} outcomes of {self.povm.name}, got {K}")
        self.bond = check_positive_int("bond", bond)
        if kraus not in (1, 2, 4):
            raise InputError(f"kraus must be 1, 2 or 4 (1: a pure state), got {kraus!r}")
        self.kraus = kraus
        self.profile = check_choice("profile", profile, PROFILES)
        self.cell = check_positive_int("cell", cell)
        if cell > 1 and profile == "free":
            raise InputError(f"cell must be 1 where every site has its own tensor, got {cell}")
        self.reflection = bool(reflection)
        self.complex_valued = profile == "free" if complex_valued is None else bool(complex_valued)
        if self.L == 1 and (self.reflection or profile == "smooth"):
            raise InputError("L must be at least 2 for a reflection or a smooth profile, got 1")
        self.parity = parity
        if parity is not None:
            check_choice("parity", parity, PARITIES)
            if bond < 2:
                raise InputError(f"bond must be at least 2 with a parity, got {bond}")
            if reflection and parity.startswith("-"):
                raise InputError(
                    f"parity must be 'X' or 'Z' together with reflection, got {parity!r}; leave "
                    "one of them out"
                )
        self.spin = tuple(check_finite("spin", value) for value in spin)
        if len(self.spin) != 2 or not any(self.spin):
            raise InputError(f"spin must be two numbers, not both 0, got {tuple(spin)}")
        amplitudes = np.array(self.spin) / np.linalg.norm(self.spin)
        if self._in_x_basis:
            amplitudes = _HADAMARD @ amplitudes
        self.tensors = SiteTensors(
            self.L,
            bond,
            kraus,
            smooth=profile == "smooth",
            cell=cell,
            reflection=self.reflection,
            parity=None if parity is None else (-1 if parity.startswith("-") else 1),
            complex_valued=self.complex_valued,
            spin=(float(amplitudes[0]), float(amplitudes[1])),
            rng=as_stream(rng),
        )
        self._elements = _rotated(self.povm.pauli_coefficients, self._in_x_basis)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor (JSON types), without those that the family fixes."""
        found = {**super().arguments, "povm": self._povm_config}
        del found["K"]  # follows from the POVM
        return found

    def extra_repr(self) -> str:
        """Sizes, shown by ``repr``."""
        return f"{super().extra_repr()}, povm={self.povm.name!r}, bond={self.bond}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q of outcome strings (B, L) in nats, float64, differentiable.

        The arithmetic follows the weights: float32 is good to about 1e-6 per site, unless
        amplitudes cancel.  Where a gradient is wanted such shots are computed again in float64;
        without gradients :meth:`log_prob` computes all in float64.
        """
        return self._log_q(x, self.tensors.weights.dtype)

    @torch.no_grad()
    def _score(self, x: torch.Tensor) -> np.ndarray:
        return self._log_q(x, torch.float64).numpy()

    def _log_q(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        A, bonds = self.tensors(dtype), self.tensors.bonds
        return log_likelihood(A, bonds, self._elements, x.cpu().numpy())

    def _draw_block(self, rng: Stream, size: int) -> tuple[torch.Tensor, None]:
        # The measurement of the ancillas of a purification does not matter.
        drawn = self._born.sample(BLOCK, rng)[:size, :: self.sites_per_qubit]
        return torch.from_numpy(np.ascontiguousarray(drawn)), None

    def _draws(self, n: int, rng: Stream | int) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        from physgen.quantum.born import Born

        frame = self.povm
        if isinstance(frame, SitePOVM):  # an ancilla is measured like its qubit
            repeated = [site for site in frame.sites for _ in range(self.sites_per_qubit)]
            frame = SitePOVM(frame.name, tuple(repeated))
        self._born = Born(self.purification(), frame)
        return super()._draws(n, rng)

    # --- the state behind the distribution ----------------------------------------------------

    @torch.no_grad()
    def purification(self) -> MPS:
        """Return the state, in the basis where Z is diagonal.

        Each site is followed by its ancillas, log2(kraus) qubits to be traced out; a pure state
        has none.
        """
        A, sizes = self.tensors(torch.float64).numpy(), self.tensors.sizes
        if self.complex_valued:
            A = A[:, ::2, :, ::2] + 1j * A[:, 1::2, :, ::2]
        tensors = []
        for i in range(self.L):
            site = A[i, : sizes[i], :, : sizes[i + 1]]
            site = site.reshape(sizes[i], self.kraus, 2, sizes[i + 1]).transpose(0, 2, 1, 3)
            if self._in_x_basis:
                site = np.einsum("st,atkb->askb", _HADAMARD, site)
            left, _, right = sizes[i], 2, self.kraus * sizes[i + 1]
            tensors.append(site.reshape(left, 2, right))
            while right > sizes[i + 1]:  # an ancilla qubit takes the first half of what is open
                tensors.append(np.eye(right).reshape(right, 2, right // 2))
                right //= 2
        return MPS(tensors)

    def expectation(self, paulis: PauliSum | Mapping[int, str]) -> float:
        """Return the expectation value of an operator, exact for the model.

        Parameters
        ----------
        paulis : PauliSum, or mapping of site to {"I", "X", "Y", "Z"}
        """
        operator = PauliSum(dict(pauli_strings(paulis, self.L)), self.L)
        return self.purification().expectation(operator.spread(self.sites_per_qubit))

    def density_matrix(self) -> DensityMatrix:
        """Return the state as a matrix, for small systems (20 sites of the purification)."""
        from physgen.quantum.density_matrix import DensityMatrix

        psi = self.purification().to_dense()
        # Axes: qubit, ancillas, qubit, ancillas, ...; the ancillas of all sites are summed over.
        apart = (psi / np.linalg.norm(psi)).reshape((2, self.kraus) * self.L)
        order = [*range(0, 2 * self.L, 2), *range(1, 2 * self.L, 2)]
        amplitudes = apart.transpose(order).reshape(2**self.L, -1)
        return DensityMatrix(amplitudes @ amplitudes.conj().T)

    @property
    def sites_per_qubit(self) -> int:
        """Sites of the purification for each site of the chain: the qubit, then its ancillas."""
        return self.kraus.bit_length()

    @property
    def _in_x_basis(self) -> bool:
        return self.parity is not None and self.parity.endswith("X")


def mean_spin(outcomes: Any, povm: POVM | SitePOVM) -> tuple[float, float]:
    """Return the real qubit state along the mean of <X> and <Z> over shots and sites.

    A component that the POVM does not measure counts as 0.  If <X> and <Z> vanish, (1, 1), along
    X, is returned: a state with <Z> = 0 is then near a superposition of both signs.

    Parameters
    ----------
    outcomes : array of int, shape (n, L)
        Shots.
    povm : POVM or SitePOVM
        What they are outcomes of.
    """
    shots = np.asarray(outcomes)
    x, z = (
        float(of_outcomes(povm.weights(p), shots).mean()) if povm.sees(p) else 0.0 for p in "XZ"
    )
    if np.hypot(x, z) < 0.05:
        return (1.0, 1.0)
    angle = np.arctan2(x, z) / 2
    return (float(np.cos(angle)), float(np.sin(angle)))


def _rotated(coefficients: np.ndarray, in_x_basis: bool) -> np.ndarray:
    """Return (c_I, c_X, c_Y, c_Z) in the eigenbasis of X, if wanted: H exchanges X and Z."""
    if not in_x_basis:
        return coefficients
    c_i, c_x, c_y, c_z = np.moveaxis(coefficients, -1, 0)
    return np.stack([c_i, c_z, -c_y, c_x], axis=-1)


def _povm_config(frame: POVM | SitePOVM) -> str | dict[str, Any]:
    """Return the name of a POVM if it has one, or all that is needed to build it again."""
    if frame.name in names() and frame.matches(named_povm(frame.name)):
        return frame.name
    return {
        "name": frame.name,
        "outcomes": list(frame.outcomes),
        "pauli_coefficients": frame.pauli_coefficients.tolist(),
    }


def _as_povm(povm: POVM | SitePOVM | str | Mapping[str, Any]) -> POVM | SitePOVM:
    if isinstance(povm, str):
        povm = named_povm(povm)
    if isinstance(povm, Mapping):
        basis = np.array([PAULI[p] for p in "IXYZ"])
        elements = np.einsum("...ap,pij->...aij", np.asarray(povm["pauli_coefficients"]), basis)
        if elements.ndim == 3:
            return POVM(povm["name"], elements, tuple(povm["outcomes"]))
        return SitePOVM.from_elements(povm["name"], elements, povm["outcomes"])
    return povm
