"""The other way: our noise law as the configuration of a diffusers scheduler."""
import torch

from ..diffusion.levels import Schedule

NAMES = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}


def to_diffusers(schedule: Schedule, pred: str = "eps") -> dict:
    """The configuration of a diffusers scheduler with our noise law: DDIMScheduler.from_config(to_diffusers(schedule)).

    Other schedulers that read a table of beta take it too. Their loop around our net then gives our trajectory on
    `schedule.grid(n, "leading")`; `timestep_spacing="trailing"` gives ours where n divides T.
    """
    if schedule.steps is None or pred not in NAMES:
        raise ValueError(f"only a table of alpha-bar with one of {', '.join(NAMES)} is exported, "
                         f"got {pred!r} on a schedule of {schedule.steps or 'no'} steps")
    times = torch.arange(schedule.steps, dtype=torch.float64)
    abar = schedule(times, like=times).alpha ** 2
    betas = 1 - abar / torch.cat([torch.ones_like(abar[:1]), abar[:-1]])
    return {"_class_name": "DDIMScheduler", "num_train_timesteps": schedule.steps, "trained_betas": betas.tolist(),
            "prediction_type": NAMES[pred], "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 0,
            "timestep_spacing": "leading"}
