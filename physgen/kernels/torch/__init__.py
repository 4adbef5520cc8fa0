"""Pure functions of tensors, for any device of torch, on the words of `physgen.kernels.cpu`."""
