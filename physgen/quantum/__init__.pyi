# What this package exports, and from where; read when a name is first used.
from .adaptors import (
    mps_from_arrays as mps_from_arrays,
)
from .adaptors import (
    mps_from_tenpy as mps_from_tenpy,
)
from .adaptors import (
    mps_from_text as mps_from_text,
)
from .born import Born as Born
from .born_mixed import BornMixed as BornMixed
from .data import MeasurementData as MeasurementData
from .density_matrix import DensityMatrix as DensityMatrix
from .estimators import estimate_observables as estimate_observables
from .ground_state import ground_state as ground_state
from .hamiltonians import Hamiltonian as Hamiltonian
from .hamiltonians import PauliHamiltonian as PauliHamiltonian
from .ising_strips import IsingLadder as IsingLadder
from .ising_strips import IsingStrip as IsingStrip
from .mps import MPS as MPS
from .noise import (
    bit_flipped as bit_flipped,
)
from .noise import (
    damped as damped,
)
from .noise import (
    dephased as dephased,
)
from .noise import (
    depolarised as depolarised,
)
from .noise import (
    misread as misread,
)
from .outcome_orders import outcome_table as outcome_table
from .pauli_sum import PauliSum as PauliSum
from .povm import POVM as POVM
from .povm import merge_map as merge_map
from .povm import povm as povm
from .povm_files import load_povm as load_povm
from .povm_files import save_povm as save_povm
from .quimb_states import mps_from_quimb as mps_from_quimb
from .readout import read_out as read_out
from .site_povm import SitePOVM as SitePOVM
from .states import (
    bloch_state as bloch_state,
)
from .states import (
    cluster_state as cluster_state,
)
from .states import (
    ghz_state as ghz_state,
)
from .states import (
    product_state as product_state,
)
from .states import (
    random_mps as random_mps,
)
from .states import (
    w_state as w_state,
)
from .symmetry import outcome_symmetry as outcome_symmetry
from .tfim import TFIM as TFIM
from .xxz import XXZ as XXZ
