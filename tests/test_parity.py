"""Our samplers against diffusers' schedulers on the same noise, with the settings that make them comparable.

States are float64 and the noise prediction is a closed form, so that only the two formulas can differ. The schedulers
hold alpha-bar as a float32 product, which our schedule reads; DDPM takes beta = 1 - a ratio of two of them in float32,
where beta = 1e-4 keeps three digits: that sets its tolerance.
"""
import pytest
import torch

from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.denoise import Denoiser

diffusers = pytest.importorskip("diffusers")
MEAN, STD = 0.5, 0.3


def predictor(abar: torch.Tensor):
    """The exact eps of one Gaussian N(MEAN, STD^2), from a table of alpha-bar; called as a net, (x, t)."""
    def net(x, t):
        a = abar[t.long()].reshape(-1, *[1] * (x.ndim - 1)).to(x)
        return (1 - a).sqrt() * (x - a.sqrt() * MEAN) / (a * STD**2 + 1 - a)
    return net


def theirs(scheduler, n: int, x: torch.Tensor, **step) -> torch.Tensor:
    scheduler.set_timesteps(n)
    net = predictor(scheduler.alphas_cumprod)
    for t in scheduler.timesteps:
        x = scheduler.step(net(x, t.expand(len(x))), t, x, **step).prev_sample
    return x


def noise() -> torch.Tensor:
    return torch.randn(16, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("n", [10, 50, 1000])
@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm(variance, n):
    peer = diffusers.DDPMScheduler(variance_type=f"fixed_{variance}", clip_sample=False, timestep_spacing="leading")
    seed = lambda: torch.Generator().manual_seed(1)
    schedule, net = levels.from_alphas_cumprod(peer.alphas_cumprod), predictor(peer.alphas_cumprod)
    ours = samplers.last(samplers.ddpm(Denoiser(net), noise(), schedule.grid(n, "leading"), variance, seed()))
    assert (ours - theirs(peer, n, noise(), generator=seed())).abs().max() < 2e-5


@pytest.mark.parametrize("spacing, n", [("leading", 10), ("leading", 30), ("leading", 50), ("trailing", 10),
                                        ("trailing", 50)])
def test_ddim(spacing, n):
    peer = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing=spacing)
    schedule = levels.from_alphas_cumprod(peer.alphas_cumprod)
    ours = samplers.last(samplers.ddim(Denoiser(predictor(peer.alphas_cumprod)), noise(), schedule.grid(n, spacing)))
    assert (ours - theirs(peer, n, noise())).abs().max() < 1e-6


def test_ddim_with_fresh_noise():
    peer = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing="leading")
    schedule, seed = levels.from_alphas_cumprod(peer.alphas_cumprod), lambda: torch.Generator().manual_seed(1)
    denoise = Denoiser(predictor(peer.alphas_cumprod))
    ours = samplers.last(samplers.ddim(denoise, noise(), schedule.grid(20, "leading"), 0.5, seed()))
    # diffusers also adds noise of standard deviation 0 at its last step, so only the draws before it are shared
    assert (ours - theirs(peer, 20, noise(), eta=0.5, generator=seed())).abs().max() < 1e-6


def test_ddim_on_the_linspace_list_is_dpm_solver_of_order_one():
    peer = diffusers.DPMSolverMultistepScheduler(solver_order=1, beta_schedule="linear", timestep_spacing="linspace",
                                                 final_sigmas_type="zero", use_karras_sigmas=False)
    schedule = levels.from_alphas_cumprod(peer.alphas_cumprod)
    denoise = Denoiser(predictor(peer.alphas_cumprod))
    ours = samplers.last(samplers.ddim(denoise, noise(), schedule.grid(20, "linspace")))
    assert (ours - theirs(peer, 20, noise())).abs().max() < 1e-6


def test_where_diffusers_ddim_goes_astray():
    """Its step goes to t - T // N, not to the next kept time: wrong for a trailing list when N does not divide T."""
    peer = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
    schedule = levels.from_alphas_cumprod(peer.alphas_cumprod)
    ours = samplers.last(samplers.ddim(Denoiser(predictor(peer.alphas_cumprod)), noise(), schedule.grid(7, "trailing")))
    assert (ours - theirs(peer, 7, noise())).abs().max() > 1e-3
