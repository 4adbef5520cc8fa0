"""Errors that a caller can act on.

Every message follows one form: the rule, the offending value, the remedy if known, e.g.
``n_chains must be a positive integer, got 0``.  The command line prints any :class:`PhysgenError`
as one line and exits with status 2; anything else is a bug in physgen and keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "BusyError",
    "ChainTooShortError",
    "InputError",
    "InterruptedRunError",
    "MissingDependencyError",
    "NoDensityError",
    "NonFiniteActionError",
    "PhysgenError",
    "StoreError",
    "TrainingDivergedError",
    "UnboundedTargetError",
]


class PhysgenError(Exception):
    """Base of every error that physgen raises on purpose."""


class InputError(PhysgenError, ValueError):
    """A value given by the user breaks a stated rule."""


class NoDensityError(InputError, AttributeError):
    """A density is asked of a model that has none of configurations; ``hasattr`` is False."""

    @classmethod
    def of_pairs(cls, name: str, model: object) -> NoDensityError:
        """Return why a density of pairs (x, z) has no `name`, and what it has instead."""
        return cls(
            f"{name} needs a density of x, and {type(model).__name__} is one of pairs (x, z): "
            "take log_prob_bound, or validation.latent_likelihood, for bounds of log q(x), and "
            "joint_log_prob for the density of pairs"
        )


class UnboundedTargetError(InputError):
    """The weight e^{-S} of a target cannot be normalised: S falls, or does not grow, far away."""


class StoreError(PhysgenError, OSError):
    """A run directory or result file cannot be used as requested; nothing in it was changed."""

    def __str__(self) -> str:
        # OSError would render a lone message argument as usual, but an errno pair as "[Errno n]".
        return str(self.args[-1]) if self.args else ""


class BusyError(StoreError):
    """Another process is at work in a run directory."""


class TrainingDivergedError(PhysgenError):
    """The loss became NaN or infinite; the last good state is kept.

    Attributes
    ----------
    step : int
        Optimiser step at which the loss stopped being finite.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class ChainTooShortError(PhysgenError):
    """The chains have not converged, so no error bar from them can be trusted.

    Attributes
    ----------
    tau_int : float
        Integrated autocorrelation time of the slowest observable, in draws; a lower bound if the
        chains are shorter than this time.
    n_draws_needed : int
        Estimated number of draws that each chain needs, warm-up included.
    draws : Dataset or None
        The draws as ``quiet=True`` would have returned them; None if the warm-up gave up.
    """

    def __init__(
        self, message: str, tau_int: float, n_draws_needed: int, draws: object = None
    ) -> None:
        super().__init__(message)
        self.draws = draws
        self.tau_int = tau_int
        self.n_draws_needed = n_draws_needed


class NonFiniteActionError(PhysgenError):
    """An action became NaN or infinite; the last good state is kept.

    Attributes
    ----------
    chain, draw : int
        The first chain and draw where it happened.
    state : object
        The state of all chains before that draw.
    """

    def __init__(self, message: str, chain: int, draw: int, state: object) -> None:
        super().__init__(message)
        self.chain = chain
        self.draw = draw
        self.state = state


class InterruptedRunError(PhysgenError):
    """A signal ended the run after a checkpoint; ``physgen resume`` continues it.

    Attributes
    ----------
    number : int
        Of the signal; the exit status is 128 + number.  SIGTERM if it is not known.
    """

    def __init__(self, message: str, number: int = 15) -> None:
        super().__init__(message)
        self.number = number


class MissingDependencyError(PhysgenError, ImportError):
    """An optional dependency is absent; the message names the pip extra that brings it."""
