"""The reconstruction of a state from measurement outcomes, as a job."""

from physgen.workflow.job import Job
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.figures import FIGURES
from physgen.workflow.reconstruction.inputs import check
from physgen.workflow.reconstruction.stages import STAGES
from physgen.workflow.reconstruction.summary import summarize

__all__ = ["JOB"]

GROUPS = {
    "state": "the target state, one tensor for each site",
    "data": "measurement outcomes that the model learns from",
    "held_out": "outcomes of a file that are kept out of training",
    "training": "history of the training",
    "training/checkpoint": "model and optimiser, as far as training has come",
    "model": "the trained model",
    "samples": "draws from the trained model",
    "refits": "observables of the fit (row 0) and of refits to resampled outcomes",
    "refits/checkpoint": "the refit that is being made, as far as it has come",
    "errors": "observables of the model with the error of its fit, from the refits",
    "tomography": "density matrices of a small system, or why there are none",
    "validation": "distance between model and target, or likelihood of held-out outcomes",
    "validation/exact": "the same distance, by enumeration of all outcomes",
    "observables/data": "expectation values with errors, from the outcomes",
    "observables/model": "expectation values with errors, from the samples",
    "observables/exact": "expectation values in the target",
    "witness/data": "bounds on the quantum fidelity, from the outcomes",
    "witness/model": "the same numbers of the model, with the error of its fit",
    "witness/exact": "the same numbers of the target",
    "blocks/data": "purities and Renyi-2 entropies of blocks of sites, from the outcomes",
    "blocks/model": "the same numbers of the model, by contraction",
    "blocks/exact": "the same numbers of the target",
    "selection": "how the candidates compare on the same held-out outcomes",
    "candidates": "of several models, the history and the weights of each",
}
JOB = Job(
    config=Config,
    context=ReconstructionContext,
    check=check,
    stages=STAGES,
    summarize=summarize,
    figures=FIGURES,
    groups=GROUPS,
)
