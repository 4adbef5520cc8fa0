"""What functions of users are given and may return; names that results can hold."""

import numpy as np
import pytest
import torch

from physgen.core.arrays import real_numbers, wide
from physgen.core.errors import InputError
from physgen.observables.evaluate import check_names, checked_values, values_of

SPINS = np.ones((3, 200), np.int8)
PRODUCTS = {
    "einsum": lambda x: np.einsum("ni,ni->n", x, x),
    "matmul": lambda x: (x[:, None, :] @ x[:, :, None])[:, 0, 0],
    "tensordot": lambda x: np.diag(np.tensordot(x, x, ([1], [1]))),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_sums_of_products_do_not_overflow(name):
    assert np.all(values_of(name, PRODUCTS[name], SPINS, "spins") == 200)
    assert np.all(PRODUCTS[name](SPINS) == 200 - 256)  # of int8, what they would be


def test_types_that_functions_see():
    assert wide(SPINS, "spins").dtype == np.float64
    assert wide(SPINS.astype(np.uint8), "outcomes").dtype == np.int64
    assert wide(SPINS.astype(np.float32), "reals").dtype == np.float32
    assert wide(torch.ones(2, dtype=torch.int8), "spins").dtype == torch.float64
    # Outcomes are labels: 0 - 1 is -1, and they index tables.
    x = np.array([[0, 2]], np.uint8)
    assert values_of("d", lambda x: x[:, 0] - x[:, 1], x, "outcomes") == -2
    assert values_of("t", lambda x: np.arange(3.0)[x].sum(1), x, "outcomes") == 2


def test_functions_may_overwrite_what_they_are_given():
    x = np.full((2, 3), 2.0)

    def square(x):
        x *= x
        return x.sum(1)

    assert np.all(values_of("s", square, x, "reals") == 12)
    assert np.all(x == 2)


@pytest.mark.parametrize("value", [np.array([1 + 1j, 2]), torch.tensor([1 + 1j, 2.0])])
def test_imaginary_parts_are_refused_not_dropped(value):
    with pytest.raises(InputError, match=r"observable 'c' must be real.*parts up to 1; return"):
        checked_values("c", value, 2)
    zero = real_numbers("c", value.real + 0j)
    np.testing.assert_array_equal(np.asarray(zero), [1, 2])


def test_an_imaginary_part_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="must be real"):
        checked_values("c", np.array([1.0 + 1j * np.nan]), 1)


def test_values_are_numbers_one_or_one_array_each():
    assert checked_values("G", np.zeros((4, 3)), 4).shape == (4, 3)
    for wrong in (np.zeros(3), 1.0, np.zeros((4, 0))):
        with pytest.raises(InputError, match=r"shape \(4, \.\.\.\), got shape"):
            checked_values("G", wrong, 4)
    with pytest.raises(InputError, match="must be real numbers, got <U1"):
        checked_values("G", np.array(["a"] * 4), 4)
    with pytest.raises(InputError, match=r"a list of tensors; join them with torch\.stack"):
        real_numbers("action", [torch.ones(1)])


@pytest.mark.parametrize(
    "name", ["draw", "chain", "start", "a/b", "a\0b", ".", "", 3, "acceptance_rate", "log_z"]
)
def test_names_that_no_file_or_result_can_hold(name):
    with pytest.raises(InputError, match="observable"):
        check_names([name])


def test_names_of_couplings_are_taken_where_they_label_results():
    check_names(["beta", "G", "e_2", "x2", "xi"])
    with pytest.raises(InputError, match=r"results use themselves, got 'beta'; e\.g\. 'my_beta'"):
        check_names(["beta"], ["beta"])
