"""What makes a trained model cheaper, one technique a file or folder.

  quant        uniform grids of 4 and 8 bits, their scales, packed storage
  svdquant     smoothing and the low-rank branch, for outliers
  svdlinear    layers with 4-bit weights and such a branch, and LoRA on them
  calibrate    what the layers of a net see on the way from noise to picture
  swap         layers replaced by quantized ones, and a net so made read back from its file
  quantized    a whole net in one of several modes: what is converted, what stays, LoRA on top
  planted      outliers that were put into a net which computes the same, to see what they do to 4 bits
  distill/     students that take fewer steps than their teacher, or half of the calls
  attention    exact attention by tiles, and checkpointing
  kernels/     the fused Triton kernels of 4-bit layers
"""
