"""Measurement files of every kind that import-data reads, damaged, and options that may fit."""

import gzip
import io
import json

import h5py
import numpy as np
from helpers.fuzz_text import broken_bytes, one_of

L = 3
SUFFIX = [".txt", ".csv", ".json", ".npy", ".npz", ".h5", ".hdf5", ".gz", ".txt.gz", ".dat", "",
          ".TXT", ".xlsx"]  # fmt: skip
OPTIONS = {
    "--format": ["integers", "onehot", "bits", "bits+bases", "counts", "text", "csv", "json",
                 "npy", "npz", "hdf5", "x", ""],
    "--bases": ["X", "XYZ", "xyz", "XYQ", "", "bases.txt", "no.txt", ".", "XYZXYZ" * 100, "☃"],
    "--bases-order": ["XYZ", "ZXY", "ZYX", "XY", "", "xyz", "XXY"],
    "--povm": ["pauli-6", "pauli-4", "tetrahedral", "computational", "x", "", "povm.npz", ".",
               "shots.txt", "kept.h5"],
    "--outcome-order": ["aqt", "povm-genmodel", "Z+,X+,Y+,Z-,X-,Y-", "Z+,Z+", ",", "0,1", ""],
    "--bit-one": ["up", "down", "x", ""],
    "--n-sites": ["3", "2", "6", "0", "-1", "1e3", "99999999999999999999", "x", "nan"],
    "--lost": ["drop", "marginalise", "x", ""],
    "--ignore": ["count", "shot", "mask", "bits", "", "☃"],
    "--readout": ["0.01,0.02", "0.5,0.5", "nan,0", "1,1", "-1,2", "0.1", "", "cal.json", ".",
                  "1e400,0", "a,b", "0.6,0.4"],
    "--settings": ["auto", "keep", "random", "x"],
    "--merge": ["pauli-4", "pauli-6", "x", ""],
    "--J": ["1", "nan", "inf", "1e308", "x", "0"],
    "--h": ["1", "nan", "-inf", "1e-320", ""],
    "--boundary": ["open", "periodic", "x"],
    "--source": ["lab", "", "é☃", "x" * 100_000],
}  # fmt: skip


def measurement_case(rng, folder):
    """Return the call of import-data with a file that may be damaged, and options."""
    name, content, fitting = one_of(rng, KINDS)(rng)
    damage = rng.random() < 0.6
    content = broken_bytes(rng, content) if damage else content
    if rng.random() < 0.15:
        name = name.split(".")[0] + one_of(rng, SUFFIX)
    if name.endswith(".gz") and rng.random() < 0.8:
        content = gzip.compress(content)
        content = content[: len(content) // 2] if rng.random() < 0.3 else content
    (folder / name).write_bytes(content)
    given = name
    if rng.random() < 0.04:
        given = one_of(
            rng, ["no.txt", ".", "kept", "ring", "/proc/self/mem", "", "\udcff", "/dev/null"]
        )
    side_files(rng, folder)
    argv = ["import-data", given, *(fitting if rng.random() < 0.9 else ())]
    out = "o.h5" if rng.random() < 0.9 else one_of(
        rng, ["kept.h5", "kept", "no/o.h5", name, "", "o.txt", "ring", "kept/o.h5",
              "x" * 300 + ".h5"]
    )  # fmt: skip
    argv += ["--out", out]
    for _ in range(rng.integers(0, 4) if rng.random() < 0.6 else 0):
        key = one_of(rng, list(OPTIONS))
        argv += [key, one_of(rng, OPTIONS[key])]
    if rng.random() < 0.1:
        argv += [one_of(rng, ["--reverse", "--ignore", "--bases", "--nonsense", "extra"])]
    return argv


def side_files(rng, folder):
    """Write what options may point at: bases, calibration, a POVM."""
    text = b"XYZ\nZZX\nYXY\n"
    (folder / "bases.txt").write_bytes(broken_bytes(rng, text) if rng.random() < 0.4 else text)
    cal = json.dumps({"000": {"000": 90, "111": 10}, "111": {"000": 5, "111": 95}}).encode()
    (folder / "cal.json").write_bytes(broken_bytes(rng, cal) if rng.random() < 0.5 else cal)
    array = io.BytesIO()
    elements = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], complex)
    np.savez(
        array, elements=one_of(rng, [elements, elements.real, elements * 2, elements[0], "x"])
    )
    held = array.getvalue()
    (folder / "povm.npz").write_bytes(broken_bytes(rng, held) if rng.random() < 0.5 else held)


def _drawn(rng):
    n = int(one_of(rng, [1, 2, 5, 40, 300]))
    return rng.integers(0, 3, (n, L)), rng.integers(0, 2, (n, L))


