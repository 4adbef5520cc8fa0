# What this package exports, and from where; read when a name is first used.
from .bounds import (
    pauli_bound as pauli_bound,
)
from .bounds import (
    physical_violations as physical_violations,
)
from .bounds import (
    total_variation_bound as total_variation_bound,
)
from .classifier import C2ST as C2ST
from .classifier import c2st as c2st
from .comparison import compare as compare
from .density_comparison import (
    enumerate_outcomes as enumerate_outcomes,
)
from .density_comparison import (
    exact_divergences as exact_divergences,
)
from .density_comparison import (
    validate as validate,
)
from .density_ratio import log_ratios as log_ratios
from .density_ratio import ratio_divergences as ratio_divergences
from .divergences import (
    Estimate as Estimate,
)
from .divergences import (
    classical_fidelity as classical_fidelity,
)
from .divergences import (
    covered_mass as covered_mass,
)
from .divergences import (
    relative_entropy as relative_entropy,
)
from .energy_distance import energy_distance as energy_distance
from .energy_distance import energy_distance_test as energy_distance_test
from .evaluations import ess_against_evaluations as ess_against_evaluations
from .f_divergences import exact_f_divergence as exact_f_divergence
from .f_divergences import f_bound as f_bound
from .f_divergences import f_bound_of_log_ratios as f_bound_of_log_ratios
from .f_divergences import f_divergence as f_divergence
from .ghz import ghz_fidelity as ghz_fidelity
from .ghz import ghz_numbers as ghz_numbers
from .kernel_stein import kernel_stein as kernel_stein
from .latent_likelihood import latent_likelihood as latent_likelihood
from .mmd import median_width as median_width
from .mmd import mmd2 as mmd2
from .mmd import mmd2_of_kernel as mmd2_of_kernel
from .mmd import mmd2_test as mmd2_test
from .neighbours import memorisation as memorisation
from .neighbours import precision_recall as precision_recall
from .observable_tests import compare_observables as compare_observables
from .score_residual import score_residual as score_residual
from .stein import stein_identities as stein_identities
from .two_sample import two_sample as two_sample
from .wasserstein import null_sliced_w2 as null_sliced_w2
from .wasserstein import sliced_w2 as sliced_w2
from .wasserstein import sliced_w2_test as sliced_w2_test
from .wasserstein import wasserstein2 as wasserstein2
from .witness import fidelity_witness as fidelity_witness
