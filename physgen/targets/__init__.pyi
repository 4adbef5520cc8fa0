# What this package exports, and from where; read when a name is first used.
from .checked import checked_target as checked_target
from .configurations import Configurations as Configurations
from .free_field import FreeField as FreeField
from .function import (
    DifferentiableFunctionTarget as DifferentiableFunctionTarget,
)
from .function import (
    FunctionTarget as FunctionTarget,
)
from .given import Given as Given
from .gradient_check import check_force as check_force
from .ising import Ising as Ising
from .local_action import LocalAction as LocalAction
from .local_action import local_couplings as local_couplings
from .own import as_target as as_target
from .own import whole_target as whole_target
from .phi4 import Phi4 as Phi4
from .symmetry_check import check_symmetries as check_symmetries
