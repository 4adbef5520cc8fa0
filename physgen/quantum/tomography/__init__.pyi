# What this package exports, and from where; read when a name is first used.
from .blocks import block_purities as block_purities
from .blocks import standard_blocks as standard_blocks
from .bootstrap import bootstrap_estimates as bootstrap_estimates
from .direct import direct_estimates as direct_estimates
from .frequencies import Counts as Counts
from .frequencies import count as count
from .inversion import linear_inversion as linear_inversion
from .likelihood import maximum_likelihood as maximum_likelihood
from .model import from_density as from_density
from .projection import project as project
from .reconstruction import Reconstruction as Reconstruction
