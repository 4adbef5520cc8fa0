# What this package exports, and from where; read when a name is first used.
from .autocorrelation import (
    TauInt as TauInt,
)
from .autocorrelation import (
    autocovariance as autocovariance,
)
from .autocorrelation import (
    ess as ess,
)
from .autocorrelation import (
    tau_int as tau_int,
)
from .convergence import r_hat as r_hat
from .errors import (
    Estimate as Estimate,
)
from .errors import (
    gamma_method as gamma_method,
)
from .errors import (
    mean_estimate as mean_estimate,
)
from .format import format_estimate as format_estimate
from .format import pull as pull
from .jackknife import jackknife as jackknife
from .resampling import Bootstrapped as Bootstrapped
from .resampling import bootstrap as bootstrap
from .reweighting import (
    Reweighted as Reweighted,
)
from .reweighting import (
    log_z_ratio as log_z_ratio,
)
from .reweighting import (
    reweight as reweight,
)
from .reweighting import (
    reweight_beta as reweight_beta,
)
from .table import format_table as format_table
