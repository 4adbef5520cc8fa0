"""Every conversion of docs/glossary.md, computed: the tables are read from the page."""

import doctest
import itertools
import math
import re
from functools import reduce

import numpy as np
import pytest
from helpers.paulis import matrix
from helpers.site import ROOT
from helpers.statistics import within

import physgen as pg
from physgen.analysis import ess, tau_int, weights
from physgen.observables import binder
from physgen.validation import classical_fidelity, relative_entropy

PAGE = ROOT / "docs" / "glossary.md"
COUPLINGS = {"kappa": 0.27, "lam": 0.35, "m2": -1.3}


def table(section, number=0):
    """Rows of a table of a section, without its head."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    rows = [[cell.strip() for cell in line.strip("| ").split("|")]
            for line in blocks[number].splitlines()]  # fmt: skip
    return [[cell.strip("` ") for cell in row] for row in rows[2:]]


def value(formula, **names):
    return eval(formula, {"sqrt": math.sqrt, "log": math.log, "tanh": math.tanh}, names)


def numbers_here(cell, **names):
    """The couplings that a cell such as `TFIM, J_here = J/4, h_here = h/2` states."""
    found = re.findall(r"(\w+?)(?:_here)? = ([^,]+)", cell)
    return {name: value(formula, **names) for name, formula in found}


def test_the_examples_of_the_page_run():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert (found.failed, found.attempted > 3) == (0, True)


# --- phi^4 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("phi^4"), ids=lambda row: row[0])
@pytest.mark.parametrize("d", [2, 3])
def test_the_four_numbers(row, d):
    name, _, *formulas = row
    make = getattr(pg.Phi4, f"from_{name}")
    first = "kappa" if "hopping" in name else "m2"
    S = make(L=4, lam=0.35, dim=d, **{first: COUPLINGS[first]})
    for key, formula in zip(("hop", "quad", "quart", "const"), formulas, strict=True):
        assert S.numbers[key] == pytest.approx(value(formula, d=d, **COUPLINGS), abs=1e-14), key


def test_the_actions_are_those_that_the_page_writes():
    """The second column, evaluated on a configuration."""
    x = np.random.default_rng(1).standard_normal((4, 4))
    forward = [np.roll(x, -1, axis) for axis in (0, 1)]
    hops = sum(x * y for y in forward)
    steps = sum((y - x) ** 2 for y in forward)
    rows = table("phi^4")
    assert len(rows) == 6
    for name, text, *_ in rows:
        first = "kappa" if "hopping" in name else "m2"
        S = getattr(pg.Phi4, f"from_{name}")(L=4, lam=0.35, **{first: COUPLINGS[first]})
        code = text.replace("sum phi phi'", "*hops").replace("(d phi)^2", "steps")
        code = code.replace("4!", "24").replace("^", "**")
        code = re.sub(r"(?<=[\w)]) (?=[(\w*])", "*", code).replace("**hops", "*hops")
        here = eval(code, {"hops": hops, "steps": steps, "phi": x, **COUPLINGS})
        assert S.action(x[None])[0] == pytest.approx(here.sum(), rel=1e-12), name


@pytest.mark.parametrize("row", table("phi^4", 1), ids=lambda row: row[0])
@pytest.mark.parametrize("d", [1, 2])
def test_the_same_theory_in_another_convention(row, d):
    name, *formulas = row
    m2, lam = -1.3, 0.35
    A = pg.Phi4.from_unhalved(L=4, m2=m2, lam=lam, dim=d)
    q = m2 + 2 * d
    names = {"m2": m2, "lam": lam, "u": (q + math.sqrt(q**2 + 8 * lam)) / 2}
    first, quartic, c, const = (value(formula, **names) for formula in formulas)
    B = A.to(name)
    assert list(B.couplings.values())[:2] == pytest.approx([first, quartic], abs=1e-12)
    x = np.random.default_rng(2).standard_normal((3, *A.event_shape))
    V = A.n_sites
    # S_B(c x) = S_A(x) - V const by the page, so Z_B = c^V e^{V const} Z_A.
    assert B.action(c * x) == pytest.approx(A.action(x) - V * const, abs=1e-9)
    assert A.log_z_shift(B) == pytest.approx(V * (math.log(c) + const), abs=1e-10)


def test_back_from_hopping():
    kappa, lam, d = 0.27, 0.022, 2
    B = pg.Phi4.from_hopping(L=4, kappa=kappa, lam=lam).to("unhalved")
    stated = PAGE.read_text().split("and back from `hopping`: ")[1].split(".  ")[0]
    assert " ".join(stated.split()) == (
        "m2 = (1 - 2 lam) / kappa - 2 d, lam_unhalved = lam / kappa^2, c = sqrt(kappa)"
    )
    assert B.couplings["m2"] == pytest.approx((1 - 2 * lam) / kappa - 2 * d, abs=1e-12)
    assert B.couplings["lam"] == pytest.approx(lam / kappa**2, abs=1e-12)
    unit = pg.Phi4.from_hopping(L=4, kappa=kappa, lam=lam).field_unit(B)
    assert unit == pytest.approx(math.sqrt(kappa), abs=1e-12)


# --- Ising -------------------------------------------------------------------------------------

SPINS = np.array(list(itertools.product([-1, 1], repeat=9)), dtype=np.int8).reshape(-1, 3, 3)


def elsewhere(i):
    """-S of all states of a 3 x 3 torus, as row i of the table writes it; and the couplings."""
    s = SPINS.astype(float)
    once = sum(s * np.roll(s, -1, axis) for axis in (1, 2)).sum((1, 2))
    total = s.sum((1, 2))
    J, h, beta, e, mu, z = 0.7, 0.3, 0.4, 0.9, 0.2, 4
    n, pairs = (s + 1) / 2, 2 * once
    gas = sum(n * np.roll(n, -1, axis) for axis in (1, 2)).sum((1, 2))
    K, B, T = 0.4, 0.11, 2.5
    return [
        (K * once + B * total, {"K": K, "B": B}),
        (once / T, {"T": T}),
        (beta * (J * pairs + h * total), {"J": J}),
        (beta * (J / 2 * pairs + h * total), {"J": J}),
        (beta * (J * once / 4 + h * total / 2), {"J": J, "h": h}),
        (beta * (e * gas + mu * n.sum((1, 2))), {"e": e, "mu": mu, "z": z}),
        (-beta * J * once, {"J": J}),
    ][i]


@pytest.mark.parametrize("i", range(7))
def test_ising_conventions(i):
    text, cell = table("Ising spins")[i]
    minus_S, names = elsewhere(i)
    here = {"beta": 0.4, "J": 1.0, "h": 0.0}
    if i in (2, 3):
        here["h"] = 0.3
    here |= numbers_here(cell, **names)
    S = pg.Ising(L=3, **here).action(SPINS)
    shift = -S - minus_S
    assert np.ptp(shift) < 1e-12, text  # the same law; a gas counts energies from elsewhere
    if "lattice gas" in text:
        e, mu, z = 0.9, 0.2, 4
        assert shift[0] == pytest.approx(-0.4 * 9 * (z * e / 8 + mu / 2), abs=1e-12)
    else:
        assert abs(shift[0]) < 1e-12


def test_every_ising_row_is_tested():
    assert len(table("Ising spins")) == 7


# --- quantum chains ----------------------------------------------------------------------------

X, Y, Z = (np.array(m, dtype=complex) for m in
           ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]))  # fmt: skip


def kron_all(factors, L):
    return reduce(np.kron, [factors.get(k, np.eye(2)) for k in range(L)])


def chain(L, bond, site):
    """A sum of bond terms c AB and site terms c A."""
    H = np.zeros((2**L, 2**L), dtype=complex)
    for c, a, b in bond:
        for i in range(L - 1):
            H += c * kron_all({i: a, i + 1: b}, L)
    for c, a in site:
        for i in range(L):
            H += c * kron_all({i: a}, L)
    return H


@pytest.mark.parametrize("i", range(6))
def test_chains_have_the_spectrum_of_their_translation(i):
    J, h, g, Delta, Jz, L = 0.8, 0.6, 1.7, 0.4, 0.5, 4
    up, down = (X + 1j * Y) / 2, (X - 1j * Y) / 2
    theirs = [
        chain(L, [(-J, Z / 2, Z / 2)], [(-h, X / 2)]),
        chain(L, [(-1, Z, Z)], [(-g, X)]),
        chain(L, [(-J, X, X)], [(-h, Z)]),
        chain(L, [(J, Z, Z)], [(h, X)]),
        chain(L, [(J, X / 2, X / 2), (J, Y / 2, Y / 2), (J * Delta, Z / 2, Z / 2)], [(-h, Z / 2)]),
        chain(L, [(J / 2, up, down), (J / 2, down, up), (Jz, Z / 2, Z / 2)], []),
    ][i]
    _, cell = table("Quantum chains")[i]
    here = numbers_here(cell, J=J, h=h, g=g, Jz=Jz)
    if cell.startswith("TFIM"):
        ours = chain(L, [(-here["J"], Z, Z)], [(-here["h"], X)])
        assert pg.TFIM(L=L, **here).ground_state_energy() == pytest.approx(
            np.linalg.eigvalsh(theirs)[0], abs=1e-10
        )
    else:
        here = {"Delta": Delta, "h": 0.0} | here
        ours = matrix(pg.XXZ(L=L, **here).pauli_sum())
    assert np.linalg.eigvalsh(ours) == pytest.approx(np.linalg.eigvalsh(theirs), abs=1e-10)


# --- distances, chains, weights ----------------------------------------------------------------


def test_distances():
    rng = np.random.default_rng(3)
    P, Q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    F = np.sqrt(P * Q).sum()
    assert pytest.approx(1 - ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum() / 2) == F
    assert 1 - F <= np.abs(P - Q).sum() / 2 <= np.sqrt(1 - F**2)
    drawn = rng.choice(6, size=40_000, p=P)
    found = classical_fidelity(np.log(P)[drawn], np.log(Q)[drawn])
    assert within(found.value, F, found.error, largest=0.01)
    kl = relative_entropy(np.log(P)[drawn], np.log(Q)[drawn])
    in_bits = (P * np.log2(P / Q)).sum()
    assert within(kl.value / math.log(2), in_bits, kl.error / math.log(2), largest=0.02)
    assert not within(kl.value, in_bits, kl.error, largest=0.02)  # nats are not bits


def test_autocorrelation_times():
    """AR(1) with rho(t) = a^t: tau_int = (1 + a) / (2 (1 - a)) = 1/2 / tanh(1 / (2 tau))."""
    tau = 4.0
    a = math.exp(-1 / tau)
    exact = value("1/2 / tanh(1/(2*tau))", tau=tau)
    assert exact == pytest.approx((1 + a) / (2 * (1 - a)))
    rng = np.random.default_rng(4)
    x = np.empty((64, 4000))
    x[:, 0] = rng.standard_normal(64)
    noise = math.sqrt(1 - a * a) * rng.standard_normal(x.shape)
    for t in range(1, x.shape[1]):
        x[:, t] = a * x[:, t - 1] + noise[:, t]
    found = tau_int(x)
    assert within(found.value, exact, found.error, largest=0.1)
    assert not within(found.value, 2 * exact, found.error, largest=0.1)  # 1 + 2 sum rho
    assert ess(x) == pytest.approx(x.size / (2 * found.value))
    emcee = pytest.importorskip("emcee.autocorr")
    theirs = emcee.integrated_time(x.T[:, :, None], c=6, quiet=True)[0]
    assert theirs == pytest.approx(2 * found.value, rel=0.05)


def test_weights_and_binder():
    log_w = np.random.default_rng(5).standard_normal(1000)
    w = np.exp(log_w)
    assert 1000 * weights.ess(log_w) == pytest.approx(w.sum() ** 2 / (w**2).sum())
    m2, m4 = 0.3, 0.15
    assert 3 * (1 - binder(m2, m4)) == pytest.approx(m4 / m2**2)
    assert 1 / (3 * (1 - binder(m2, m4))) == pytest.approx(m2**2 / m4)


def test_langevin_steps():
    """One step of delta/2 of ours has the drift and the noise of one step delta of theirs."""
    delta, target = 0.2, pg.FreeField(4, m2=1.0)
    bound = pg.ULA(step_size=delta / 2).bind(target)
    state = bound.init(pg.Stream(1), 4096)
    x = bound.configurations(state).astype(float)
    state, _ = bound.step(pg.Stream(2), state)
    moved = bound.configurations(state) - x - delta / 2 * target.force(x)
    n = moved.size
    assert within(float((moved**2).mean()), delta, delta * math.sqrt(2 / n), largest=0.01)
    assert abs(float(moved.mean())) < 4 * math.sqrt(delta / n)
