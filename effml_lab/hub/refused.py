"""The schedulers of diffusers that are not followed, each with its reason and what to do; and settings that none may have."""
from typing import Any

_TOKENS = "it draws tokens, not noise, and no denoiser of ours has them"
_RENEWING = ("it renews all noise at each step: adapt the network with {} and take "
             "efficiency.distill.consistency.multistep on levels of your own")
_LCM = _RENEWING.format("DDIMScheduler.from_config(scheduler.config)")
_IN_FLOW = _RENEWING.format("FlowMatchEulerDiscreteScheduler")
_CONSISTENT = "its network is a consistency model with a noise law of its own: none of that kind is adapted here"
_INVERSE = "ddim inverts up a grid of the forward scheduler, from a level with sigma > 0: ddim(denoise, x, grid[::-1])"
_STAGES = "it changes the picture's size between its stages: no single noise law covers them"
_SDE = "it needs torchsde: take DPMSolverMultistepScheduler with algorithm_type='sde-dpmsolver++'"
_VE = "its network predicts a score on its own noise law: take EDMEulerScheduler with a network trained for it"

REFUSED = {
    "AmusedScheduler": _TOKENS, "BlockRefinementScheduler": _TOKENS, "DiscreteDDIMScheduler": _TOKENS,
    "EntropyBoundScheduler": _TOKENS, "VQDiffusionScheduler": _TOKENS,
    "CMStochasticIterativeScheduler": _CONSISTENT, "ConsistencyDecoderScheduler": _CONSISTENT, "SCMScheduler": _CONSISTENT,
    "LCMScheduler": _LCM, "TCDScheduler": _LCM, "FlowMatchLCMScheduler": _IN_FLOW,
    "DDIMInverseScheduler": _INVERSE, "DPMSolverMultistepInverseScheduler": _INVERSE,
    "DPMSolverSDEScheduler": _SDE, "CosineDPMSolverMultistepScheduler": _SDE,
    "ScoreSdeVeScheduler": _VE, "ScoreSdeVpScheduler": _VE, "KarrasVeScheduler": _VE,
    "DDPMWuerstchenScheduler": "its network reads a time in [0, 1] of its own: no network of that kind is adapted here",
    "FlowMapEulerDiscreteScheduler": "its network is told where a step ends as well, which no denoiser is",
    "HeliosDMDScheduler": _STAGES, "HeliosScheduler": _STAGES,
    "IPNDMScheduler": "its times are angles, for networks of sound: take a scheduler with a table of alpha-bar",
    "MiniMaxH3Scheduler": "its times and velocities run the other way, for a network that is not adapted here",
    "PiflowScheduler": "its network gives a policy for many small steps, which is no guess of x0",
    "RePaintScheduler": "it paints around a given picture: take DDPMScheduler for the network alone",
    "RFD4ProteinaScheduler": "it moves atoms of a protein, not a picture",
    "UnCLIPScheduler": "diffusers itself replaces it: take DDPMScheduler.from_config(scheduler.config)",
}
SETTINGS = {        # a setting -> why no scheduler is followed that has it on
    "thresholding": "dynamic thresholding is left out: make it with thresholding=False",
    "stochastic_sampling": "stochastic_sampling renews all noise at each step: make it with stochastic_sampling=False, and "
                           "efficiency.distill.consistency.multistep does so on its grid",
    "invert_sigmas": "invert_sigmas lets time run the other way, for a network that is not adapted here",
}


def settings(config: Any) -> str | None:
    """Why a scheduler of this configuration is not followed, if it is not."""
    return next((why for setting, why in SETTINGS.items() if config.get(setting)), None)
