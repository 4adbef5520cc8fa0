import doctest
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from physgen.analysis import format as format_module
from physgen.analysis.format import format_estimate, is_zero_error, pull
from physgen.core.errors import InputError


@pytest.mark.parametrize(
    ("value", "error", "digits", "text"),
    [
        (-1.414213562, 0.00031, 2, "-1.41421(31)"),
        (12.41, 0.93, 1, "12.4(9)"),
        (12.41, 0.96, 1, "12(1)"),
        (12.41, 0.0996, 2, "12.41(10)"),
        (1.5, 1.23, 2, "1.5(1.2)"),
        (153.2, 12.7, 2, "153(13)"),
        (153.2, 12.7, 1, "150(10)"),
        (1532.0, 1230.0, 2, "1500(1200)"),
        (0.0, 0.012, 2, "0.000(12)"),
        (0.00001, 0.012, 2, "0.000(12)"),
        (-0.00001, 0.012, 2, "0.000(12)"),
        (1.0, 1.1e-12, 2, "1.0000000000000(11)"),
        (1.0, 1e-12, 2, "1(0)"),
        (-118.99999999999997, 1.2e-15, 2, "-119(0)"),
        (-1e-17, 3e-18, 2, "0(0)"),
        (1.0 / 3.0, 1e-16, 2, "0.3333333333(0)"),
        (123456.0, 3.0, 1, "123456(3)"),
        (1234567.0, 31.0, 2, "1.234567(31)e+06"),
        (6.02214e23, 3.1e18, 2, "6.022140(31)e+23"),
        (1.234e-7, 5.6e-9, 2, "1.234(56)e-07"),
        (1e300, 1e289, 1, "1.00000000000(1)e+300"),
        (1e300, 1e-300, 1, "1e+300(0)"),
        (1e-9, 2.5e3, 2, "0(2500)"),
        (3.0, 2e9, 2, "0.0(2.0)e+09"),
        (0.5, 0.0, 2, "0.5(0)"),
        (-2.0, 0, 2, "-2(0)"),
        (math.nan, 0.1, 2, "nan"),
        (math.inf, math.nan, 2, "inf"),
        (-math.inf, 0.0, 2, "-inf"),
        (1.25, math.nan, 2, "1.25(nan)"),
        (1.25, math.inf, 2, "1.25(inf)"),
        (1.25, None, 2, "1.25"),
        (np.float32(0.25), np.float64(0.125), 3, "0.250(125)"),
        (9.9996, 0.0012, 2, "9.9996(12)"),
        (99999.96, 0.31, 2, "99999.96(31)"),
        (999999.96, 0.31, 1, "1.0000000(3)e+06"),
    ],
)
def test_known_texts(value, error, digits, text):
    assert format_estimate(value, error, digits) == text


def test_docstring_examples():
    assert doctest.testmod(format_module).failed == 0


def read(text):
    """Parse a(b)e+n, as a person would."""
    a, b, e = re.fullmatch(r"(-?[\d.]+)\(([\d.]+)\)(?:e([+-]\d+))?", text).groups()
    decimals = len(a.partition(".")[2])
    error = float(b) if "." in b else int(b) * 10.0**-decimals
    scale = 10.0 ** int(e or 0)
    return float(a) * scale, error * scale


@settings(derandomize=True, max_examples=400)
@given(
    st.floats(-1e30, 1e30, allow_subnormal=False).filter(lambda x: abs(x) > 1e-30 or x == 0),
    st.floats(1e-12, 1e12),
    st.integers(1, 3),
)
def test_text_means_the_numbers(value, error, digits):
    assume(not is_zero_error(value, error))
    a, b = read(format_estimate(value, error, digits))
    step = 10.0 ** (math.floor(math.log10(error)) - digits + 1)
    assert abs(b - error) <= 0.51 * step
    assert abs(a - value) <= 5.1 * step + 1e-14 * abs(value)  # 0.996 -> 1.0 has one digit fewer


def test_digits_must_be_a_positive_integer():
    with pytest.raises(InputError, match="digits must be a positive integer, got 0"):
        format_estimate(1.0, 0.1, digits=0)


def test_pull():
    assert pull(1.3, 1.0, 0.1) == pytest.approx(3.0)
    assert pull(0.7, 1.0, 0.1) == pytest.approx(-3.0)
    assert pull(1.0, 1.0, 0.0) == 0.0
    assert math.isnan(pull(1.1, 1.0, 0.0))
    assert math.isnan(pull(0.9, 1.0, 0.0))
    assert math.isnan(pull(math.nan, 1.0, 0.1))


@pytest.mark.parametrize("error", [0.0, 1.2e-15, 1e-12])
def test_rounding_noise_is_no_yardstick(error):
    assert math.isnan(pull(-119.0, -80.0, error))
    assert pull(-118.99999999999997, -119.0, error) == 0.0


def test_infinity_is_no_scale_for_noise():
    assert not is_zero_error(math.inf, 0.1)
    assert pull(math.inf, 1.0, 0.1) == math.inf


def test_a_small_error_that_is_not_noise_counts():
    assert pull(1.0 + 1e-9, 1.0, 1e-9) == pytest.approx(1.0)
