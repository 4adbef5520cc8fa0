"""Claims: published numbers beside ours, with a pull and a verdict, each rebuilt by one command.

A claim is a folder of ``paper/claims``: the numbers as they were published, and the lines that
compute them again.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
