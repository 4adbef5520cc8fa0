import numpy as np
import pytest

from physgen.kernels.cpu import normals as cpu_normals
from physgen.kernels.cpu.philox import split_key, words
from physgen.kernels.cuda import normals
from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.philox import draw_pair

# From the known-answer file of Random123: counter, key, result.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
KEY = 0xFEDCBA9876543210


@cuda.jit
def pairs(counters, k0, k1, out):
    i = cuda.grid(1)
    if i < counters.shape[0]:
        a, b = draw_pair(counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], k0, k1)
        out[i, 0] = a
        out[i, 1] = b


def drawn(counters, key):
    counters = np.array(counters, dtype=np.uint32)
    out = np.zeros((len(counters), 2), dtype=np.uint64)
    pairs[1, len(counters)](counters, np.uint32(key[0]), np.uint32(key[1]), out)
    return out


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter, key, result):
    expected = [result[0] | result[1] << 32, result[2] | result[3] << 32]
    assert drawn([counter], key)[0].tolist() == expected


def test_words_are_those_of_the_cpu():
    counters = np.random.default_rng(1).integers(0, 2**32, (20, 4), dtype=np.uint64)
    key = [int(k) for k in split_key(KEY)]
    np.testing.assert_array_equal(drawn(counters, key), np.stack(words(KEY, *counters.T), -1))
    # Saboteur: another order of the counter words.
    assert np.all(drawn(counters[:, ::-1], key) != np.stack(words(KEY, *counters.T), -1))


def device_normals(dtype, n_sites, width, chain0, step):
    fill = normals.fill_normals(dtype)

    @cuda.jit
    def run(z, k0, k1):
        lane, part = np.uint32(cuda.threadIdx.x), np.uint32(cuda.threadIdx.y)
        chain = np.uint32(chain0 + lane)
        width, stride = np.uint32(cuda.blockDim.x), np.uint32(cuda.blockDim.y)
        fill(z, width, lane, part, stride, chain, np.uint32(step), np.uint32(0), k0, k1)

    z = np.full(cpu_normals.padded_sites(n_sites, dtype) * width, np.nan, dtype)
    run[1, (width, 2)](z, *(np.uint32(k) for k in split_key(KEY)))
    return z.reshape(-1, width)


def cpu_deviates(dtype, n_sites, width, step):
    z = np.empty((2, cpu_normals.padded_sites(n_sites, dtype), width), dtype)
    none = np.empty((2, 0), np.uint64)
    cpu_normals.draw_normals(z, step, 0, np.array(split_key(KEY)), none)
    return z[1]  # chains W .. 2 W - 1


# Rounding of the radius and of one polynomial, on numbers below 7.
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 4e-6), ("float64", 1e-14)])
def test_normals_agree_with_the_cpu(dtype, tolerance):
    z = device_normals(dtype, 9, 16, chain0=16, step=3)
    expected = cpu_deviates(dtype, 9, 16, step=3)
    np.testing.assert_allclose(z, expected, rtol=0, atol=tolerance)
    # Saboteur: the words of another step.
    assert np.abs(device_normals(dtype, 9, 16, 16, step=4) - expected).max() > 0.1


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 4e-6), (64, 1e-14)])
def test_extreme_words(bits, tolerance):
    pair = normals._pair32 if bits == 32 else normals._pair64
    kind, real = (np.uint32, np.float32) if bits == 32 else (np.uint64, np.float64)
    radii = np.array([0, 1, 2**bits // 2, 2**bits - 2**9, 2**bits - 1], kind)
    angles = np.array([0, 1, 2, 3, 4, 7, 2**bits - 1], kind)
    w, a = (np.ascontiguousarray(g).ravel() for g in np.meshgrid(radii, angles))

    @cuda.jit
    def run(w, a, z):
        i = cuda.grid(1)
        if i < w.size:
            first, second = pair(w[i], a[i])
            z[0, i] = first
            z[1, i] = second

    z, expected = np.empty((2, 2, w.size), real)
    run[1, w.size](w, a, z)
    kernel = cpu_normals._pairs32 if bits == 32 else cpu_normals._pairs64
    kernel(w, a, expected[0], expected[1])
    np.testing.assert_allclose(z, expected, rtol=0, atol=tolerance)
    assert np.isfinite(z).all()
