"""From a TOML config to a finished run directory: config, stages, report.

``config`` says what may be written and what it means; ``loading`` turns a file and ``--set``
overrides into a checked :class:`~physgen.workflow.config.Config`; ``stages`` holds the five
stages; ``run`` drives them over a run directory; ``summary`` and ``report`` say what came out.
"""
