# What this package exports, and from where; read when a name is first used.
from .diagonalisation import (
    diagonalised_observables as diagonalised_observables,
)
from .diagonalisation import (
    ground_state_vector as ground_state_vector,
)
from .enumeration import (
    density_of_states as density_of_states,
)
from .enumeration import (
    enumerated_observables as enumerated_observables,
)
from .enumeration import (
    probabilities as probabilities,
)
from .free_fermions import exact_observables as exact_observables
from .free_fermions import zz_matrix as zz_matrix
from .free_field import (
    free_field_observables as free_field_observables,
)
from .free_field import (
    ula_observables as ula_observables,
)
from .oracles import (
    exact_ising as exact_ising,
)
from .oracles import (
    exact_phi4 as exact_phi4,
)
from .oracles import (
    exact_values as exact_values,
)
from .oracles import (
    torus_observables as torus_observables,
)
from .phi4_levels import phi4_spectrum as phi4_spectrum
from .phi4_quadrature import phi4_torus as phi4_torus
from .tadpole import renormalised_coupling as renormalised_coupling
from .transfer_matrix import strip_observables as strip_observables
