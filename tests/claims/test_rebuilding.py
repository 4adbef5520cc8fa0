"""Numbers are computed again, recorded, and found current until their files change."""

import csv
import hashlib

import pytest
from claims.conftest import BESIDE, PUBLISHED, RUN

from physgen.claims import claim as claims
from physgen.claims import load_claim, read_records, rebuild
from physgen.claims.rebuilding import fitting, rebuild_all
from physgen.claims.records import records_are_current
from physgen.core.errors import InputError


def changed(paper, text):
    (paper / "claims" / "squares" / "run.py").write_text(text)
    claims._module.cache_clear()


def test_a_record_is_what_was_computed(paper):
    claim, told = load_claim("squares"), []
    assert [one.verdict for one in read_records(paper, claim)] == ["open"] * 4
    done = rebuild(claim, paper, lambda *at: told.append(at))
    assert told[1] == ("square(x=3)", 1, 4)
    assert [one.verdict for one in done.found] == ["reproduced", "reproduced", "refuted", "open"]
    assert not done.changed
    assert done.found[1].pull == pytest.approx(0.25 / (0.1**2 + 0.05**2) ** 0.5)
    assert read_records(paper, claim) == list(done.found)
    file = paper / "data_assets" / "squares.csv"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert [row["ours"] for row in rows] == ["4.0", "9.05", "25.0", ""]
    assert [row["published_error"] for row in rows] == ["0.0", "0.1", "0.0", ""]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (paper / "CHECKSUMS").read_text() == f"{digest}  data_assets/squares.csv\n"


def test_a_record_says_what_it_cost(paper, monkeypatch):
    times = iter([3.0, 5.5])
    monkeypatch.setattr("physgen.claims.rebuilding.time.process_time", lambda: next(times))
    assert rebuild(load_claim("squares"), paper).seconds == 2.5
    first = (paper / "data_assets" / "squares.csv").read_text().splitlines()[0]
    assert first.endswith(", 2.5 CPU s")


def test_a_record_is_kept_until_its_files_change(paper):
    claim = load_claim("squares")
    assert not records_are_current(paper, claim)
    assert [done.claim.name for done in rebuild_all([claim], paper)] == ["squares"]
    assert records_are_current(paper, claim)
    assert not list(rebuild_all([claim], paper))
    assert len(list(rebuild_all([claim], paper, again=True))) == 1
    changed(paper, RUN + "# another one\n")
    assert not records_are_current(paper, claim)


def test_a_verdict_that_no_longer_holds_is_told(paper):
    changed(paper, RUN.replace("9.05, 0.05", "9.9, 0.05"))
    (other,) = rebuild(load_claim("squares"), paper).changed
    assert (other.row.key, other.row.verdict, other.verdict) == (
        "square(x=3)", "reproduced", "refuted",
    )  # fmt: skip


def published(paper, text):
    (paper / "claims" / "squares" / "published.toml").write_text(text)
    claims.read_claim.cache_clear()
    return load_claim("squares")


def test_a_number_of_a_gpu_stays_open_and_is_no_failure(paper):
    there = "parameters = { x = 6 }\n"
    claim = published(paper, PUBLISHED.replace(there, there + 'device = "gpu"\n'))
    changed(paper, RUN.replace("return None", "raise RuntimeError"))
    done = rebuild(claim, paper)
    assert not done.changed
    assert (done.found[3].verdict, done.found[3].ours) == ("open", None)


def test_a_number_of_ours_alone_has_no_verdict(paper):
    claim = published(paper, PUBLISHED + BESIDE)
    done = rebuild(claim, paper)
    alone = done.found[-1]
    assert (alone.ours, alone.error, alone.pull, alone.verdict) == (49.0, 0.0, None, "")
    assert not done.changed
    assert read_records(paper, claim) == list(done.found)
    line = (paper / "data_assets" / "squares.csv").read_text().splitlines()[-1]
    assert line == 'seventh(x=7),seventh,"{""x"": 7}",,,49.0,0.0,,'


def test_a_budget_takes_the_cheap_ones(paper):
    class Cost:
        def __init__(self, minutes, device="cpu"):
            self.minutes, self.device = minutes, device

    claims_ = [Cost(5), Cost(1), Cost(2), Cost(0.5, "gpu"), Cost(40)]
    assert [c.minutes for c in fitting(claims_, 8.5, lambda c: False)] == [1, 2, 5]
    assert [c.minutes for c in fitting(claims_, 7.9, lambda c: False)] == [1, 2]
    assert [c.minutes for c in fitting(claims_, 7.9, lambda c: c.minutes == 2)] == [1, 5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def rebuild(row):\n    return 4.0\n", r"must return \(value, error\) or None, got 4.0"),
        ("def rebuild(row):\n    return 4.0, -1.0\n", "error of square.* must be >= 0"),
        ("def rebuild(row):\n    return float('nan'), 0.0\n", "must be a finite number"),
        ("def build(row):\n    return 4.0, 0.0\n", "must define rebuild"),
    ],
)
def test_an_answer_that_is_none(paper, text, said):
    changed(paper, text)
    with pytest.raises(InputError, match=said):
        rebuild(load_claim("squares"), paper)
    assert not (paper / "data_assets").exists()


def test_a_record_of_other_columns_is_refused(paper):
    (paper / "data_assets").mkdir()
    (paper / "data_assets" / "squares.csv").write_text("key,ours\n")
    with pytest.raises(InputError, match="must have the columns key, quantity"):
        read_records(paper, load_claim("squares"))


def test_another_folder_begins_with_the_records_that_there_are(paper, tmp_path):
    claim = load_claim("squares")
    rebuild(claim, paper)
    assert claims.working_folder(tmp_path / "new", make=False) == paper
    assert not (tmp_path / "new").exists()
    new = claims.working_folder(tmp_path / "new")
    assert read_records(new, claim) == read_records(paper, claim)
    assert claims.working_folder(new, make=False) == new
