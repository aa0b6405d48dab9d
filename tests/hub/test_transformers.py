"""SD3, PixArt and Flux through our samplers against diffusers' own pipelines: small random ones, saved and loaded."""
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from effml_lab import hub
from effml_lab.diffusion.guidance import guided
from effml_lab.diffusion.samplers import last

diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")
from pipelines import draw
from transformer_pipelines import GROWING, flux, pixart, stable_3, told_flux

pytestmark = pytest.mark.filterwarnings("ignore")
N = 6


def close(ours: Tensor, theirs: Tensor) -> None:
    """Equal up to rounding, relative to the largest entry."""
    assert ours.shape == theirs.shape and theirs.abs().max() > 0.1
    assert ((ours - theirs).abs().max() / theirs.abs().max()).item() < 1e-5


@pytest.mark.parametrize("make, scheduler, settings", [
    (stable_3, "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    (stable_3, "FlowMatchEulerDiscreteScheduler", GROWING),
    (pixart, "DPMSolverMultistepScheduler", {})])
def test_trajectory(make, scheduler, settings, tmp_path):
    pipeline, given, call = make(getattr(diffusers, scheduler)(**settings), tmp_path)
    model = hub.from_diffusers(pipeline)
    denoise, grid, z = guided(model.denoise, *model.prompt(**given), 3.0), model.grid(N), draw(2, *model.shape)
    ours = last(model.sampler(denoise, z, grid))
    call = call | given | {"num_inference_steps": N, "guidance_scale": 3.0}
    close(ours, pipeline(**call, latents=z.clone(), output_type="latent").images)
    close(model.decode(ours) / 2 + 0.5, pipeline(**call, latents=z.clone(), output_type="pt").images)


@pytest.mark.parametrize("settings, true_cfg_scale, weight", [
    (GROWING, 1.0, None), (GROWING, 3.0, 1.5), ({"shift": 3.0}, 3.0, None)])
def test_flux(settings, true_cfg_scale, weight, tmp_path):
    pipeline, given, call = flux(diffusers.FlowMatchEulerDiscreteScheduler(**settings), tmp_path)
    model = replace(hub.from_diffusers(pipeline), shape=(4, 8, 8))
    weight = {} if weight is None else {"guidance_scale": weight}
    cond, null = model.prompt(**given, **weight)
    assert cond["guidance"] == (weight.get("guidance_scale", 3.5))
    grid, z = model.grid(N), draw(2, 4, 8, 8)
    ours = last(model.sampler(guided(model.denoise, cond, null, true_cfg_scale), z, grid))
    pack = lambda x: pipeline._pack_latents(x, 2, 4, 8, 8)
    call = call | given | weight | {"num_inference_steps": N, "true_cfg_scale": true_cfg_scale, "latents": pack(z)}
    close(pack(ours), pipeline(**call, output_type="latent").images)
    close(model.decode(ours) / 2 + 0.5, pipeline(**call, output_type="pt").images)


@pytest.mark.parametrize("negative", [{}, {"negative_prompt": ["blue", "a"]}])
def test_flux_in_words(negative):
    pipeline, call = told_flux()
    model, words = replace(hub.from_diffusers(pipeline), shape=(4, 8, 8)), ["a red circle", "a blue square"]
    cond, null = model.prompt(words, max_sequence_length=16, **negative)
    w, z = 3.0 if negative else 1.0, draw(2, 4, 8, 8)
    ours = last(model.sampler(guided(model.denoise, cond, null, w), z, model.grid(N)))
    pack = lambda x: pipeline._pack_latents(x, 2, 4, 8, 8)
    call = call | negative | {"num_inference_steps": N, "true_cfg_scale": w, "latents": pack(z), "output_type": "latent"}
    close(pack(ours), pipeline(words, **call).images)


def test_flux_by_its_parts(tmp_path):
    pipeline, given, _ = flux(diffusers.FlowMatchEulerDiscreteScheduler(**GROWING), tmp_path, guidance_embeds=False)
    model = hub.from_diffusers(pipeline)
    assert model.shape == (4, 128, 128)
    cond, null = model.prompt(**{k: v for k, v in given.items() if not k.startswith("negative")})
    assert null is None and set(cond) == {"encoder_hidden_states", "pooled_projections"}
    level, tall = model.schedule(500.0), draw(2, 4, 12, 6)
    with torch.no_grad():
        assert model.denoise(tall, level, cond).shape == tall.shape
        with pytest.raises(ValueError, match="an even height and width, got 7 x 8"):
            model.denoise(draw(2, 4, 7, 8), level, cond)
        with pytest.raises(ValueError, match="FluxTransformer2DModel needs a condition with encoder_hidden_states"):
            guided(model.denoise, cond, None, 3.0)(tall, level)


def test_pixart_is_told_sizes_where_it_was_trained_on_them(tmp_path):
    pipeline, given, call = pixart(diffusers.DPMSolverMultistepScheduler(), tmp_path, sample_size=128)
    model = replace(hub.from_diffusers(pipeline), shape=(4, 8, 8))
    cond, null = model.prompt(**given)
    assert set(cond["added_cond_kwargs"]) == {"resolution", "aspect_ratio"}
    z = draw(2, *model.shape)
    ours = last(model.sampler(guided(model.denoise, cond, null, 3.0), z, model.grid(N)))
    call = call | given | {"num_inference_steps": N, "guidance_scale": 3.0, "latents": z.clone(), "output_type": "latent"}
    close(ours, pipeline(**call).images)


def test_a_learned_variance_is_left_out(tmp_path):
    pipeline, given, _ = pixart(diffusers.DDPMScheduler(variance_type="learned_range", clip_sample=False), tmp_path)
    model = hub.from_diffusers(pipeline)
    cond, _ = model.prompt(**given)
    x, level = draw(2, 4, 8, 8), model.schedule(500.0)
    size = {"added_cond_kwargs": {"resolution": None, "aspect_ratio": None}}
    with torch.no_grad():
        both = pipeline.transformer(x, timestep=torch.full((2,), 500.0), **cond, **size).sample
        assert both.shape[1] == 8
        close(model.denoise(x, level, cond), (x - level.sigma * both[:, :4]) / level.alpha)
    with pytest.raises(ValueError, match="the steps of DDPMScheduler, as it is set, are not those of any sampler here"):
        model.sampler
