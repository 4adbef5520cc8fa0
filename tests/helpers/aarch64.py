"""Hot loops as an aarch64 machine would run them: cross-compiled, their instructions counted.

``python -m helpers.aarch64`` compiles the kernels in a process that leaves them unoptimised, hands
them to LLVM's optimiser for aarch64, and prints how many vector and scalar arithmetic instructions
the loops of each have.  Nothing of it is run on the target.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCALAR = "a chain of products"  # the twin, which has to be found scalar
TRIPLE, CPU = "aarch64-unknown-linux-gnu", "neoverse-n1"
# What is counted as work of a loop; loads, stores, moves and addresses are not.
ARITHMETIC = re.compile(
    r"^(f(add|sub|mul|m?n?m?[as]ub|mla|mls|sqrt|div|neg|abs|max|min)\w*"
    r"|(u|s)?(mull|mlal)2?|mul|mla|eor|orr|and|bic|bif|bit|bsl|eor3|bcax|orn"
    r"|shl|ushr|sshr|usra|sri|sli|shrn2?|xtn2?|uzp[12]|[us]cvtf|fcvtz[us]|cm\w+|cnt)$"
)


def loops_of(assembly):
    """Yield the instructions of each innermost loop of an assembly: [(name, operands), ...]."""
    lines, labels = [], {}
    for line in assembly.splitlines():
        text = line.split("//")[0].strip()
        if match := re.match(r"^(\.?L?\w[\w.$]*):", text):
            labels[match[1]] = len(lines)
        elif text and not text.startswith("."):
            name, _, operands = text.partition("\t")
            lines.append((name, operands))
    spans = []
    for at, (name, operands) in enumerate(lines):
        if re.match(r"^(b|b\.\w+|cbn?z|tbn?z)$", name):
            to = labels.get(operands.split(",")[-1].strip(), at + 1)
            if to <= at:
                spans.append((to, at + 1))
    for first, end in spans:
        inner = any(first <= a and b <= end and (a, b) != (first, end) for a, b in spans)
        if not inner:
            yield lines[first:end]


def counts_of(assembly):
    """Return vector arithmetic of all innermost loops, and scalar arithmetic of those without.

    A loop on vectors is followed by a scalar rest, which runs at most a few times.
    """
    vector = scalar = 0
    for loop in loops_of(assembly):
        work = [(n, o) for n, o in loop if ARITHMETIC.match(n)]
        wide = sum(bool(re.search(r"\bv\d+\.", o)) for _, o in work)
        narrow = sum(bool(re.match(r"[sdwx]\d+", o)) for _, o in work)
        vector, scalar = vector + wide, scalar + (narrow if wide == 0 else 0)
    return vector, scalar


def is_vectorised(counts):
    """Whether loops work on vectors: the scalar rest of such a loop is no longer than the loop."""
    vector, scalar = counts
    return vector > scalar


def cross_compiled(text):
    """Return the assembly of LLVM code, optimised for aarch64."""
    from llvmlite import binding

    target = binding.Target.from_triple(TRIPLE)
    machine = target.create_target_machine(cpu=CPU, opt=3)
    text = re.sub(r'^target triple = ".*"$', f'target triple = "{TRIPLE}"', text, flags=re.M)
    layout = f'target datalayout = "{machine.target_data}"'
    text = re.sub(r'^target datalayout = ".*"$', layout, text, flags=re.M)
    text = re.sub(r'"(target-cpu|target-features|tune-cpu)"="[^"]*"', "", text)
    module = binding.parse_assembly(text)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return machine.emit_assembly(module)


def kernels():
    """Compile the hot kernels; yield their names and dispatchers."""
    from numba import njit, types

    from physgen.kernels.cpu import (
        action_rows,
        ising_sweeps,
        leapfrog_waves,
        normals,
        phi4_local,
        philox_calls,
        rbm,
        recurrent,
    )

    f32, f64, i64, u32, u64 = types.float32, types.float64, types.int64, types.uint32, types.uint64
    f, d, n, u, w = f32[::1], f64[::1], i64[::1], u32[::1], u64[::1]
    table, words, moves = u32[:, ::1], u64[:, ::1], i64[:, ::1]
    spins = (
        words,
        words,
        moves,
        words,
        n,
        u64[:, :, ::1],
        words,
        w,
        n,
        moves,
        w,
        *(i64,) * 3,
        moves,
    )
    couplings, cut = types.UniTuple(f32, 7), types.Tuple((n, words, w, i64))
    local = (table, f, i64, couplings, f32)
    for name, kernel, arguments in (
        ("Ising heat bath, Philox", ising_sweeps.sweeps(-4, 1, 0, 0), spins),
        ("Ising Metropolis, fast", ising_sweeps.sweeps(-4, 1, 2, 1), spins),
        ("leapfrog", leapfrog_waves.kick_drifts,
         (f, i64, types.boolean, table, cut, f, i64, couplings, f32, f32)),
        ("energies", action_rows.sum_energies, (f, f, *local, d, d)),
        ("Langevin", action_rows.langevin_drift,
         (f, f, f, table, words, f, i64, couplings, f32, f32)),
        ("normal deviates", normals._pairs32, (u, u, f, f)),
        ("normal deviates, float64", normals._pairs64, (w, w, d, d)),
        ("Philox words", philox_calls.words32, (*(u64,) * 7, u, u, u, u)),
        ("Philox words, float64", philox_calls.words64, (*(u64,) * 7, w, w)),
        ("units of two values", rbm._two_values, (f32[:, ::1], f, table, f32, f32)),
        ("LSTM cell", recurrent._lstm_cell, (f,) * 5),
        ("gates", recurrent._sigmoid_of_sum, (f,) * 3),
        ("neighbours of phi^4", phi4_local._sum4, (f, f, *(u64,) * 5)),
    ):  # fmt: skip
        kernel.compile(arguments)
        yield name, kernel

    @njit
    def in_order(x):  # each step needs the one before
        total = x[0]
        for value in x:
            total = total * x[0] + value
        return total

    in_order.compile((f,))
    yield SCALAR, in_order


def measured():
    """Return {kernel: [vector, scalar]}, from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        raw = {"NUMBA_OPT": "0", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"}
        raw |= {"NUMBA_CACHE_DIR": folder, "PYTHONPATH": paths, "NUMBA_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "helpers.aarch64"], env=os.environ | raw,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def main():
    from llvmlite import binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    found = {}
    for name, kernel in kernels():
        for overload in kernel.overloads.values():
            found[name] = counts_of(cross_compiled(overload.library.get_llvm_str()))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
