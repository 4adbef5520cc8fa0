"""The sampling of a lattice system over a scan, as a job."""

from physgen.workflow.context import Context
from physgen.workflow.job import Job
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.figures import CAPTIONS, WIDE, draw_figures
from physgen.workflow.lattice.inputs import check
from physgen.workflow.lattice.stages import STAGES
from physgen.workflow.lattice.summary import summarize

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
