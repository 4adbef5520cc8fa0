"""The section [compare]: tests of every generator against the configurations of the first one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from physgen.workflow.sections import Section, one_of, rule

__all__ = ["TESTS", "CompareSection"]

# Of physgen.validation.two_sample, which is slow to import.
TESTS = ("observables", "ks", "mmd", "mmd-features", "sliced-w2", "energy-distance", "c2st",
         "c2st-raw", "stein", "kernel-stein")  # fmt: skip


class CompareSection(Section):
    """How families are compared, beside their observables: likelihood, and tests of draws.

    Attributes
    ----------
    tests
        Two-sample tests, as of `physgen validate-samples`.
    n_draws
        Configurations of each generator that are tested.
    n_max
        The most that a test of quadratic cost uses.
    """

    tests: Annotated[
        list[Annotated[str, one_of(TESTS)]], rule(f"a list of {', '.join(map(repr, TESTS))}")
    ] = Field(default_factory=lambda: ["observables", "mmd", "sliced-w2", "c2st", "stein"])
    n_draws: Annotated[int, rule("an integer >= 256", ge=256)] = 4096
    n_max: Annotated[int, rule("an integer >= 100", ge=100)] = 2000
