r"""General flows of zuko, as densities of fields of any shape.

.. math:: \phi = c \, f^{-1}(z), \qquad z \sim N(0, 1), \qquad
          \log q(\phi) = \log N(z) + \log \Big| \det \frac{\partial f}{\partial y} \Big|
          - n \log c , \qquad y = \phi / c ,

with a transformation f of n numbers that ignores the lattice: for targets without symmetries, for
a few numbers, and for comparison.

=========  ===================================================================================
maf        masked autoregressive, affine (Papamakarios et al., NeurIPS 2017)
iaf        the same the other way round: a draw is one pass (Kingma et al., NeurIPS 2016)
nsf        masked autoregressive with rational-quadratic splines (Durkan et al., NeurIPS 2019)
realnvp    affine couplings of every other number (Dinh et al., ICLR 2017)
cnf        continuous, exact trace (Grathwohl et al., ICLR 2019)
=========  ===================================================================================

All but realnvp and cnf are triangular maps: n passes in one direction, one in the other.
``inverse`` chooses: by default a density takes one pass; with ``inverse=True`` a draw does, as
training on a target wants.  Flows that zuko inverts by bisection within bounds (naf, unaf, sospf
and bpf) are left out: log q has to belong to the draw, also in the tails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import torch

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Differentiable
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import (
    ConfigurationModel,
    field_size,
    normal,
    normal_log_prob,
)
from physgen.targets.even import EvenTarget

__all__ = ["ZukoFlow"]

_CLASSES = {
    "maf": "MAF", "iaf": "MAF", "nsf": "NSF", "realnvp": "RealNVP", "cnf": "CNF",
}  # fmt: skip
_NOT_INVERTED = ("realnvp", "cnf")  # nothing to gain


@final
class ZukoFlow(ConfigurationModel):
    """A flow of zuko; a Density of real fields.

    Parameters
    ----------
    shape : sequence of int
        Shape of a configuration; its n numbers are transformed in C order.
    flow : str
        A name of the table above.
    layers : int
        Transformations of zuko.
    hidden : sequence of int
        Widths of the layers of each network.
    scale : float
        c > 0, size of a typical field.
    inverse : bool, optional
        Draw in one pass and score in n, instead of the other way round; by default so for "iaf"
        and nothing else.
    mixing : bool
        A learned linear map in LU form between the layers: Glow's mixing, of all numbers.
    options : mapping, optional
        Other arguments of zuko's class, e.g. ``{"bins": 12}``.
    rng : Stream or int
        Initial weights.

    Raises
    ------
    InputError
        If a number is out of range, or the flow or an option is unknown.
    """

    def __init__(
        self,
        shape: Any,
        flow: str = "nsf",
        layers: int = 3,
        hidden: Any = (64, 64),
        scale: float = 1.0,
        inverse: bool | None = None,
        mixing: bool = False,
        options: Any = None,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(tuple(shape))
        check_choice("flow", flow, tuple(_CLASSES))
        turned = flow == "iaf" if inverse is None else bool(inverse)
        if turned and flow in _NOT_INVERTED:
            raise InputError(f"{flow!r} costs the same both ways; leave inverse out")
        if flow == "iaf" and not turned:
            raise InputError("'iaf' is 'maf' with inverse=true; for inverse=false take 'maf'")
        self.n = math.prod(self.event_shape)
        if self.n < 2 and flow == "realnvp":
            raise InputError(f"{flow!r} couples at least 2 numbers, got shape {tuple(shape)}")
        self.shape, self.flow = self.event_shape, flow
        self.layers = check_positive_int("layers", layers)
        self.hidden = [check_positive_int("each width in hidden", width) for width in hidden]
        self.scale = check_positive("scale", scale)
        self.inverse, self.mixing = turned, bool(mixing)
        self.options = dict(options or {})
        # zuko draws initial weights from torch's global state, which is restored afterwards.
        seed = int(as_stream(rng).child("weights").numpy().integers(2**62))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.transform = self._made()

    def _made(self) -> Any:
        """Return zuko's transformation from y to z."""
        from zuko import flows, lazy

        layers: list[Any]
        arguments = {"hidden_features": self.hidden, **self.options}
        if self.flow == "cnf":
            layers = [
                self._of(flows.FFJTransform, features=self.n, **arguments)
                for _ in range(self.layers)
            ]
        else:
            made = self._of(
                getattr(flows, _CLASSES[self.flow]),
                features=self.n,
                transforms=self.layers,
                **arguments,
            )
            many = isinstance(made.transform, lazy.LazyComposedTransform)
            layers = list(made.transform.transforms) if many else [made.transform]
        if self.inverse:
            layers = [lazy.LazyInverse(layer) for layer in layers]
        if self.mixing:
            layers = [part for layer in layers for part in (layer, _mixing(self.n))][:-1]
        return lazy.LazyComposedTransform(*layers)

    def _of(self, make: Any, **arguments: Any) -> Any:
        try:
            return make(**arguments)
        except TypeError as error:
            raise InputError(f"flow {self.flow!r} of zuko: {error}") from error

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the shape of a target, the size of its hot fields, and which way is one pass.

        Raises
        ------
        InputError
            If the target has no real fields.
        """
        if target.support != REALS:
            raise InputError(f"a flow needs a target of real fields, got {target!r}")
        shape = target.event_shape if even is None else even.event_shape
        known = {"shape": shape, "scale": field_size(target, rng)}
        if options.get("flow", "nsf") in ("iaf", *_NOT_INVERTED):
            return known
        # Path gradients draw, REINFORCE scores: the one in use takes one pass.
        return known | {"inverse": isinstance(target, Differentiable)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and x."""
        y = x.flatten(1) / self.scale
        z, log_det = self.transform().call_and_ladj(y)
        return normal_log_prob(z) + log_det.double() - self._log_scale

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        z, log_r = normal(n, (self.n,), generator, self.dtype)
        y, log_det = self.transform().inv.call_and_ladj(z)
        x = (self.scale * y).reshape(n, *self.event_shape)
        return x, log_r - log_det.double() - self._log_scale

    @property
    def passes(self) -> int:
        """Passes through the networks in the slower direction."""
        return 1 if self.flow in _NOT_INVERTED else self.n

    @property
    def _log_scale(self) -> float:
        return self.n * math.log(self.scale)


def _mixing(n: int) -> Any:
    """Return an invertible n x n matrix in LU form, the identity to begin with."""
    from zuko import lazy, transforms

    return lazy.UnconditionalTransform(transforms.LULinearTransform, torch.eye(n))
