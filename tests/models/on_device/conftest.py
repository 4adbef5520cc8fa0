import torch

# Models have no kernels of their own for a GPU, so there is nothing to simulate without one.
if not torch.cuda.is_available():
    collect_ignore_glob = ["test_*.py"]
