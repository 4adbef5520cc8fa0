"""Whether two runs hold the same numbers."""

from physgen.results import open_run

CLOCKS = ("cpu_seconds",)
ATTRS = ("created", "cpu_seconds", "wall_seconds", "last_segment")  # the last: how often was saved


def assert_same(a, b):
    """Equal but for clocks: every variable of every group, byte for byte."""
    a, b = open_run(a), open_run(b)
    assert a.groups == b.groups
    for group in a.groups:
        ours, theirs = (tree[group].to_dataset(inherit=False) for tree in (a, b))
        for ds in (ours, theirs):
            ds.attrs = {k: v for k, v in ds.attrs.items() if k not in ATTRS}
        clocks = [name for name in CLOCKS if name in ours]
        assert ours.drop_vars(clocks).identical(theirs.drop_vars(clocks)), group
