"""Modules with weights: `unet` draws, `classifier` judges; `norm` is the group norm of both."""
