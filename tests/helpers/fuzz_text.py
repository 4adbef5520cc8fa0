"""Nasty values, TOML that holds them, and bytes that are damaged."""

import numpy as np

HUGE = 10**400
ENDLESS = 16**6000  # of more digits than Python writes
DEEP: list = []
for _ in range(300):
    DEEP = [DEEP]
NASTY = [
    -1, 0, 1, 2, 3.5, -0.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"),
    2**31, 2**63, -(2**63), HUGE, -HUGE, ENDLESS, DEEP, 10**6, 10**12, True, False, "", " ",
    "x", "nan", "1", "é☃", "a\x00b", "\n", "60s", "1e400s", "-5s", "0s", "nans", "auto",
    "cuda", "cuda:99", "cpu",
    "x" * 5000, "../..", "/", "/proc/self/mem", "/dev/null", "~nobody/x", "own.py", "kept.h5",
    "kept", "ring", "shots.txt", [], [1], [[]], [[[1]]], [1, "a"], [float("nan")], [0.0, HUGE],
    ["a", "a"], [2, 2], [-1, 4], [3, 5], [True], {}, {"a": 1}, {"start": 0, "stop": 1, "n": 3},
    {"start": 0, "stop": 1, "n": 10**9}, {"start": "a", "stop": 1, "n": 3},
    {"start": 0.1, "stop": float("inf"), "n": 3}, {"start": 0, "stop": 1, "n": -1}, {"name": "x"},
    list(range(500)), "periodic", "open", "mps", "lpdo", "lstm", "hmc", "ising-2d", "phi4-2d",
    "tfim-1d", "free-field", "pauli-4", "computational", "unhalved", "zuko-flow", "made", "broken",
]  # fmt: skip


def one_of(rng, items):
    """Return one of `items`; not an array of NumPy, whatever they are."""
    return items[rng.integers(len(items))]


def literal(value):
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return hex(value) if value == ENDLESS else repr(value)


def quoted(text):
    """Return a basic string of TOML."""
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\x00": "\\u0000"}
    return '"' + "".join(special.get(c, c) for c in text) + '"'


def toml_of(table):
    """Return a table as TOML, every section that can be one as a section."""
    plain = {k: v for k, v in table.items() if not _is_section(v) and not _are_sections(v)}
    lines = [f"{quoted(k)} = {literal(v)}" for k, v in plain.items()]
    for key, value in table.items():
        if key in plain:
            continue
        for each in [value] if _is_section(value) else value:
            lines.append(f"[{quoted(key)}]" if _is_section(value) else f"[[{quoted(key)}]]")
            lines += [f"{quoted(k)} = {literal(v)}" for k, v in each.items()]
    return "\n".join(lines) + "\n"


def _is_section(value):
    return isinstance(value, dict)


def _are_sections(value):
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def broken_bytes(rng, content):
    """Return bytes with one thing done to them that editors, disks and people do."""
    n, act = len(content), rng.integers(13)
    cut = int(rng.integers(n + 1))
    if act == 0:
        return content[:cut]
    if act == 1:
        noise = rng.integers(0, 256, 8).astype(np.uint8).tobytes()
        return content[:cut] + noise + content[cut + 8 :]
    if act == 2:
        return content[:cut] + b"\x00" * 5 + content[cut:]
    if act == 3:
        return b"\xef\xbb\xbf" + content
    if act == 4:
        return content.decode("latin-1").encode(one_of(rng, ["utf-16", "utf-16-le", "utf-32"]))
    if act == 5:
        return content.replace(b"\n", one_of(rng, [b"\r", b"\r\n", b"\n\n", b" ", b"\x0c"]))
    if act == 6:
        return b""
    if act == 7:
        return content + content
    if act == 8:
        deep = one_of(rng, [b"[", b'{"a":', b"x = [", b"((", b'"'])
        return (b"x = [" if rng.random() < 0.5 else b"") + deep * 20_000 + content
    if act == 9:
        return content[:cut] + "é☃\u200b".encode() + content[cut:]
    if act == 10:
        lines = content.split(b"\n")
        k = rng.integers(len(lines))
        lines[k] = one_of(rng, [b"", b",,,,", b"-1", b"nan nan nan", b"9" * 5000, b"1e999", b"#",
                                b'"', b"\t", b"x = ", lines[k] + lines[k], lines[k][::-1],
                                b"XZY", b"010", b" ".join(lines[k].split()[::-1])])  # fmt: skip
        return b"\n".join(lines)
    if act == 11:
        digits = [i for i, c in enumerate(content) if c in b"0123456789"]
        if digits:
            at = one_of(rng, digits)
            new = one_of(
                rng, [b"-1", b"7", b"nan", b"1e400", b"99999999999999999999", b"0x1", b""]
            )
            return content[:at] + new + content[at + 1 :]
        return content
    lines = content.split(b"\n")
    order = rng.permutation(len(lines))
    return b"\n".join(lines[i] for i in order)
