r"""The quantities of a lattice run, each named once: head of a column, symbol, name and unit.

The order of the rows is the order of tables and figures.  A quantity that is not listed, such as
an observable of the user's own action, is shown under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["QUANTITIES", "WEIGHTS", "Quantity", "attrs", "head", "ordered", "quantity"]


@dataclass(frozen=True)
class Quantity:
    """How one quantity is shown.

    Attributes
    ----------
    name : str
        In run files.
    head : str
        Of a column of a table, plain text.
    symbol : str
        For axes, in TeX.
    long_name : str
        In words.
    units : str
        "1" if it has none.
    """

    name: str
    head: str
    symbol: str
    long_name: str
    units: str = "1"


_ESTIMATES = (
    Quantity(
        "free_energy_per_site",
        "-log Z/(beta V)",
        r"$-\log Z / (\beta V)$ ($J$ per site)",
        "free energy per site",
        "J",
    ),
    Quantity("entropy_per_site", "entropy/V", "$s$ ($k_B$ per site)", "entropy per site", "k_B"),
    Quantity("energy_per_site", "e", "$e$ ($J$ per site)", "energy per site", "J"),
    Quantity("action_per_site", "S/V", "$S / V$", "action per site"),
    Quantity("specific_heat", "c", "$c$ ($k_B$ per site)", "specific heat", "k_B"),
    Quantity("abs_magnetization", "<|m|>", r"$\langle |m| \rangle$", "magnetization"),
    Quantity(
        "chi_abs",
        "chi_abs",
        r"$V (\langle m^2 \rangle - \langle |m| \rangle^2)$",
        "susceptibility of |m|",
    ),
    Quantity("susceptibility", "chi", r"$V \langle m^2 \rangle$", "susceptibility"),
    Quantity("binder", "U_L", "$U_L$", "Binder cumulant"),
    Quantity("magnetization", "<m>", r"$\langle m \rangle$", "magnetization with its sign"),
    Quantity("bond_product", "<x x'>", r"$\langle x_a x_b \rangle$", "product over a bond"),
    Quantity("phi2", "<phi^2>", r"$\langle \phi^2 \rangle$", "field squared"),
)
_CHAINS = (
    Quantity("tau_int", "tau_int", r"$\tau_{\rm int}$", "autocorrelation time", "draw"),
    Quantity("r_hat", "R-hat", r"$\hat R$", "R-hat of the slowest observable"),
    Quantity("ess", "ess", r"$n / 2 \tau_{\rm int}$", "independent draws"),
    Quantity("acceptance_rate", "accepted", "acceptance", "acceptance rate"),
)
_WEIGHTS = (
    Quantity("log_z", "log Z", r"$\log Z$", "log Z"),
    Quantity("free_energy", "F", r"$F = -\log Z$", "free energy"),
    Quantity("entropy", "entropy", "$S$ ($k_B$)", "entropy", "k_B"),
    Quantity(
        "variational_free_energy", "F_q", "$F_q$", "variational free energy, a bound from above"
    ),
    Quantity("ess_share", "ess", "ESS / n", "effective share, the least that is known"),
    Quantity("ess_reverse", "ess\nreverse", "ESS / n", "effective share of the model's draws"),
    Quantity("ess_forward", "ess\nforward", "ESS / n", "effective share of the target's draws"),
    Quantity("k_hat", "k-hat", r"$\hat k$", "Pareto index of the largest weights"),
    Quantity(
        "largest_share", "largest\nshare", r"$\max w / \sum w$", "share of the largest weight"
    ),
    Quantity("round_trip", "round\ntrip", "round trip", "error of inverting the model"),
    Quantity("discretisation", "steps", "discretisation", "error of the steps of integration"),
)

QUANTITIES = {row.name: row for row in _ESTIMATES}  # expectation values, in the order shown
WEIGHTS = {row.name: row for row in _WEIGHTS}  # what weighted draws say of Z and of themselves
_ALL = QUANTITIES | {row.name: row for row in (*_CHAINS, *_WEIGHTS)}


def quantity(name: str) -> Quantity:
    """Return the row of a quantity; one that is not listed is shown under its own name."""
    words = name.replace("_", " ")
    return _ALL.get(name) or Quantity(name, name, words, words)


def head(name: str) -> str:
    """Return the head of its column."""
    return quantity(name).head


def attrs(name: str) -> dict[str, str]:
    """Return the attributes of a variable of a run file, or of its ``<name>_error``."""
    row = quantity(name.removesuffix("_error"))
    if name != row.name:
        return {"long_name": f"standard error of the {row.long_name}", "units": row.units}
    title = row.head.replace("\n", " ")  # what tables and figures call it
    return {"head": title, "symbol": row.symbol, "long_name": row.long_name, "units": row.units}


def ordered(names: Iterable[str]) -> list[str]:
    """Return the names in the order of the table, those that are not listed last."""
    order = {name: k for k, name in enumerate(_ALL)}
    return sorted(names, key=lambda name: order.get(name, len(order)))
