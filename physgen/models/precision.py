r"""Products of float32 stay products of float32.

On CUDA devices cuDNN rounds what convolutions and recurrent networks multiply to TF32, a mantissa
of 10 bits instead of 23, unless it is told not to.  A density then is not the one that its draws
come from: log q of trained nets moves by 2e-4 (coloured net, Ising 8 x 8) to 4e-3 (flows, phi^4
8 x 8; rms over draws), where 1e-6 is allowed, and so do the weights and log Z.
"""

from __future__ import annotations

from functools import cache

import torch

__all__ = ["without_tf32"]


@cache
def without_tf32() -> None:
    """Let cuDNN compute in float32, in the whole process; the first call alone does it.

    So what is set after a model was moved to a device stays, also when others are moved.
    """
    # The older of torch's two switches: it may be combined with the newer one in any order.
    torch.backends.cudnn.allow_tf32 = False
