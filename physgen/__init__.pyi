# What physgen exports, and from where; read when a name is first used.
from .analysis import format_table as format_table
from .analysis.format import format_estimate as format_estimate
from .core.random import Stream as Stream
from .exact import exact_values as exact_values
from .lattice import Graph as Graph
from .lattice import Hypercubic as Hypercubic
from .models import (
    GRU as GRU,
)
from .models import (
    LSTM as LSTM,
)
from .models import (
    RNN as RNN,
)
from .models import (
    ColouredNet as ColouredNet,
)
from .models import (
    ConditionedFlow as ConditionedFlow,
)
from .models import (
    CouplingFlow as CouplingFlow,
)
from .models import (
    Ensemble as Ensemble,
)
from .models import (
    EquivariantCNF as EquivariantCNF,
)
from .models import (
    MatrixProduct as MatrixProduct,
)
from .models import (
    Symmetrised as Symmetrised,
)
from .models import (
    for_target as for_target,
)
from .quantum import (
    MPS as MPS,
)
from .quantum import (
    TFIM as TFIM,
)
from .quantum import (
    XXZ as XXZ,
)
from .quantum import (
    Born as Born,
)
from .quantum import (
    DensityMatrix as DensityMatrix,
)
from .quantum import (
    IsingLadder as IsingLadder,
)
from .quantum import (
    IsingStrip as IsingStrip,
)
from .quantum import (
    MeasurementData as MeasurementData,
)
from .quantum import (
    PauliHamiltonian as PauliHamiltonian,
)
from .quantum import (
    PauliSum as PauliSum,
)
from .quantum import (
    bit_flipped as bit_flipped,
)
from .quantum import (
    depolarised as depolarised,
)
from .quantum import (
    estimate_observables as estimate_observables,
)
from .quantum import (
    ghz_state as ghz_state,
)
from .quantum import (
    ground_state as ground_state,
)
from .quantum import (
    povm as povm,
)
from .quantum import (
    w_state as w_state,
)
from .quantum.importing import import_measurements as import_measurements
from .results import open_run as open_run
from .samplers import (
    HMC as HMC,
)
from .samplers import (
    MALA as MALA,
)
from .samplers import (
    ULA as ULA,
)
from .samplers import (
    Alternating as Alternating,
)
from .samplers import (
    Emcee as Emcee,
)
from .samplers import (
    ExactDraws as ExactDraws,
)
from .samplers import (
    HeatBath as HeatBath,
)
from .samplers import (
    Independence as Independence,
)
from .samplers import (
    Metropolis as Metropolis,
)
from .samplers import (
    Overrelaxation as Overrelaxation,
)
from .samplers import (
    ParallelTempering as ParallelTempering,
)
from .samplers import (
    Phi4Cluster as Phi4Cluster,
)
from .samplers import (
    SwendsenWang as SwendsenWang,
)
from .samplers import (
    Wolff as Wolff,
)
from .samplers import (
    correlators as correlators,
)
from .samplers import (
    draws_of as draws_of,
)
from .samplers import (
    estimates as estimates,
)
from .samplers import (
    importance as importance,
)
from .samplers import (
    inpaint as inpaint,
)
from .samplers import (
    run as run,
)
from .samplers import (
    smc as smc,
)
from .samplers import (
    stochastic_flow as stochastic_flow,
)
from .samplers import (
    to_arviz as to_arviz,
)
from .targets import Configurations as Configurations
from .targets import FreeField as FreeField
from .targets import Ising as Ising
from .targets import Phi4 as Phi4
from .targets import as_target as as_target
from .training import (
    FamilyKL as FamilyKL,
)
from .training import (
    FitSettings as FitSettings,
)
from .training import (
    ForwardKL as ForwardKL,
)
from .training import (
    MaximumLikelihood as MaximumLikelihood,
)
from .training import (
    MixedKL as MixedKL,
)
from .training import (
    NegativeLogLikelihood as NegativeLogLikelihood,
)
from .training import (
    ReverseKL as ReverseKL,
)
from .training import (
    fit as fit,
)
from .training import (
    recipe as recipe,
)
from .validation import (
    compare as compare,
)
from .validation import (
    fidelity_witness as fidelity_witness,
)
from .validation import (
    ghz_fidelity as ghz_fidelity,
)
from .validation import (
    validate as validate,
)

__version__: str
