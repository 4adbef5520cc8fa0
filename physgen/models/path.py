"""Fields on their way from noise to draws of a model: what a picture of a flow shows."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Path"]


class Path(NamedTuple):
    """The same draws at several times, noise first.

    Attributes
    ----------
    kind : {"noise", "time"}
        What the times are: the noise left, in units of the field; or the time of the flow.
    times : list of float (T,)
    fields : tensor (T, n, *event_shape)
        The last ones are draws of the model.
    signal, noise : list of float (T,)
        A field x of the last time is ``signal * x + noise * z`` under the noise of each, z normal.
    """

    kind: str
    times: list[float]
    fields: Any
    signal: list[float]
    noise: list[float]
