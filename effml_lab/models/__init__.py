"""Checkpoints by name: where they lie, how a net is made of one, what is sampled from it, and who judges the samples.

  store          safetensors files with a JSON card beside each, hash-checked
  checkpoints    from a name to a frozen net, or to a denoiser with its schedule
  samples        sets of samples of a checkpoint, drawn on every core and kept until they are measured
  students       of the course model: at which levels, by which sampler
  judges         the classifiers whose features distances are taken in
  reader         what the judge of shapes reads off a scene
"""
from .checkpoints import denoiser, load
from .judges import features, read_classes, recognizable
from .reader import attributes
from .store import card

__all__ = ["attributes", "card", "denoiser", "features", "load", "read_classes", "recognizable"]
