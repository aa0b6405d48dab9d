"""Lab 06, kernels: its exercises, in the order of the lab."""
from . import attention, checkpoint, copying, fused, layer, product, roofline, rows, unpacking, values

BENDS, PROMOTION, SAVED = values.EXERCISES
EXERCISES = [*roofline.EXERCISES, BENDS, *copying.EXERCISES, *rows.EXERCISES, *unpacking.EXERCISES, *product.EXERCISES,
             *layer.EXERCISES, PROMOTION, *fused.EXERCISES, SAVED, *attention.EXERCISES, *checkpoint.EXERCISES]
