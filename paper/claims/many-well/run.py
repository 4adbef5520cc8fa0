"""One integral, to all digits: sixteen pairs are independent."""

import numpy as np
from scipy.integrate import quad


def rebuild(row):
    z, _ = quad(
        lambda x: np.exp(-(x**4) + 6 * x**2 + x / 2), -5, 5, epsabs=0, epsrel=1e-13, points=[0]
    )
    pairs = row.parameters["dimension"] // 2
    return float(pairs * (np.log(z) + 0.5 * np.log(2 * np.pi))), 0.0
