# What this package exports, and from where; read when a name is first used.
from .configurations import Configurations as Configurations
from .free_field import FreeField as FreeField
from .function import (
    DifferentiableFunctionTarget as DifferentiableFunctionTarget,
)
from .function import (
    FunctionTarget as FunctionTarget,
)
from .function import (
    as_target as as_target,
)
from .gradient_check import check_force as check_force
from .ising import Ising as Ising
from .phi4 import Phi4 as Phi4
