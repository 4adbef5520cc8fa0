"""A run over a lattice target, by any number of generators, as a job."""

from physgen.workflow.context import Context
from physgen.workflow.job import Job
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.figures import FIGURES
from physgen.workflow.lattice.inputs import check
from physgen.workflow.lattice.points import Scan
from physgen.workflow.lattice.stages import STAGES
from physgen.workflow.lattice.summary import summarize

__all__ = ["JOB"]

GROUPS = {
    "data": "observables of the given configurations",
    "chains": "the draws of Markov chains, a group for every sampler, extent and coupling",
    "smc": "log Z by sequential Monte Carlo, a group for every extent and coupling",
    "models/training": "history of the fit of a model; in stage1, stage2, ... of earlier stages",
    "models/model": "the weights of a model; in stage1, stage2, ... after earlier stages",
    "models/trajectory": "snapshots of the weights of an energy along its training",
    "models/along": "log Z and mixing times of an energy along its training",
    "models/draws": "draws of a model; where an action is known, with weights and log Z",
    "models/raw": "observables of the draws of a joint model without weights: approximate",
    "models/path": "draws of a model on their way from noise, at a few times",
    "models/log_z": "log Z of a learned energy, with bounds from both sides",
    "models/features": "singular values of the weights, and the first feature of configurations",
    "couplings": "learned couplings with errors, beside those of the target",
    "compared": "a generator beside the first one: likelihood, observables, tests of draws",
    "comparison": "every generator beside the first one, with what training and draws cost",
    "checkpoint": "where the chains, the particles or the fit of the present point are",
    "scan": "the points whose chains are drawn, and the time that each took",
    "trained": "the models that are trained, and the time that each took",
    "drawn": "the models that were drawn from, and the time that each took",
    "estimates": "quantities with errors, from every generator at every point",
    "correlators": "correlators, effective masses and propagators over distance and momentum",
    "exact": "exact values along a scan, as lines",
    "crossings": "where the Binder cumulants of two lattice sizes are equal",
    "agreement": "pulls of the other generators from the first",
}
JOB = Job(
    config=Config,
    context=Context,
    check=check,
    stages=STAGES,
    summarize=summarize,
    figures=FIGURES,
    groups=GROUPS,
    costs=lambda config: Scan(config).costs(),
    points=lambda config: Scan(config).groups(),
)