def _rows(rng, sep=""):
    bases, bits = _drawn(rng)
    words = [sep.join("ZXY"[b] for b in row) for row in bases]
    return words, [sep.join(map(str, row)) for row in bits]


def pairs(rng):
    words, bits = _rows(rng, one_of(rng, ["", " "]))
    return "a.txt", ("\n".join(f"{w} {b}" for w, b in zip(words, bits)) + "\n").encode(), ()


def bits_only(rng):
    _, bits = _rows(rng, one_of(rng, ["", " ", ","]))
    return "a.txt", "\n".join(bits).encode(), ("--format", "bits")


def columns(rng):
    words, bits = _rows(rng)
    rows = [f"{k},{w},{b},{k % 7}" for k, (w, b) in enumerate(zip(words, bits))]
    head = one_of(
        rng, ["shot,basis,bits,count", "shot,basis,bits,x", "a,b,c,d", "basis,basis,b,b"]
    )
    return "a.csv", "\n".join([head, *rows]).encode(), ()


def outcomes(rng):
    bases, bits = _drawn(rng)
    text = "\n".join(" ".join(map(str, row)) for row in bases + 3 * bits)
    return "a.txt", text.encode(), ("--povm", "pauli-6")


def onehot(rng):
    bases, _ = _drawn(rng)
    rows = np.eye(4, dtype=int)[bases].reshape(len(bases), -1)
    text = "\n".join(" ".join(map(str, row)) for row in rows)
    return "a.txt", text.encode(), ("--format", "onehot", "--povm", "pauli-4")


def counts(rng):
    words, bits = _rows(rng)
    nasty = [1, 5, 512, -1, 0, 0.5, 1e300, "3", None, [], {}, float("nan"), True, 10**30]
    many = [5] if rng.random() < 0.5 else nasty
    table = {}
    for w, b in zip(words, bits):
        table.setdefault(w, {})[b] = one_of(rng, many)
    if rng.random() < 0.3:
        table = one_of(rng, [[table], {"counts": table}, table[words[0]], [], {}, 3, "x", [1, [2]],
                             [{"basis": w, "counts": c} for w, c in table.items()],
                             [{"basis": w} for w in table], {"0x3": 5, "0x1": 2}, {"": 3},
                             {"0 1": 3, "11": 2}, None])  # fmt: skip
    return "a.json", json.dumps(table).encode(), ()


def arrays(rng):
    bases, bits = _drawn(rng)
    return _array(rng, one_of(rng, [bits, bases + 3 * bits, bases]))


def _array(rng, x):
    kinds = [
        x, x.astype(float), x.astype(complex), x.astype(bool), x.astype("U1"), x.astype("S1"),
        x.astype(np.uint8), x.astype(np.int64) * 2**40, x - 5, x[:0], x[:, :0], x[0], x.T,
        x[None], np.array(3), np.where(x == 1, np.nan, x), x.astype("datetime64[s]"),
        x.astype(object),
        np.array([{"a": 1}], object), np.zeros(3, [("a", int), ("b", float)]), x.astype(">f4"),
        np.full((3, 3), np.inf), x.astype(np.uint64) + 2**63, np.array(["XZY 010"] * 3),
    ]  # fmt: skip
    file = io.BytesIO()
    np.save(file, one_of(rng, kinds) if rng.random() < 0.7 else x)
    options = [(), ("--format", "bits"), ("--povm", "pauli-6"), ("--format", "onehot")]
    return "a.npy", file.getvalue(), one_of(rng, options)


def several(rng):
    bases, bits = _drawn(rng)
    named = {"bits": bits, "bases": bases, "recipes": bases, "outcomes": bases + 3 * bits,
             "mask": bits > 0, "time": np.arange(len(bits)), "count": np.ones(len(bits)),
             "a": bits[:, 0], "empty": bits[:0], "word": np.array("x")}  # fmt: skip
    names = [str(n) for n in rng.choice(list(named), rng.integers(0, 4), replace=False)]
    chosen = {name: named[name] for name in ["bits", *names][: rng.integers(0, 5)]}
    options = [(), ("--format", "bits"), ("--bases-order", "XYZ"), ("--povm", "pauli-6")]
    file = io.BytesIO()
    if rng.random() < 0.5:
        np.savez(file, **chosen)
        return "a.npz", file.getvalue(), one_of(rng, options)
    with h5py.File(file, "w") as h5:
        for name, x in chosen.items():
            h5[one_of(rng, ["", "run/", "é/"]) + name] = (
                x.astype("S1") if x.dtype.kind == "U" else x
            )
        if rng.random() < 0.2:
            h5["soft"] = h5py.SoftLink("/nowhere")
            h5["out"] = h5py.ExternalLink("no.h5", "/x")
    return "a.h5", file.getvalue(), one_of(rng, options)


KINDS = [pairs, bits_only, columns, outcomes, onehot, counts, arrays, several]
