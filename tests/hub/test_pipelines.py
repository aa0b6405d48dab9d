"""Pretrained models through our samplers against diffusers' own pipelines: small random ones, saved and loaded.

Each pipeline runs its full trajectory with guidance, from given latents and prompt embeddings; ours walks the levels at
which its scheduler stops. What may differ is rounding: diffusers keeps its tables in float32.
"""
import sys

import pytest
import torch
from torch import Tensor

from effml_lab import hub, models
from effml_lab.diffusion import levels
from effml_lab.diffusion.denoise import Denoiser
from effml_lab.diffusion.guidance import guided, rescaled
from effml_lab.diffusion.samplers import SAMPLERS, ddim, ddpm, last, start
from effml_lab.efficiency.distill.consistency import multistep

diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")
from pipelines import (
    autoencoder,
    draw,
    linear_transformer,
    sana,
    saved,
    sized_unet,
    stable,
    stable_xl,
    text_unet,
    told_sana,
    told_stable,
    told_stable_xl,
    unet,
)

pytestmark = pytest.mark.filterwarnings("ignore")       # of diffusers: settings that it finds outdated
LDM = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
N = 5


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal up to rounding, relative to the largest entry: an untrained network's latents reach far."""
    assert ours.shape == theirs.shape and theirs.abs().max() > 0.1
    assert ((ours - theirs).abs().max() / theirs.abs().max()).item() < tolerance


