"""From a TOML config to a finished run directory: config, stages, report.

The frame knows no kind of run by name.  ``loading`` turns a file and ``--set`` overrides into a
checked config; ``run`` drives the stages over a run directory; ``fitting`` fits a model into a
group of it; ``tables``, ``figures`` and ``report`` say what came out.  ``kinds`` finds the
:class:`~physgen.workflow.job.Job` of a config: ``reconstruction`` learns a quantum state from
measurement outcomes, ``lattice`` draws from a target by Markov chains and trained models.
"""
