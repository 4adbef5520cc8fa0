"""What strangers type: input changed at random, and cases whose numbers may be wrong in silence.

python workflows/benchmarks/strangers_fuzz.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from harness import Figure, Row, main

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from helpers.fuzz import in_folder
from silent_cases import cases

CASES, SEED = 5000, 8
SEEDS = (21, 22, 23)


def fuzz_tracebacks() -> Row:
    """Configs, measurement files and command lines, by turns, that end otherwise than they may."""
    start, wrong = time.process_time(), {}
    for k in range(CASES):
        _, what = in_folder(SEED, k)
        if what:
            wrong[k] = what
    seconds = time.process_time() - start
    detail = {"CPU s": f"{seconds:.0f}", "kinds": len(Counter(w[:60] for w in wrong.values()))}
    if wrong:
        detail["wrong"] = "; ".join(f"case {k}: {what[:120]}" for k, what in wrong.items())
    return Row(len(wrong), f"of {CASES:,}", detail=detail)


def silent_wrong() -> Row:
    """Cases with a wrong number that nothing is said about."""
    told: Counter[str] = Counter()
    wrong, aside = [], set()
    for seed in SEEDS:
        for name, call in cases(seed):
            try:
                found = call()
            except ModuleNotFoundError as error:
                aside.add(f"{name} ({error.name} is not installed)")
                continue
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
            told[found if found in ("right", "warned", "refused") else "wrong"] += 1
            if found not in ("right", "warned", "refused"):
                wrong.append(f"{name}, seed {seed}: {found[:120]}")
    detail = dict(told) | ({"left aside": ", ".join(sorted(aside))} if aside else {})
    detail |= {"which": "; ".join(wrong)} if wrong else {}
    return Row(len(wrong), f"of {sum(told.values())}", detail=detail)


FIGURES = [
    Figure("fuzz_tracebacks", "Configs, measurement files and command lines, changed at random: "
           "tracebacks, lost files, files left behind, answers of more than a line", 0,
           fuzz_tracebacks, slow=True, at_most=True),
    Figure("silent_wrong", "Cases that were once wrong in silence, made anew with other seeds and "
           "sizes: wrong numbers without a warning", 0, silent_wrong, slow=True, at_most=True),
]  # fmt: skip

if __name__ == "__main__":
    main(
        "strangers_fuzz",
        FIGURES,
        ["physgen", "numpy"],
        ["core", "quantum", "targets", "samplers", "results", "workflow", "cli"],
    )
