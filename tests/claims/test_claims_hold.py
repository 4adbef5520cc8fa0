"""The shipped claims: each verdict still follows from its record, and from a new computation."""

import pytest

from physgen.claims import claim_names, load_claim, read_records, rebuild
from physgen.claims.claim import paper_folder
from physgen.claims.records import records_are_current

CHEAP = 0.6  # CPU minutes of claims that are computed again here


@pytest.mark.parametrize("name", claim_names())
def test_verdicts_follow_from_the_record(name):
    claim = load_claim(name)
    found = read_records(paper_folder(), claim)
    assert {one.row.key: one.verdict for one in found} == {r.key: r.verdict for r in claim.rows}
    computed = any(one.ours is not None for one in found)
    assert records_are_current(paper_folder(), claim) == computed


def test_nothing_is_refuted_without_an_error():
    for claim in map(load_claim, claim_names()):
        assert all(row.error is not None for row in claim.rows if row.verdict == "refuted")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in claim_names() if load_claim(n).minutes <= CHEAP])
def test_cheap_claims_hold_when_computed_again(name, tmp_path):
    done = rebuild(load_claim(name), tmp_path)
    assert not [(o.row.key, o.row.verdict, o.verdict) for o in done.changed]
