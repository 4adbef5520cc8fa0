"""The reconstruction of a state from measurement outcomes, as a job."""

from physgen.workflow.job import Job
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.figures import CAPTIONS, WIDE, draw_figures
from physgen.workflow.reconstruction.inputs import check
from physgen.workflow.reconstruction.stages import STAGES
from physgen.workflow.reconstruction.summary import summarize

__all__ = ["JOB"]

JOB = Job(
    config=Config,
    context=ReconstructionContext,
    check=check,
    stages=STAGES,
    summarize=summarize,
    draw=draw_figures,
    captions=CAPTIONS,
    wide=WIDE,
)
