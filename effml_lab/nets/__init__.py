"""Modules with weights: `unet` draws, `classifier` judges, `text` tells the unet in words, `control` where things are.

`blocks` is what they are made of, `norm` the group norm of all.
"""
