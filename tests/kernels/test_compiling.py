"""A compilation is heard where it happens, and not where the cache has the kernel."""

from numba import njit

from physgen.kernels.compiling import heard


def test_the_first_call_is_heard_and_no_other():
    told: list[str] = []

    @njit(cache=False)
    def double(x):
        return 2 * x

    with heard(lambda: told.append("compiling")):
        assert double(2) == 4
        assert told == ["compiling"]
        assert double(3) == 6
        assert told == ["compiling"]
        assert double(3.0) == 6.0  # another type is another kernel
        assert len(told) == 2
    double(1j)
    assert len(told) == 2  # outside of the block nobody listens


def test_a_kernel_from_the_cache_is_not_heard(tmp_path):
    code = "from numba import njit\n\n@njit(cache=True)\ndef add(x, y):\n    return x + y\n"
    (tmp_path / "cached_kernel.py").write_text(code)
    assert [_heard_calling(tmp_path / "cached_kernel.py") for _ in range(2)] == [1, 0]


def _heard_calling(path):
    """How many compilations are heard when `add` of a freshly read module is called."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("cached_kernel", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    told = []
    with heard(lambda: told.append(1)):
        assert module.add(1, 2) == 3
    return len(told)
