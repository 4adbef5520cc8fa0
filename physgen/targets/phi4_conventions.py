r"""Conventions of scalar field theory, and log Z between them.

For a field in other units, :math:`\phi_B = c\,\phi_A`, the same weight has

.. math::
    \mathrm{hop}_A = c^2 \mathrm{hop}_B, \quad \mathrm{quad}_A = c^2 \mathrm{quad}_B, \quad
    \mathrm{quart}_A = c^4 \mathrm{quart}_B, \qquad
    \log Z_B = \log Z_A + V \log c + V (\mathrm{const}_A - \mathrm{const}_B) .
"""

from __future__ import annotations

import math
from typing import Any

from physgen.core.checks import check_choice, check_finite, check_positive
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.targets._geometry import lattice_of

__all__ = ["CONVENTIONS", "Phi4Conventions", "largest_step"]

CONVENTIONS = ("hopping", "hopping_well", "unhalved", "halved", "quarter", "factorial")
_TOLERANCE = 1e-9  # relative tolerance of invariants shared by two conventions of one theory


class Phi4Conventions:
    """Mixed into :class:`~physgen.targets.Phi4`: its named constructors."""

    lattice: Any
    hop: float
    quad: float
    quart: float
    const: float
    n_sites: int
    _convention: tuple[str, dict[str, float]]

    @classmethod
    def from_hopping(cls, L: Any, kappa: float, lam: float, dim: int = 2) -> Any:
        """Return S = sum_x -2 kappa sum_mu phi phi' + (1 - 2 lam) phi^2 + lam phi^4.

        Parameters
        ----------
        L : int or tuple of int or Hypercubic
            Extent, or shape, of a periodic lattice; or the lattice.
        kappa, lam : float
            Hopping parameter and self-coupling, dimensionless.
        dim : int
            Dimensions that an integer L extends in.
        """
        return cls._make("hopping", L, {"kappa": kappa, "lam": lam}, dim)

    @classmethod
    def from_hopping_well(cls, L: Any, kappa: float, lam: float, dim: int = 2) -> Any:
        """Return S = sum_x -2 kappa sum_mu phi phi' + phi^2 + lam (phi^2 - 1)^2.

        Arguments as for `from_hopping`; S is larger by lam per site, log Z smaller by V lam.
        """
        return cls._make("hopping_well", L, {"kappa": kappa, "lam": lam}, dim)

    @classmethod
    def from_unhalved(cls, L: Any, m2: float, lam: float, dim: int = 2) -> Any:
        """Return S = sum_x (d phi)^2 + m2 phi^2 + lam phi^4, no factors 1/2.

        Parameters
        ----------
        L, dim
            As for `from_hopping`.
        m2, lam : float
            Squared bare mass (may be negative) and self-coupling, in lattice units.
        """
        return cls._make("unhalved", L, {"m2": m2, "lam": lam}, dim)

    @classmethod
    def from_halved(
        cls,
        L: Any,
        m2: float,
        lam: float,
        stiffness: float = 1.0,
        dim: int = 2,
    ) -> Any:
        """Return S = sum_x stiffness/2 (d phi)^2 + m2/2 phi^2 + lam phi^4.

        Arguments as for `from_unhalved`; stiffness > 0 is 1 in most of the literature.
        """
        couplings = {"m2": m2, "lam": lam, "stiffness": check_positive("stiffness", stiffness)}
        return cls._make("halved", L, couplings, dim)

    @classmethod
    def from_quarter(cls, L: Any, m2: float, lam: float, dim: int = 2) -> Any:
        """Return S = sum_x 1/2 (d phi)^2 + m2/2 phi^2 + lam/4 phi^4; as `from_unhalved`."""
        return cls._make("quarter", L, {"m2": m2, "lam": lam}, dim)

    @classmethod
    def from_factorial(cls, L: Any, m2: float, lam: float, dim: int = 2) -> Any:
        """Return S = sum_x 1/2 (d phi)^2 + m2/2 phi^2 + lam/4! phi^4; as `from_unhalved`."""
        return cls._make("factorial", L, {"m2": m2, "lam": lam}, dim)

    @classmethod
    def _make(cls, name: str, L: Any, couplings: dict[str, float], dim: int) -> Any:
        lattice = lattice_of(L, dim)
        couplings = {k: check_finite(k, v) for k, v in couplings.items()}
        numbers = _numbers(name, couplings, lattice.dim)
        if not all(map(math.isfinite, numbers)):
            raise InputError(
                f"couplings must stay finite in S, a number of double precision, got "
                f"{_listed(couplings)}"
            )
        try:
            made: Any = cls(lattice, *numbers)  # type: ignore[call-arg]
        except UnboundedTargetError:
            rule = _normalizable(name, couplings, lattice)
            raise UnboundedTargetError(
                f"the weight of a field must be normalizable: {rule}; got {_listed(couplings)}"
            ) from None
        made.__dict__["_convention"] = (name, couplings)
        return made

    def at(self, **couplings: float) -> Any:
        """Return a copy with other couplings, named as in `couplings`."""
        name, mine = self._convention
        unknown = set(couplings) - set(mine)
        if unknown:
            raise InputError(
                f"couplings of {self!r} are {', '.join(mine)}; got {', '.join(sorted(unknown))}"
            )
        if not name:
            return type(self)(self.lattice, **{**mine, **couplings})  # type: ignore[call-arg]
        maker = getattr(type(self), f"from_{name}")
        return maker(self.lattice, **{**mine, **couplings})

    def rescaled(self, c: float) -> Any:
        """Return the action of the field c phi: S_new(c x) = S(x), log Z_new = log Z + V log c."""
        check_positive("c", c)
        numbers = (self.hop / c**2, self.quad / c**2, self.quart / c**4, self.const)
        return type(self)(self.lattice, *numbers)  # type: ignore[call-arg]

    def field_unit(self, other: Any) -> float:
        """Return c such that the field of `other` is c times this one, for the same theory.

        Raises
        ------
        InputError
            If no rescaling of the field turns one weight into the other.
        """
        if self.lattice != other.lattice:
            raise InputError(
                f"both actions must live on one lattice, got {self.lattice} and {other.lattice}"
            )
        # The ratio of the largest quadratic numbers gives c; the others must then follow.
        mine, theirs = (self.hop, other.hop) if self.hop else (self.quad, other.quad)
        c2 = mine / theirs if theirs and mine / theirs > 0 else math.nan
        pairs = (
            ("hop", self.hop, c2 * other.hop),
            ("quad", self.quad, c2 * other.quad),
            ("quart", self.quart, c2 * c2 * other.quart),
        )
        scale = max(abs(self.hop), abs(self.quad))
        for name, a, b in pairs:
            if not abs(a - b) <= _TOLERANCE * max(abs(a), abs(b), scale):
                raise InputError(
                    "both actions must describe one theory in different units of the field, got "
                    f"{self!r} and {other!r}: {_WHERE[name]} do not agree in any unit"
                )
        return math.sqrt(c2)

    def log_z_shift(self, other: Any) -> float:
        """Return log Z of `other` - log Z of this action, for the same theory.

        Examples
        --------
        >>> from physgen.targets import Phi4
        >>> A = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
        >>> A.log_z_shift(A.to("hopping")) / 16  # (1/2) log(1 / kappa), kappa = 1/4
        0.6931471805599453
        """
        return self.n_sites * (math.log(self.field_unit(other)) + self.const - other.const)

    def to(self, convention: str) -> Any:
        """Return the same theory in another convention of :data:`CONVENTIONS`.

        Its log Z is ``log_z + self.log_z_shift(result)``, its field ``self.field_unit(result)``
        times this one.
        """
        check_choice("convention", convention, CONVENTIONS)
        if self.hop <= 0:
            what = "kappa" if self._convention[0].startswith("hopping") else "hop"
            raise InputError(f"a field must have {what} > 0 to change conventions, got {self!r}")
        d = self.lattice.dim
        if convention.startswith("hopping"):
            # c^2 solves quad / c^2 = 1 - 2 quart / c^4.
            c2 = 0.5 * (self.quad + math.sqrt(self.quad**2 + 8 * self.quart))
        else:
            c2 = self.hop / (2 if convention == "unhalved" else 1)
        hop, quad, quart = self.hop / c2, self.quad / c2, self.quart / c2**2
        couplings = {
            "hopping": (hop / 2, quart),
            "hopping_well": (hop / 2, quart),
            "unhalved": (quad - 2 * d, quart),
            "halved": (2 * quad - 2 * d, quart),
            "quarter": (2 * quad - 2 * d, 4 * quart),
            "factorial": (2 * quad - 2 * d, 24 * quart),
        }[convention]
        return getattr(type(self), f"from_{convention}")(self.lattice, *couplings)


