"""Modules with weights: `unet` draws, `classifier` judges, `text` tells the unet in words, `control` where things are,
`weighted` how strongly; `points` is a small net for the plane, `dit` a transformer of patches.

`blocks` is what they are made of, `norm` the group norm of all.
"""
