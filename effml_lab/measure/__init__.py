"""Measuring, and showing what was measured; knows no model: it takes callables, tensors and rows.

  cost       time, network calls, multiply-accumulates     plots     pictures, curves, speed against quality
  records    the rows of data/results                      planes    points, fields and paths in the plane
  quality    distances between sets of images, with intervals
"""
