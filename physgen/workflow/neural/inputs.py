"""What a neural config asks for, checked before a run is opened."""

from __future__ import annotations

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.workflow.devices import check_device
from physgen.workflow.lattice.inputs import check_own
from physgen.workflow.neural.config import Config
from physgen.workflow.neural.points import Points

__all__ = ["check"]


def check(config: Config) -> None:
    """Raise :class:`InputError` for a model, an objective or chains that do not suit a target."""
    check_device(config.device)
    points = Points(config)
    for k, point in enumerate(points):
        if points.is_foreign and k == 0:
            check_own(point.target)
        point.model(Stream(config.seed))
        try:
            point.objective(Stream(config.seed))
        except InputError as error:
            raise InputError(f"[train] {point.text}: {error}") from None
        if config.chains.n_draws:
            name, sampler = point.sampler()
            try:
                sampler.bind(point.target)
            except InputError as error:
                raise InputError(f"[chains] {name}, {point.text}: {error}") from None