# What the numbers of S are the coefficients of.
_WHERE = {
    "hop": "the terms of neighbours",
    "quad": "the quadratic terms",
    "quart": "the quartic terms",
}


def _listed(couplings: dict[str, float]) -> str:
    return ", ".join(f"{k}={v:g}" for k, v in couplings.items())


def _normalizable(name: str, given: dict[str, float], lattice: Any) -> str:
    """Return when the weight can be normalized, in the couplings of a convention."""
    c = largest_step(lattice)
    if name.startswith("hopping"):
        kappa = math.inf if c == 0 else 1 / (2 * c)
        return f"lam > 0, or lam = 0 and abs(kappa) < {kappa:g}"
    # stiffness dim + m2 / 2 > stiffness c
    m2 = 2 * given.get("stiffness", 1.0) * (c - lattice.dim)
    return f"lam > 0, or lam = 0 and m2 > {m2 + 0.0:g}"


def largest_step(lattice: Any) -> float:
    """Return the largest eigenvalue of sum_mu (shift + inverse shift) / 2."""
    pairs = zip(lattice.shape, lattice.boundaries)
    return sum(1.0 if word == "periodic" else math.cos(math.pi / (n + 1)) for n, word in pairs)


def _numbers(name: str, given: dict[str, float], dim: int) -> tuple[float, float, float, float]:
    """Return (hop, quad, quart, const); (d phi)^2 = 2 dim phi^2 - 2 sum_mu phi phi'."""
    lam = given["lam"]
    if name.startswith("hopping"):
        const = lam if name == "hopping_well" else 0.0
        return 2 * given["kappa"], 1 - 2 * lam, lam, const
    if name == "unhalved":
        return 2.0, 2 * dim + given["m2"], lam, 0.0
    stiffness = given.get("stiffness", 1.0)
    quart = {"halved": lam, "quarter": lam / 4, "factorial": lam / 24}[name]
    return stiffness, dim * stiffness + 0.5 * given["m2"], quart, 0.0
