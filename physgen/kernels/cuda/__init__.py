"""The kernels of `physgen.kernels.cpu` for CUDA devices (numba.cuda), on the same words."""
