"""Python blocks of the pages run, smaller: budgets of seconds, few draws, one page after another.

The README has tests of its own, tutorials and prompts (``>>>``) too; what a page says in words and
not in code stands here as a prelude.
"""

import re

import numpy as np
import pytest
from helpers.site import ROOT

import physgen as pg

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md"), *ROOT.glob("*.md")]
    if "```python\n" in path.read_text(encoding="utf-8") and path != ROOT / "README.md"
)
SMALLER = [
    (r'budget="\d\ds"', 'budget="8s"'),
    (r"n=(100_000|20_000|16_384)", "n=4096"),
    (r"\bpg\.importance\(", "importance("),
    (r"n_chains=512, n_draws=20", "n_chains=256, n_draws=8"),
    (r"n_chains=64, n_draws=400", "n_chains=64, n_draws=100"),
    (r"pg\.ground_state\(pg\.TFIM\(50\)\)", "pg.ground_state(pg.TFIM(50), chi_max=16)"),
]

# (page, number of the block) -> what the page says in words before it
PRELUDES = {
    ("docs/convergence.md", 0): """
import physgen as pg
draws = pg.run(pg.HeatBath(), pg.Ising(L=8, beta=0.3), n_chains=64, n_draws=64, seed=1)
""",
    ("docs/diffusion.md", 1): """
from physgen.models import ScoreModel
def phi4_at(kappa):
    return pg.Phi4.from_hopping(L=8, kappa=kappa, lam=0.022)
def drawn(target):
    chains = pg.run(pg.Phi4Cluster(), target, n_chains=256, n_draws=4, thin=10, seed=1,
                    keep="configurations")
    found = unpack_configurations(chains).transpose("draw", "chain", ...).values
    return found.reshape(-1, *target.event_shape)
a, b, c = (drawn(phi4_at(kappa)) for kappa in (0.25, 0.26, 0.27))
q16, phi4_16, phi4_32 = q, phi4, pg.Phi4.from_hopping(L=16, kappa=0.27, lam=0.022)
""",
    ("docs/diffusion.md", 2): """
x = drawn(pg.Phi4.from_hopping(L=16, kappa=0.27, lam=0.022))
""",
    ("docs/likelihood-is-not-sample-quality.md", 1): """
import physgen as pg
S = pg.Phi4.from_hopping(L=16, kappa=0.27, lam=0.022)
for seed, name in ((1, "samples.h5"), (2, "mcmc.h5")):
    ds = pg.run(pg.Phi4Cluster(), S, n_chains=64, n_draws=16, thin=5, seed=seed,
                keep="configurations")
    ds[["configurations"]].to_netcdf(name, engine="h5netcdf")
""",
    ("docs/ranks.md", 0): """
import physgen as pg
from dataclasses import replace
model = pg.RNN(L=4, K=4, rng=1)
shots = pg.Born(pg.ground_state(pg.TFIM(L=4)), "pauli-4").sample(400, rng=1)
objective = pg.NegativeLogLikelihood(shots)
settings = replace(pg.recipe("rnn"), n_epochs=2, shards=4)
""",
}


def importance(*arguments, **options):
    """Few draws of models that eight seconds trained: fewer count than a number should rest on."""
    return pg.importance(*arguments, **{"n": 4096, "ess_floor": 1} | options)


def blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with the files that the pages name."""
    import shutil

    for name in ("shots.txt", "counts.json", "calibration.json"):
        shutil.copy(ROOT / "workflows" / "state_reconstruction" / name, tmp_path)
    for folder in (ROOT / "data").iterdir():
        if folder.is_dir():
            shutil.copytree(folder, tmp_path / "data" / folder.name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # a budget of eight seconds is too short, and says so
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page, lab):
    names = {"importance": importance}
    for i, block in enumerate(blocks(page)):
        code = PRELUDES.get((page, i), "") + block
        for old, new in SMALLER:
            code = re.sub(old, new, code)
        exec(compile(code, f"{page}, block {i}", "exec"), names)


def test_preludes_belong_to_blocks():
    for page, i in PRELUDES:
        assert page in PAGES
        assert i < len(blocks(page))
    assert len(PAGES) > 8


def test_data_files_are_made_again_by_the_lines_beside_them(lab):
    """The lines in data/tfim-1d/README.md give the outcomes that are shipped."""
    path = "data/tfim-1d/L10_h1_pauli-6_10000.h5"
    shipped = pg.MeasurementData.load(path, "pauli-6").outcomes
    exec(compile(blocks("data/tfim-1d/README.md")[1], "README", "exec"), {})
    assert np.array_equal(pg.MeasurementData.load(path, "pauli-6").outcomes, shipped)
