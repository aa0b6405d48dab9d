"""A kernel for `tiles`, as it was written, made one of Triton's: the same source, with the real `tl`."""
from types import FunctionType
from typing import Callable

import triton
import triton.language as language
from triton.runtime.jit import KernelInterface

from ..tiles import tl


def jitted(kernel: Callable) -> KernelInterface:
    """The kernel for Triton, called as made[grid](*args, **constants); on a GPU, or anywhere with TRITON_INTERPRET=1."""
    words = {name: language if value is tl else value for name, value in kernel.__globals__.items()}
    copy = FunctionType(kernel.__code__, words, kernel.__name__, kernel.__defaults__, kernel.__closure__)
    copy.__annotations__, copy.__module__, copy.__qualname__ = kernel.__annotations__, kernel.__module__, kernel.__qualname__
    return triton.jit(copy)
