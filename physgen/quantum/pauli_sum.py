r"""Sums of Pauli strings: the Hermitian operators of observables and Hamiltonians.

.. math:: O = \sum_k c_k \prod_{i \in s_k} P_{k,i}, \qquad P_{k,i} \in \{X, Y, Z\},

with real coefficients :math:`c_k`, which makes O Hermitian.  Every Hermitian operator of L qubits
is one.  In text, the form that configs take::

    X0 Z3 Y7                  one string; sites from 0, identity elsewhere
    0.5 Z0 Z1 - 1.2 X2        a sum of strings
    XZZX                      a letter for every one of L = 4 sites; I is the identity
    sum XX + YY + ZZ          each word at every place: the Heisenberg chain, L - 1 bonds
    sum -ZZ - 0.5 X           the Ising chain with h = J / 2
    mean Z                    each word at every place, over the number of places

``sum`` and ``mean`` hold for all words up to the next one of them; on a ring the words go around.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.errors import InputError

__all__ = ["PauliString", "PauliSum", "pauli_strings"]

# The factors of one string: (site, letter) in the order of sites; () is the identity.
PauliString = tuple[tuple[int, str], ...]

_FORMS = "'X0 Z3 Y7', '0.5 Z0 Z1 - X2' or 'sum XX + YY + ZZ'"
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(
    rf"\s*(?P<sign>[+-]?)\s*(?:(?P<mode>sum|mean)\b\s*(?P<first>[+-]?)\s*)?"
    rf"(?P<numbers>(?:{_NUMBER}\s*\*?\s*)*)"
    r"(?P<string>(?:[IXYZ]\d+\s*)+|[IXYZ]*)"
)


class PauliSum:
    """A Hermitian operator of L qubits.

    Parameters
    ----------
    terms : mapping of PauliString to float
        Coefficient of each string; strings as ``((0, "X"), (3, "Z"))``, sites in any order.
        Coefficients of 0 are left out.
    L : int
        Number of sites.

    Raises
    ------
    InputError
        If a site lies outside 0..L-1 or stands twice in a string, a letter is none of I, X, Y, Z,
        or a coefficient is not a finite real number.

    Examples
    --------
    >>> H = PauliSum.parse("0.5 X0 + sum ZZ", L=3)
    >>> H
    PauliSum('0.5 X0 + Z0 Z1 + Z1 Z2', L=3)
    >>> (2 * H - H) == H
    True
    """

    def __init__(self, terms: Mapping[PauliString, float], L: int) -> None:
        self.L = check_positive_int("L", L)
        self.terms: dict[PauliString, float] = {}
        for factors, coefficient in terms.items():
            string = _checked_string(factors, self.L)
            value = self.terms.get(string, 0.0) + check_finite("coefficient", coefficient)
            self.terms[string] = value
        self.terms = {string: c for string, c in self.terms.items() if c != 0}

    @classmethod
    def parse(cls, text: str, L: int, boundary: str = "open") -> PauliSum:
        """Read an operator as a person writes it; the forms stand at the head of this module.

        Parameters
        ----------
        text : str
        L : int
            Number of sites.
        boundary : {"open", "periodic"}
            Whether the words of ``sum`` and ``mean`` go around.

        Raises
        ------
        InputError
            If the text is none of the forms, or names a site that is not there.
        """
        check_choice("boundary", boundary, ("open", "periodic"))
        terms: dict[PauliString, float] = {}
        for term in _terms_of_text(text):
            strings = list(_placed(term, check_positive_int("L", L), boundary))
            share = 1 / len(strings) if term.mode == "mean" else 1.0
            for string in strings:
                terms[string] = terms.get(string, 0.0) + term.coefficient * share
        if not terms:
            raise InputError(f"an operator must be text such as {_FORMS}, got {text!r}")
        return cls(terms, L)

    def __repr__(self) -> str:
        return f"PauliSum({str(self)!r}, L={self.L})"

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts: list[str] = []
        for string, c in self.terms.items():
            factors = " ".join(f"{letter}{site}" for site, letter in string)
            size = "" if abs(c) == 1 and factors else f"{abs(c):g} "
            sign = ("- " if c < 0 else "+ ") if parts else ("-" if c < 0 else "")
            parts.append(f"{sign}{size}{factors}".rstrip())
        return " ".join(parts)

    def __iter__(self) -> Iterator[tuple[PauliString, float]]:
        return iter(self.terms.items())

    def __len__(self) -> int:
        return len(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PauliSum) and (self.L, self.terms) == (other.L, other.terms)

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: PauliSum) -> PauliSum:
        if self.L != other.L:
            raise InputError(f"operators must have the same L, got {self.L} and {other.L}")
        total = dict(self.terms)
        for string, c in other.terms.items():
            total[string] = total.get(string, 0.0) + c
        return PauliSum(total, self.L)

    def __mul__(self, factor: float) -> PauliSum:
        factor = check_finite("factor", factor)
        return PauliSum({string: factor * c for string, c in self.terms.items()}, self.L)

    __rmul__ = __mul__

    def __neg__(self) -> PauliSum:
        return -1.0 * self

    def __sub__(self, other: PauliSum) -> PauliSum:
        return self + -1.0 * other

    @property
    def constant(self) -> float:
        """Coefficient of the identity: the trace over 2^L."""
        return self.terms.get((), 0.0)

    @property
    def weight(self) -> int:
        """Largest number of sites that a string acts on."""
        return max((len(string) for string in self.terms), default=0)

    @property
    def letters(self) -> str:
        """Letters that occur, in the order X, Y, Z: what a measurement must see."""
        found = {letter for string in self.terms for _, letter in string}
        return "".join(letter for letter in "XYZ" if letter in found)

    def bound(self) -> float:
        """Return the sum of |c_k|, which no expectation value can exceed."""
        return math.fsum(abs(c) for c in self.terms.values())

    def spread(self, step: int) -> PauliSum:
        """Return the same operator of step * L sites, site i at i * step."""
        terms = {
            tuple((i * step, letter) for i, letter in string): c
            for string, c in self.terms.items()
        }
        return PauliSum(terms, self.L * check_positive_int("step", step))


def pauli_strings(
    paulis: PauliSum | Mapping[int, str], L: int
) -> Iterable[tuple[PauliString, float]]:
    """Return the strings of an operator of L sites, and their coefficients.

    Parameters
    ----------
    paulis : PauliSum, or mapping of site to {"I", "X", "Y", "Z"}
        A mapping is one string, with coefficient 1.
    L : int

    Raises
    ------
    InputError
        If the operator has another number of sites, or a mapping names a site or letter that is
        not there.
    """
    if not isinstance(paulis, PauliSum):
        return [(_checked_string(paulis.items(), L), 1.0)]
    if paulis.L != L:
        raise InputError(f"an operator of this state must have L = {L}, got {paulis.L}")
    return paulis.terms.items()


class _Term(NamedTuple):
    """A coefficient before factors with sites, X0 Z3, or a word, XX, or nothing: the identity."""

    coefficient: float
    mode: str  # "sum", "mean", or "" before any of them
    string: str


def _terms_of_text(text: str) -> Iterator[_Term]:
    at, mode, text = 0, "", text.rstrip()
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or not (found["numbers"] or found["string"] or found["mode"]):
            raise InputError(
                f"an operator must be text such as {_FORMS}, got {text[at:].strip()!r}"
            )
        if at and not found["sign"]:
            raise InputError(f"+ or - must stand between terms, got {text[at:]!r} in {text!r}")
        at, mode = found.end(), found["mode"] or mode
        coefficient = math.prod(map(float, re.findall(_NUMBER, found["numbers"])))
        if (found["sign"] == "-") != (found["first"] == "-"):  # before and after "sum"
            coefficient = -coefficient
        yield _Term(coefficient, mode, found["string"])


def _placed(term: _Term, L: int, boundary: str) -> Iterator[PauliString]:
    """Yield the strings of a term."""
    located = [(int(i), letter) for letter, i in re.findall(r"([IXYZ])(\d+)", term.string)]
    if not term.mode:
        if located or not term.string:
            yield _checked_string(located, L)
            return
        if len(term.string) != L:
            raise InputError(
                f"a word of letters must have one for each of {L} sites, got {term.string!r}; "
                f"write 'sum {term.string}' for every place, or name sites: X0 Z1"
            )
    if located:
        raise InputError(
            f"after {term.mode!r} come words such as XX, got {term.string.strip()!r}; write it "
            f"before {term.mode!r}"
        )
    length = len(term.string)
    if not 0 < length <= L:
        raise InputError(
            f"after {term.mode!r} come words of 1 to {L} letters, got {term.string or 'none'!r}"
        )
    for first in range(L if term.mode and boundary == "periodic" else L - length + 1):
        factors = [((first + k) % L, letter) for k, letter in enumerate(term.string)]
        yield _checked_string(factors, L)


def _checked_string(factors: Iterable[tuple[int, str]], L: int) -> PauliString:
    listed = [(int(site), check_choice("letter", p, tuple("IXYZ"))) for site, p in factors]
    sites = [site for site, _ in listed]
    for site in sites:
        if not 0 <= site < L:
            raise InputError(f"a site must be in 0..{L - 1}, got {site}")
        if sites.count(site) > 1:
            raise InputError(
                f"a site must stand once in a string, got site {site} twice; a product of two "
                "letters is another letter, or not Hermitian"
            )
    return tuple(sorted((site, p) for site, p in listed if p != "I"))
