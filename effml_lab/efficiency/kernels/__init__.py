"""The two kernels of a 4-bit layer with its branch, and one that undoes the storage; one file each, in Triton.

  quantize_down   x -> its codes and scales, and x down^T, while x is read once
  gemm_up         codes times codes, then the up projection and the bias, while the result is still in registers
  dequantize      codes -> 16-bit weights, for cards whose tensor cores Triton does not reach
launch.py says with which tiles they are launched, ahead.py what the compiler makes of them for cards that are not there.
Beside each stands what it computes in plain PyTorch, with the same arguments. Importing one needs Triton; nothing
outside this folder imports one before it runs on a GPU. With TRITON_INTERPRET=1 set before Triton is first imported,
all of them run on a CPU.
"""
