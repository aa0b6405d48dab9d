"""Small random pipelines around transformers: Stable Diffusion 3, PixArt and Flux, written to a folder and read again.

Each gives (pipeline, embeddings of a prompt and of its absence, what else a call needs), as those of pipelines.py do.
"""
import diffusers
import torch
from transformers import T5Config, T5EncoderModel

from pipelines import autoencoder, draw, saved, text_encoder, tokenizer

SIZE = {"height": 16, "width": 16}
POOLED = {"pooled_prompt_embeds": draw(2, 10), "negative_pooled_prompt_embeds": draw(2, 10, seed=2)}
WORDS = {"prompt_embeds": draw(2, 5, 12), "negative_prompt_embeds": draw(2, 5, 12, seed=2)}


GROWING = {"use_dynamic_shifting": True, "base_image_seq_len": 4, "max_image_seq_len": 64}      # with the picture, as Flux has it


def stable_3(scheduler, folder):
    torch.manual_seed(0)
    net = diffusers.SD3Transformer2DModel(
        sample_size=8, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=4, num_attention_heads=2,
        joint_attention_dim=12, caption_projection_dim=8, pooled_projection_dim=10, pos_embed_max_size=8).eval()
    pipeline = diffusers.StableDiffusion3Pipeline(
        net, scheduler, autoencoder(shift_factor=0.1, scaling_factor=1.5), *[None] * 6)
    return saved(pipeline, folder), WORDS | POOLED, SIZE


def pixart(scheduler, folder, sample_size: int = 8):
    torch.manual_seed(0)
    net = diffusers.PixArtTransformer2DModel(
        sample_size=sample_size, num_layers=1, attention_head_dim=4, num_attention_heads=3, in_channels=4, out_channels=8,
        cross_attention_dim=12, caption_channels=12).eval()
    pipeline = diffusers.PixArtAlphaPipeline(None, None, autoencoder(), net, scheduler)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    given = WORDS | {"prompt_attention_mask": mask, "negative_prompt_attention_mask": mask.flip(0), "negative_prompt": None}
    return saved(pipeline, folder), given, SIZE | {"use_resolution_binning": False}


def packed_transformer(**settings):
    torch.manual_seed(0)
    small = {"in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
             "joint_attention_dim": 12, "pooled_projection_dim": 10, "guidance_embeds": True, "axes_dims_rope": (4, 6, 6)}
    return diffusers.FluxTransformer2DModel(**small | settings).eval()


def flux(scheduler, folder, **settings):
    net = packed_transformer(**settings)
    pipeline = diffusers.FluxPipeline(scheduler, autoencoder(shift_factor=0.1, scaling_factor=1.5), None, None, None, None, net)
    return saved(pipeline, folder), WORDS | POOLED, SIZE


def told_flux():
    torch.manual_seed(3)
    long = T5EncoderModel(T5Config(vocab_size=9, d_model=12, d_kv=4, d_ff=12, num_layers=1, num_heads=2)).eval()
    return diffusers.FluxPipeline(
        diffusers.FlowMatchEulerDiscreteScheduler(**GROWING), autoencoder(shift_factor=0.1, scaling_factor=1.5), text_encoder(),
        tokenizer(8), long, tokenizer(16), packed_transformer(pooled_projection_dim=12)), SIZE | {"max_sequence_length": 16}
