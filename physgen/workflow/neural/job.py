"""Neural sampling of an unnormalised target, as a job."""

from physgen.workflow.context import Context
from physgen.workflow.job import Job
from physgen.workflow.neural.config import Config
from physgen.workflow.neural.figures import CAPTIONS, WIDE, draw_figures
from physgen.workflow.neural.inputs import check
from physgen.workflow.neural.stages import STAGES
from physgen.workflow.neural.summary import summarize

__all__ = ["JOB"]

JOB = Job(
    config=Config,
    context=Context,
    check=check,
    stages=STAGES,
    summarize=summarize,
    draw=draw_figures,
    captions=CAPTIONS,
    wide=WIDE,
)
