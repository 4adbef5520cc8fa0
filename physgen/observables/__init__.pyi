# What this package exports, and from where; read when a name is first used.
from .configurations import (
    magnetization as magnetization,
)
from .configurations import (
    mean_square as mean_square,
)
from .configurations import (
    overlap as overlap,
)
from .configurations import (
    structure_factor as structure_factor,
)
from .configurations import (
    structure_factor_kmin as structure_factor_kmin,
)
from .configurations import (
    two_point as two_point,
)
from .correlators import (
    correlator as correlator,
)
from .correlators import (
    propagator as propagator,
)
from .effective_mass import effective_mass as effective_mass
from .moments import (
    binder as binder,
)
from .moments import (
    chi_abs as chi_abs,
)
from .moments import (
    connected_two_point as connected_two_point,
)
from .moments import (
    second_moment_correlation_length as second_moment_correlation_length,
)
from .moments import (
    specific_heat as specific_heat,
)
from .moments import (
    susceptibility as susceptibility,
)
from .observable import Observable as Observable
from .shelf import shelf_observables as shelf_observables
