"""The kinds of run, cut by what supplies the truth; each is a package with a module ``job``.

A kind is known by the sections of its config before its package is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from physgen.core.checks import is_mapping
from physgen.workflow.job import Job
from physgen.workflow.sections import JobConfig

__all__ = ["KINDS", "OUTCOMES", "Kind", "config_of", "job_of", "kind_of"]


class Kind(NamedTuple):
    """A kind of run, as far as it is known before its package is imported.

    Attributes
    ----------
    told_by : str
        The sections by which a config is known to be of this kind, in words.
    sections : tuple of str
        Sections that no other kind has ([data] may be of either).
    """

    told_by: str
    sections: tuple[str, ...]


OUTCOMES = "outcomes"  # what [data] holds if it does not say
KINDS: Mapping[str, Kind] = {
    "lattice": Kind(
        "[target], or [data] that holds 'configurations'",
        ("target", "sampler", "importance", "smc"),
    ),
    "reconstruction": Kind(
        "[system], or [data] that holds outcomes",
        ("system", "state", "errors", "tomography", "observables"),
    ),
}


def kind_of(table: Mapping[str, Any]) -> str:
    """Return the kind of run that a config asks for."""
    data = table.get("data")
    holds = data.get("holds", OUTCOMES) if is_mapping(data) else OUTCOMES
    return "lattice" if "target" in table or holds != OUTCOMES else "reconstruction"


def config_of(kind: str) -> type[JobConfig]:
    """Return the config class of a kind of run."""
    return import_module(f"physgen.workflow.{kind}.config").Config


def job_of(config: Mapping[str, Any] | JobConfig) -> Job:
    """Return the job of a config, a table or a checked one."""
    kind = config.KIND if isinstance(config, JobConfig) else kind_of(config)
    return import_module(f"physgen.workflow.{kind}.job").JOB
