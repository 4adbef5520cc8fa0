"""24 small files as laboratories and other programs write them, for the figure `formats_read`.

Each case writes files into a folder and says how `physgen import-data` is called, and either the
pauli-6 outcomes that it must find (in whatever order), or a word that its one line of refusal must
hold.  Shots are of |0> |+> |+i>, in random bases, so that every mistake of order shows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

L = 3


@dataclass
class Shots:
    """Bases 0 = Z, 1 = X, 2 = Y and bits, shape (n, L), and what is made of them."""

    bases: np.ndarray
    bits: np.ndarray

    @classmethod
    def drawn(cls, n: int, seed: int) -> Shots:
        """Return n random shots."""
        rng = np.random.default_rng(seed)
        bases, bits = rng.integers(0, 3, (n, L)), rng.integers(0, 2, (n, L))
        return cls(bases, np.where(bases == np.arange(L), 0, bits))

    @property
    def outcomes(self) -> np.ndarray:
        """Outcomes of pauli-6."""
        return self.bases + 3 * self.bits

    @property
    def words(self) -> list[str]:
        """The bases of each shot as letters."""
        return ["".join("ZXY"[b] for b in row) for row in self.bases]

    @property
    def strings(self) -> list[str]:
        """The bits of each shot as text."""
        return ["".join(map(str, row)) for row in self.bits]

    @property
    def recipes(self) -> np.ndarray:
        """Integers for bases as classical shadows have them: 0 = X, 1 = Y, 2 = Z."""
        return np.array([2, 0, 1])[self.bases]

    def counts(self) -> dict[str, dict[str, int]]:
        """Counts of each setting."""
        found: dict[str, Counter[str]] = {}
        for word, string in zip(self.words, self.strings):
            found.setdefault(word, Counter())[string] += 1
        return {word: dict(counter) for word, counter in found.items()}


@dataclass
class Case:
    """How a file is made, how it is imported, and what must come of it."""

    name: str
    make: Callable[[Path, Shots], Any]  # the file, or the file and more arguments
    argv: tuple[str, ...]
    expect: Callable[[Shots], np.ndarray] | str


def lines(path: Path, rows: Any, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.write_bytes((end.join(rows) + end).encode(encoding))
    return path


def pairs(s: Shots) -> list[str]:
    return [f"{w} {x}" for w, x in zip(s.words, s.strings)]


def dumped(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def two_arrays(p: Path, s: Shots) -> list[str]:
    np.save(p / "bits.npy", s.bits)
    np.save(p / "recipes.npy", s.recipes)
    return [str(p / "bits.npy"), "--bases", str(p / "recipes.npy")]


def in_hdf5(p: Path, s: Shots) -> Path:
    import h5py

    with h5py.File(p / "a.h5", "w") as file:
        file["run/bits"], file["run/basis"] = s.bits, np.array(list("ZXY"))[s.bases].astype("S1")
        file["run/time"] = np.arange(1.0 * len(s.bits))
    return p / "a.h5"


def lost(s: Shots) -> np.ndarray:
    """Every seventh shot has lost its middle qubit."""
    marked = s.bits.astype(str)
    marked[::7, 1] = "-"
    return marked


def flat(s: Shots) -> list[tuple[str, str, int]]:
    return [(w, k, n) for w, counts in s.counts().items() for k, n in counts.items()]


def everything(s: Shots) -> np.ndarray:
    return s.outcomes


def z_only(s: Shots) -> np.ndarray:
    return s.bits


CASES = [
    Case("counts a setting, JSON, last bit first",
         lambda p, s: dumped(p / "a.json", {w[::-1]: {k[::-1]: n for k, n in c.items()}
                                            for w, c in s.counts().items()}),
         ("--reverse",), everything),
    Case("list of settings with counts, JSON",
         lambda p, s: dumped(p / "a.json", [{"basis": w, "counts": c}
                                            for w, c in s.counts().items()]), (), everything),
    Case("counts, hexadecimal",
         lambda p, s: dumped(p / "a.json", {hex(int(k, 2)): n
                                            for k, n in Counter(s.strings).items()}),
         ("--n-sites", "3"), z_only),
    Case("counts, hexadecimal, number of sites unknown",
         lambda p, s: dumped(p / "a.json", {"0x0": 5, "0x6": 9}), (), "--n-sites"),
    Case("counts with registers",
         lambda p, s: dumped(p / "a.json", {f"{k[0]} {k[1:]}": n
                                            for k, n in Counter(s.strings).items()}), (), z_only),
    Case("csv with a column of counts",
         lambda p, s: lines(p / "a.csv", ["basis,bitstring,count",
                                          *(f"{w},{k},{n}" for w, k, n in flat(s))]),
         (), everything),
    Case("counts as text",
         lambda p, s: lines(p / "a.txt", [f"{w} {k} {n}" for w, k, n in flat(s)]),
         ("--format", "counts"), everything),
    Case("shares instead of counts",
         lambda p, s: dumped(p / "a.json", {"000": 0.25, "111": 0.75}), (), "whole numbers"),
    Case("signs by turns", lambda p, s: lines(p / "a.txt", [
        " ".join(f"{b}{'+-'[x]}" for b, x in zip(w, r)) for w, r in zip(s.words, s.bits)]),
         (), everything),
    Case("classical shadow, eigenvalues", lambda p, s: lines(p / "a.txt", [
        " ".join(f"{b} {1 - 2 * x}" for b, x in zip(w, r)) for w, r in zip(s.words, s.bits)]),
         (), everything),
    Case("bits and recipes, no order", lambda p, s: saved(p / "a.npz", bits=s.bits,
                                                          recipes=s.recipes),
         ("--format", "bits"), "--bases-order"),
    Case("bits and recipes, npz", lambda p, s: saved(p / "a.npz", bits=s.bits, recipes=s.recipes),
         ("--bases-order", "XYZ"), everything),
    Case("bits and recipes, two npy", two_arrays, ("--bases-order", "XYZ"), everything),
    Case("bits and bases in HDF5", in_hdf5, ("--format", "bits"), everything),
    Case("an array that nobody understands",
         lambda p, s: saved(p / "a.npz", bits=s.bits, mask=s.bits > 0), ("--format", "bits"),
         "--ignore"),
    Case("shot number, basis, bits", lambda p, s: lines(p / "a.csv", [
        "shot,basis,bits", *(f"{k},{w},{x}" for k, (w, x) in enumerate(zip(s.words, s.strings)))]),
         (), everything),
    Case("columns of sites, numbered", lambda p, s: lines(p / "a.csv", [
        "q2,q1,q0,b0,b1,b2",
        *(",".join([*x[::-1], *w]) for w, x in zip(s.words, s.strings))]), (), everything),
    Case("lost qubits, shots left out", lambda p, s: lines(p / "a.txt", [
        f"{w} {''.join(x)}" for w, x in zip(s.words, lost(s))]), ("--lost", "drop"),
         lambda s: s.outcomes[np.arange(len(s.bits)) % 7 > 0]),
    Case("lost qubits, unstated", lambda p, s: lines(p / "a.txt", [
        f"{w} {''.join(x)}" for w, x in zip(s.words, lost(s))]), (), "--lost"),
    Case("transposed array",
         lambda p, s: saved(p / "a.npz", outcomes=s.outcomes.T), ("--povm", "pauli-6"),
         "--n-sites"),
    Case("line ends of a Mac", lambda p, s: lines(p / "a.txt", pairs(s), end="\r"), (),
         everything),
    Case("byte order mark, UTF-16", lambda p, s: lines(p / "a.txt", pairs(s), "\r\n", "utf-16"),
         (), everything),
    Case("broken first line", lambda p, s: lines(p / "a.txt", ["XZY 0-0", *pairs(s)]), (),
         "line 1 of a.txt"),
    Case("broken third line", lambda p, s: lines(p / "a.txt", [
        *pairs(s)[:2], "010 HZZ", *pairs(s)[2:]]), (), "line 3 of a.txt"),
]  # fmt: skip
