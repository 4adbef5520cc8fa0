# What this package exports, and from where; read when a name is first used.
from .agreement import plot_agreement as plot_agreement
from .autocorrelation import plot_tau_int as plot_tau_int
from .binder import plot_binder as plot_binder
from .correlators import plot_correlators as plot_correlators
from .couplings import plot_couplings as plot_couplings
from .ess_curve import plot_ess_curve as plot_ess_curve
from .features import plot_features as plot_features
from .free_energy import plot_free_energy as plot_free_energy
from .log_prob import plot_log_prob as plot_log_prob
from .marginals import plot_marginals as plot_marginals
from .scan import plot_scan as plot_scan
from .side_by_side import plot_side_by_side as plot_side_by_side
from .strip import plot_strip as plot_strip
from .style import render as render
from .training import plot_training as plot_training
from .two_point import plot_two_point as plot_two_point
from .weights import plot_weights as plot_weights
