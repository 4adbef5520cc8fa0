"""What draws at a point of a scan: Markov chains, a trained model, annealed particles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from physgen.core.checks import key_remedy
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.observables.shelf import functions_of
from physgen.targets.configurations import Configurations
from physgen.workflow.lattice.methods import AUTO, make, usual
from physgen.workflow.lattice.model_section import ModelSection
from physgen.workflow.lattice.objectives import objective_of
from physgen.workflow.lattice.sampler_section import TEMPERING, SamplerSection

__all__ = [
    "TERMS",
    "Annealed",
    "Chains",
    "Generator",
    "Given",
    "Learned",
    "ModelChains",
    "Place",
]

# Arguments of a family's class that follow from the target, or are decided by other keys.
_RESERVED = ("rng", "shape", "boundary", "halved", "net", "begin_from", "components")
TERMS = "terms"  # O_a of every draw, from which errors of couplings become errors of observables


@dataclass(frozen=True)
class Place:
    """One target of a scan.

    Attributes
    ----------
    at : tuple of int
        Numbers of its extent and of its coupling in the scan.
    make : callable() -> Target or Configurations
        Makes the target.
    L : int or None
        Extent; None where a target of the user has none.
    value : float or None
        Of the coupling that is scanned; None without one.
    path : tuple of str
        Its part of the names of groups, e.g. ("L16", "kappa0.25").
    text : str
        The place in words.
    stream : tuple of str
        Its part of the names of random streams: all couplings, e.g. ("L16", "kappa0.25", "lam1").
    """

    at: tuple[int, int]
    make: Callable[[], Any]
    L: int | None
    value: float | None
    path: tuple[str, ...]
    text: str
    stream: tuple[str, ...] = ()

    @cached_property
    def target(self) -> Any:
        """What is sampled here: a Target, or Configurations.

        It is made when it is first asked for: to read a finished run needs no file of the user.
        """
        return self.make()


@dataclass(frozen=True)
class Generator:
    """One generator at one point.

    Attributes
    ----------
    label : str
        What it is called in tables.
    group : str
        Where its results are in the run file.
    place : Place
        Where in the scan it draws.
    text : str
        The generator and the place in words.
    """

    label: str
    group: str
    place: Place
    text: str

    @property
    def target(self) -> Any:
        """What it draws from: a Target, or Configurations."""
        return self.place.target

    @property
    def stream(self) -> str:
        """The name of its random stream: of its group, but the same whatever is scanned."""
        kind = self.group.split("/")[: -len(self.place.path) or None]
        return "/".join([*kind, *self.place.stream])


@dataclass(frozen=True)
class Given(Generator):
    """Configurations of the user."""


@dataclass(frozen=True)
class Chains(Generator):
    """Markov chains."""

    section: SamplerSection

    @property
    def sampled(self) -> Any:
        """What the chains sample."""
        return self.target

    @property
    def exactness(self) -> str | None:
        """What the draws are for the target; None: what the algorithm says."""
        return None

    def observables(self, named: Any) -> Any:
        """Return what the chains measure, given the names in a config; None: what is usual."""
        return None if named is None else list(named)

    def make(self) -> Any:
        """Return the sampler."""
        name = usual(self.sampled) if self.section.name == AUTO else self.section.name
        return make(name, self.section.settings())

    def bind(self) -> Any:
        """Return the bound sampler; raise :class:`InputError` if it cannot sample the target."""
        try:
            return self.make().bind(self.sampled)
        except InputError as error:
            raise InputError(f"[sampler] {self.text}: {error}") from None


@dataclass(frozen=True)
class ModelChains(Chains):
    """Markov chains of a learned energy, measured as its target is, and weighed for it.

    Attributes
    ----------
    model : EnergyModel
    ladder : Followed, optional
        Replicas along its training, for chains that temper along it.
    """

    model: Any
    ladder: Any = None

    @property
    def sampled(self) -> Any:
        """What the chains sample."""
        return self.model

    @property
    def exactness(self) -> str | None:
        """What the draws are for the target: the energy is not its action."""
        return "approximate"

    def make(self) -> Any:
        """Return the sampler; of replicas along the training, without them that of each."""
        if self.section.name != TEMPERING:
            return super().make()
        from physgen.samplers import TrajectoryTempering
        from physgen.samplers.found_start import default_move

        move, ladder = default_move(self.model), self.ladder
        if ladder is None:  # before it is trained
            return move
        own = self.section.settings()
        return TrajectoryTempering(move, ladder.models, labels=ladder.labels, **own)

    def observables(self, named: Any) -> Any:
        """Return what is measured of the target, and what else the chains of an energy record.

        The terms of an action that is linear in its couplings, and the log weight where the
        action of the target is known.
        """
        from physgen.samplers.draws import log_weights_of

        functions = dict(functions_of(self.target, named) or declared(self.target).observables)
        if hasattr(self.model, "coupling_covariance"):
            functions[TERMS] = self.model.local.values
        if not isinstance(self.target, Configurations):
            functions["log_weight"] = log_weights_of(self.model, self.target)
        return functions


@dataclass(frozen=True)
class Learned(Generator):
    """A model that is trained for the target, and whose draws are weighed."""

    section: ModelSection

    @property
    def family(self) -> str:
        """The family of the model."""
        from physgen import models

        given = self.section.family
        return models.default_family(self.target) if given == "auto" else given

    def model(self, rng: Stream, data: Configurations | None = None) -> Any:
        """Return a fresh model on its device.

        Parameters
        ----------
        rng : Stream
        data : Configurations, optional
            What an energy or a generator learns from: the size of its fields and its biases begin
            there.  An energy that corrects an action is made of the target.

        Raises
        ------
        InputError
            If the family, its arguments and the target do not match.
        """
        from physgen import models

        section, options = self.section, self.section.options()
        self._check(options)
        how = {"decimate": section.decimate, "mixture": section.mixture, "rng": rng}
        source = self.target if data is None or self.section.corrects else data
        try:
            model = models.for_target(source, self.family, **how, **options)
        except InputError as error:
            raise InputError(f"[model] {self.text}: {error}") from None
        return model.to(section.train.device)

    def chains(self, model: Any, ladder: Any = None) -> ModelChains:
        """Return the chains of the trained model, which is an energy."""
        group, section = f"{self.group}/draws", self.section.chains
        return ModelChains(self.label, group, self.place, self.text, section, model, ladder)

    def _check(self, options: Mapping[str, Any]) -> None:
        """Refuse arguments that the class of the family does not take from a config."""
        from physgen.models import families

        if bad := sorted(set(_RESERVED) & set(options)):
            raise InputError(f"[model] {bad[0]} follows from target and family; leave it out")
        row = families.family(self.family)
        known = [a for a in row.options if a not in _RESERVED]
        fits = row.support == self.target.support.kind  # else the family is what is wrong
        for key in options:
            if fits and key not in known:
                remedy = key_remedy(key, known)
                raise InputError(f"[model] {key} is not a known key of {self.family!r}; {remedy}")

    def objective(self, configurations: Any, rng: Stream) -> Any:
        """Return the objective; `configurations` of the target where it needs them."""
        try:
            return objective_of(self.section, self.family, self.target, configurations, rng)
        except InputError as error:
            raise InputError(f"[train] {self.text}: {error}") from None


@dataclass(frozen=True)
class Annealed(Generator):
    """Sequential Monte Carlo."""

    n_particles: int
    n_islands: int