DPM, FLOW_DPM = "DPMSolverMultistepScheduler", {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
OFFSET = LDM | {"steps_offset": 1}
LEADING = OFFSET | {"timestep_spacing": "leading"}
PARITY = {
    "SD, DDIM as shipped": (stable, "ddim", "DDIMScheduler", OFFSET | {"clip_sample": False, "set_alpha_to_one": False}),
    "SD, zero terminal SNR": (stable, "ddim", "DDIMScheduler", OFFSET | {
        "clip_sample": False, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}),
    "SD, DPM++ on Karras' grid": (stable, "dpmpp_2m", DPM, OFFSET | {"use_karras_sigmas": True}),
    "SD, UniPC": (stable, "unipc", "UniPCMultistepScheduler", OFFSET | {"prediction_type": "sample"}),
    "SDXL, Euler as shipped": (stable_xl, "ddim", "EulerDiscreteScheduler", LEADING),
    "SDXL, Euler from sigma": (stable_xl, "ddim", "EulerDiscreteScheduler", LDM),
    "SDXL, Euler at zero terminal SNR": (stable_xl, "ddim", "EulerDiscreteScheduler", LDM | {
        "rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}),
    "SDXL, Heun": (stable_xl, "heun", "HeunDiscreteScheduler", LEADING | {"prediction_type": "v_prediction"}),
    "SANA, flow DPM++ as shipped": (sana, "dpmpp_2m", DPM, FLOW_DPM),
    "SANA, flow Euler": (sana, "ddim", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
}


def both(case: str, w: float, folder, kind: str = "latent") -> tuple[hub.Model, Tensor, Tensor]:
    """The model of a case, our latents, and what the pipeline gives."""
    make, sampler, scheduler, settings = PARITY[case]
    pipeline, given, call = make(getattr(diffusers, scheduler)(**settings), folder)
    model = hub.from_diffusers(pipeline)
    cond, null = model.prompt(**given)
    z, grid = draw(2, *model.shape), model.grid(N)
    x = model.start(z.shape, grid, torch.Generator().manual_seed(1))           # the same numbers as z
    ours = last(SAMPLERS[sampler](guided(model.denoise, cond, null, w), x, grid))
    call = call | given | {"num_inference_steps": N, "guidance_scale": w, "latents": z.clone()}
    return model, ours, pipeline(**call, output_type=kind).images


@pytest.mark.parametrize("case", PARITY)
def test_trajectory(case, tmp_path):
    _, ours, theirs = both(case, 3.0, tmp_path)
    close(ours, theirs, 1e-4 if case == "SDXL, Euler at zero terminal SNR" else 1e-5)      # there Euler carries 4096 x in float32


def test_without_guidance(tmp_path):
    _, ours, theirs = both("SDXL, Euler as shipped", 1.0, tmp_path)
    close(ours, theirs)


@pytest.mark.parametrize("make, scheduler, settings", [
    (told_stable, "DDIMScheduler", OFFSET | {"clip_sample": False}), (told_stable_xl, "EulerDiscreteScheduler", LEADING),
    (told_sana, "FlowMatchEulerDiscreteScheduler", {"shift": 3.0})])
@pytest.mark.parametrize("given", [{}, {"negative_prompt": ["blue", "a"]}])
def test_prompts_in_words(make, scheduler, settings, given):
    pipeline, call = make(getattr(diffusers, scheduler)(**settings))
    model, prompts = hub.from_diffusers(pipeline), ["a red circle", "a blue square"]
    cond, null = model.prompt(prompts, **given)
    assert not torch.equal(*cond["encoder_hidden_states"])
    z = draw(2, *model.shape)
    ours = last(ddim(guided(model.denoise, cond, null, 3.0), z, model.grid(N)))
    call = call | given | {"num_inference_steps": N, "guidance_scale": 3.0, "latents": z.clone(), "output_type": "latent"}
    close(ours, pipeline(prompts, **call).images)


@pytest.mark.parametrize("case", ["SDXL, Euler as shipped", "SANA, flow Euler"])
def test_decode(case, tmp_path):
    model, ours, theirs = both(case, 3.0, tmp_path, kind="pt")
    close(model.decode(ours) / 2 + 0.5, theirs)


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm(variance, predicts, tmp_path):
    scheduler = diffusers.DDPMScheduler(variance_type=f"fixed_{variance}", prediction_type=predicts, clip_sample_range=2.0)
    pipeline = saved(diffusers.DDPMPipeline(unet(), scheduler), tmp_path)
    model, rng = hub.from_diffusers(pipeline), torch.Generator().manual_seed(3)
    denoise, schedule = model
    grid = model.grid(N)
    assert grid == schedule.grid(N, "leading")
    ours = last(ddpm(denoise, start((2, *model.shape), grid, rng), grid, variance, rng))
    theirs = pipeline(2, torch.Generator().manual_seed(3), N, output_type="pt").images
    assert ((ours.abs() > 1) & (ours.abs() < 2)).any() or predicts != "epsilon"
    close(model.decode(ours) / 2 + 0.5, theirs)


def test_network_and_scheduler_alone():
    net, scheduler = unet(out_channels=6), diffusers.DDIMScheduler(clip_sample=False)       # mean and variance
    denoise, schedule = hub.from_diffusers(net, scheduler)
    x, level = draw(2, 3, 8, 8), schedule(500.0)
    with torch.no_grad():
        eps = net(x, 500).sample[:, :3]
    close(denoise(x, level), (x - level.sigma * eps) / level.alpha)


def test_time_is_scaled_as_the_network_says():
    net = linear_transformer(timestep_scale=0.5)
    denoise, schedule = hub.from_diffusers(net, diffusers.FlowMatchEulerDiscreteScheduler())
    x, level, cond = draw(2, 4, 16, 16), schedule(500.0), {"encoder_hidden_states": draw(2, 5, 12)}
    with torch.no_grad():
        velocity = net(x, timestep=torch.full((2,), 250.0), **cond).sample
    assert (level.alpha, level.sigma) == (0.5, 0.5)
    close(denoise(x, level, cond), x - velocity / 2)


def test_a_shift_moves_the_grid():
    plain, shifted = (hub.from_diffusers(linear_transformer(), diffusers.FlowMatchEulerDiscreteScheduler(shift=s)).schedule
                      for s in (1.0, 3.0))
    for a, b in zip(plain.grid(N), shifted.grid(N)):
        assert b.sigma == pytest.approx(3 * a.sigma / (1 + 2 * a.sigma)) and b.t == pytest.approx(1000 * b.sigma)


def test_weights_in_bfloat16(tmp_path):
    pipeline, given, _ = stable_xl(diffusers.EulerDiscreteScheduler(**LEADING), tmp_path)
    pipeline.to(torch.bfloat16)
    model = hub.from_diffusers(pipeline)
    cond, null = model.prompt(**given)
    assert cond["encoder_hidden_states"].dtype == cond["added_cond_kwargs"]["time_ids"].dtype == torch.bfloat16
    x0 = guided(model.denoise, cond, null, 2.0)(draw(2, *model.shape), model.schedule(500.0))
    assert x0.dtype == torch.float32 and model.decode(x0).isfinite().all()


def test_encode_inverts_the_scaling_of_decode(tmp_path):
    moments = {"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 4.0], "scaling_factor": 0.5}
    pipeline = diffusers.StableDiffusionXLPipeline(
        autoencoder(**moments), None, None, None, None, text_unet(), diffusers.EulerDiscreteScheduler(**LEADING))
    images = draw(1, 3, 16, 16)
    with torch.no_grad():
        raw = pipeline.vae.encode(images).latent_dist.mode()
        expected = pipeline.vae.decode(raw).sample.clamp(-1, 1)
    latents = hub.from_diffusers(pipeline).encode(images)
    mean, std = (torch.tensor(moments[f"latents_{m}"])[:, None, None] for m in ("mean", "std"))
    close(latents, (raw - mean) / std * 0.5)
    close(hub.from_diffusers(pipeline).decode(latents), expected)


@pytest.mark.parametrize("make, scheduler, settings", [
    (stable, "DDIMScheduler", OFFSET | {"clip_sample": False, "prediction_type": "v_prediction"}),
    (sana, DPM, FLOW_DPM)])
def test_inversion_comes_back(make, scheduler, settings, tmp_path):
    pipeline, given, _ = make(getattr(diffusers, scheduler)(**settings), tmp_path)
    model = hub.from_diffusers(pipeline)
    denoise = guided(model.denoise, *model.prompt(**given), 1.5)
    x = 0.5 * draw(2, *model.shape)
    errors = []
    for n in (6, 12, 24):
        grid = model.schedule.grid(n, lam=(-2.5, 2.0), clean=False)
        noise = last(ddim(denoise, x, grid[::-1]))
        errors.append((last(ddim(denoise, noise, grid)) - x).square().mean().sqrt().item())
    assert errors[0] > 1.7 * errors[1] > 1.7**2 * errors[2] > 0 and errors[2] < 0.1, errors


@pytest.mark.parametrize("scheduler, settings", [
    ("PNDMScheduler", OFFSET | {"skip_prk_steps": True}), ("HeunDiscreteScheduler", LEADING),
    ("DPMSolverMultistepScheduler", OFFSET), ("LMSDiscreteScheduler", LDM), ("DEISMultistepScheduler", OFFSET)])
def test_grid_lists_a_level_once_and_leaves_the_scheduler_alone(scheduler, settings):
    peer = getattr(diffusers, scheduler)(**settings)
    peer.set_timesteps(3)
    before = peer.timesteps.clone()
    model = hub.from_diffusers(text_unet(), peer)
    grid = model.grid(N)
    assert len(grid) == N + 1 and torch.equal(peer.timesteps, before)
    peer.set_timesteps(N)
    assert [level.t for level in grid[:-1]] == sorted({float(t) for t in peer.timesteps}, reverse=True)
    for level in grid[:-1]:                         # t may be rounded, the noise is that of the table
        assert (level.alpha, level.sigma) == pytest.approx(model.schedule(level.t)[1:], abs=1e-3)


@pytest.mark.parametrize("make, predicts", [
    (levels.linear, "eps"), (levels.cosine, "v"), (levels.scaled_linear, "x0"), (lambda: levels.linear(50), "v")])
def test_export(make, predicts):
    schedule, net, x = make(), hub.Foreign(unet()), draw(2, 3, 8, 8)
    scheduler = diffusers.DDIMScheduler.from_config(hub.to_diffusers(schedule, predicts))
    scheduler.set_timesteps(N)
    theirs = x
    with torch.no_grad():
        for t in scheduler.timesteps:
            theirs = scheduler.step(net(theirs, t.expand(2)), t, theirs).prev_sample
    close(last(ddim(Denoiser(net, predicts), x, schedule.grid(N, "leading"))), theirs, 5e-5)


def test_export_of_a_course_model():
    denoise, schedule = models.denoiser("digits")
    config = hub.to_diffusers(schedule, denoise.pred)
    for kind in (diffusers.DDIMScheduler, diffusers.DPMSolverMultistepScheduler, diffusers.EulerDiscreteScheduler):
        abar = kind.from_config(config).alphas_cumprod
        torch.testing.assert_close(abar, diffusers.DDPMScheduler().alphas_cumprod, rtol=1e-4, atol=1e-7)


def test_rescaled_guidance(tmp_path):
    pipeline, given, _ = stable(diffusers.DDIMScheduler(**OFFSET, clip_sample=False), tmp_path)
    model, z = hub.from_diffusers(pipeline), draw(2, 4, 8, 8)
    denoise = rescaled(model.denoise, *model.prompt(**given), 3.0, phi=0.7, pred="eps")
    call = given | {"num_inference_steps": N, "guidance_scale": 3.0, "guidance_rescale": 0.7, "output_type": "latent"}
    close(last(ddim(denoise, z, model.grid(N))), pipeline(**call, latents=z.clone()).images)


def test_a_clipping_ddim_is_ours_where_its_noise_is_clipped_too():
    net, scheduler = unet(), diffusers.DDIMScheduler(clip_sample_range=0.5)
    model, theirs = hub.from_diffusers(net, scheduler), draw(2, 3, 8, 8)
    ours = last(ddim(model.denoise, theirs, model.grid(N)))
    scheduler.set_timesteps(N)
    with torch.no_grad():
        for t in scheduler.timesteps:
            theirs = scheduler.step(net(theirs, t).sample, t, theirs, use_clipped_model_output=True).prev_sample
    close(ours, theirs)


def test_latent_diffusion_decodes_by_its_quantized_autoencoder(tmp_path):
    torch.manual_seed(1)
    vqvae = diffusers.VQModel(block_out_channels=(4,), norm_num_groups=2, latent_channels=3, scaling_factor=0.5).eval()
    pipeline = saved(diffusers.LDMPipeline(vqvae, unet(), diffusers.DDIMScheduler(clip_sample=False)), tmp_path)
    model, rng = hub.from_diffusers(pipeline), torch.Generator().manual_seed(1)
    latents = last(ddim(model.denoise, draw(2, 3, 8, 8), model.grid(N)))
    theirs = pipeline(2, rng, num_inference_steps=N, output_type="np").images
    close(model.decode(latents) / 2 + 0.5, torch.from_numpy(theirs).permute(0, 3, 1, 2))
    images = draw(2, 3, 8, 8)
    with torch.no_grad():
        close(model.encode(images), pipeline.vqvae.encode(images).latents * 0.5)


def test_stochastic_flow_sampling_is_that_of_a_consistency_model():
    cond = {"encoder_hidden_states": draw(2, 5, 12)}
    net, plain = linear_transformer(), diffusers.FlowMatchEulerDiscreteScheduler()
    model, theirs = hub.from_diffusers(net, plain), draw(2, 4, 16, 16)
    denoise = lambda x, level: model.denoise(x, level, cond)
    ours = last(multistep(denoise, theirs, model.grid(N), torch.Generator().manual_seed(2)))
    stochastic, rng = diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), torch.Generator().manual_seed(2)
    stochastic.set_timesteps(N)
    with torch.no_grad():
        for t in stochastic.timesteps:
            velocity = net(theirs, timestep=t.expand(2), **cond).sample
            theirs = stochastic.step(velocity, t, theirs, generator=rng).prev_sample
    close(ours, theirs)


def test_a_compiled_network():
    model = hub.from_diffusers(torch.compile(unet()), diffusers.DDIMScheduler())
    assert model.shape == (3, 8, 8)


def from_(net=None, **scheduler):
    kind = scheduler.pop("kind", "DDIMScheduler")
    return lambda: hub.from_diffusers(net or unet(), getattr(diffusers, kind)(**scheduler))


def bare(kind: str):
    """A pipeline of that class with the parts that hub looks at, whatever else it needs."""
    pipeline = object.__new__(getattr(diffusers, kind))
    pipeline.unet, pipeline.scheduler = text_unet(), diffusers.DDIMScheduler()
    return pipeline


@pytest.mark.parametrize("call, sentence", [
    (lambda: hub.from_diffusers(torch.nn.Linear(2, 2), diffusers.DDIMScheduler()), "^from_diffusers adapts UNet2DModel"),
    (lambda: hub.from_diffusers("google/ddpm-cifar10-32"), r"got the text 'google.*': hub.pretrained\(name\) loads"),
    (lambda: hub.from_diffusers(diffusers.DDPMPipeline), "got the class DDPMPipeline: make an instance"),
    (lambda: hub.from_diffusers(diffusers.UNet2DModel, diffusers.DDIMScheduler()), "got the class UNet2DModel: make an instance"),
    (lambda: hub.from_diffusers(unet(), diffusers.DDIMScheduler), "a scheduler that was made, such as DDIMScheduler"),
    (lambda: hub.from_diffusers(unet()), "a scheduler that was made, such as DDIMScheduler"),
    (lambda: hub.from_diffusers(unet().train(), diffusers.DDIMScheduler()), "in training mode, where dropout is at work"),
    (lambda: hub.from_diffusers(bare("StableDiffusionControlNetPipeline")), "may do more than its network and its scheduler say"),
    (lambda: hub.from_diffusers(bare("StableDiffusionAdapterPipeline")), "may do more than its network and its scheduler say"),
    (lambda: hub.from_diffusers(bare("SanaControlNetPipeline")), r"from_diffusers\(pipeline.unet, pipeline.scheduler\) alone"),
    (lambda: hub.from_diffusers(bare("KandinskyV22Pipeline")), "may do more than its network and its scheduler say"),
    (lambda: from_(unet(in_channels=9, out_channels=4))(), "takes 9 channels and gives 4"),
    (from_(thresholding=True), "dynamic thresholding is left out"),
    (from_(kind="FlowMatchEulerDiscreteScheduler", stochastic_sampling=True), "renews all noise at each step"),
    (from_(kind="FlowMatchEulerDiscreteScheduler", invert_sigmas=True), "lets time run the other way"),
    (from_(kind="DPMSolverMultistepScheduler", use_flow_sigmas=True, prediction_type="v_prediction"), "has no counterpart here"),
    (from_(kind="DPMSolverMultistepScheduler", prediction_type="flow_prediction"), "has no counterpart here"),
    (from_(kind="EDMEulerScheduler", sigma_data=1.0), "followed with sigma_data = 0.5, got 1.0"),
    (from_(kind="SCMScheduler"), "^SCMScheduler is not followed: "),
    (from_(kind="DDPMWuerstchenScheduler"), "^DDPMWuerstchenScheduler is not followed: "),
    (from_(kind="DDIMInverseScheduler"), "ddim inverts up a grid"),
    (lambda: from_()().grid(0), "a whole number of steps, 1 at least, got 0"),
    (lambda: from_()().grid(-3), "a whole number of steps, 1 at least, got -3"),
    (lambda: from_()().grid(2.5), "a whole number of steps, 1 at least, got 2.5"),
    (lambda: from_(timestep_spacing="trailing")().grid(7), "take one that divides 1000"),
    (lambda: from_()().sampler, "the steps of DDIMScheduler, as it is set, are not those of any sampler here"),
    (lambda: from_()().prompt("a red circle"), "prompts are encoded by StableDiffusionPipeline"),
    (lambda: hub.to_diffusers(levels.flow(), "flow"), "only a table of alpha-bar"),
    (lambda: hub.to_diffusers(levels.linear(), "edm"), "only a table of alpha-bar"),
])
def test_refusals(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("net, missing", [
    (text_unet, "encoder_hidden_states"), (sized_unet, "added_cond_kwargs, encoder_hidden_states"),
    (lambda: text_unet(time_cond_proj_dim=8), "encoder_hidden_states, timestep_cond"),
    (lambda: linear_transformer(guidance_embeds=True), "encoder_hidden_states, guidance")])
def test_a_condition_that_is_missing(net, missing):
    model = hub.from_diffusers(net(), diffusers.DDIMScheduler())
    with pytest.raises(ValueError, match=f"needs a condition with {missing}: take model.prompt"):
        model.denoise(draw(2, *model.shape), model.schedule(500.0))


def test_prompts_that_cannot_be_encoded(tmp_path):
    pipeline, given, _ = stable_xl(diffusers.EulerDiscreteScheduler(**LEADING), tmp_path)
    model = hub.from_diffusers(pipeline)
    with pytest.raises(ValueError, match="give prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds"):
        model.prompt("a red circle")                                    # there is no text encoder
    with pytest.raises(ValueError, match="^give pooled_prompt_embeds, negative_pooled_prompt_embeds$"):
        model.prompt(**{k: v for k, v in given.items() if "pooled" not in k})


def test_pretrained_says_why_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="google/ddpm-cifar10-32 was skipped: this machine has no GPU"):
        hub.pretrained()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RuntimeError, match="was skipped: neither the network nor the local cache"):
        hub.pretrained("effml_lab/nothing", device="cpu")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(RuntimeError, match="was skipped: diffusers is not installed"):
        hub.pretrained(device="cpu")


def test_pretrained_takes_safetensors_only(tmp_path):
    pipeline = diffusers.DDPMPipeline(unet(), diffusers.DDPMScheduler())
    pipeline.save_pretrained(tmp_path / "safe")
    pipeline.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    denoise, schedule = hub.pretrained(str(tmp_path / "safe"), device="cpu")
    assert denoise(draw(2, 3, 8, 8), schedule(500.0)).isfinite().all()
    with pytest.raises(RuntimeError, match="safetensors"):
        hub.pretrained(str(tmp_path / "pickled"), device="cpu")
