# What this package exports, and from where; read when a name is first used.
from .family_kl import FamilyKL as FamilyKL
from .fitting import fit as fit
from .forward_kl import ForwardKL as ForwardKL
from .forward_kl import MixedKL as MixedKL
from .likelihood import MaximumLikelihood as MaximumLikelihood
from .objectives import NegativeLogLikelihood as NegativeLogLikelihood
from .progress import Progress as Progress
from .recipes import recipe as recipe
from .result import FitResult as FitResult
from .reverse_kl import ReverseKL as ReverseKL
from .settings import FitSettings as FitSettings
from .settings import Schedule as Schedule
from .trajectory import Trajectory as Trajectory
from .transport_kl import TransportKL as TransportKL
from .transport_kl import fit_layers as fit_layers
