"""Modules with weights: `unet` draws, `classifier` judges."""
