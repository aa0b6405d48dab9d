"""How each checkpoint is trained: `python -m effml_lab train NAME` runs `train(device, out)` of NAME.py here.

`training` is what they share: the loop over as many sittings as it takes, and the card at its end; `students`, what those of
students share besides. `ring_students` are trained in seconds and stored nowhere.
"""
NAMES = ("digits", "digits_judge", "shapes", "shapes_deep", "shapes_judge", "scenes", "control", "control_masks", "shapes_noisy",
         "progressive_16", "progressive_8", "progressive_4", "progressive_2", "progressive_1",
         "consistency", "consistency_alone", "weighted", "consistency_guided", "one_step", "ufogen", "ring", "dit")
