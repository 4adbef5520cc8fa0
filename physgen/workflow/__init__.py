"""From a TOML config to a finished run directory: config, stages, report.

Two kinds of run share one frame.  ``reconstruction`` learns a quantum state from measurement
outcomes, ``sampling`` runs Markov chains over lattice sizes and couplings; each supplies a
:class:`~physgen.workflow.job.Job`: config, stages, table, figures.  ``loading`` turns a file and
``--set`` overrides into a checked config; ``run`` drives the stages over a run directory;
``summary`` and ``report`` say what came out.
"""
