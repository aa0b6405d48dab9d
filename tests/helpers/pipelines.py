"""Small random pipelines of diffusers: DDPM, Stable Diffusion, SDXL and SANA, written to a folder and read again.

stable, stable_xl and sana give (pipeline, embeddings of a prompt and of its absence, what else a call needs).
"""
import diffusers
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    PreTrainedTokenizerFast,
)

WORDS = ("<pad>", "<bos>", "<eos>", "<unk>", "a", "red", "blue", "circle", "square")


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def saved(pipeline, folder):
    """The pipeline, after it was written and read again; what is None stays so."""
    pipeline.save_pretrained(folder)
    absent = {name: None for name, part in pipeline.components.items() if part is None}
    pipeline = type(pipeline).from_pretrained(folder, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def unet(kind: str = "UNet2DModel", **settings):
    torch.manual_seed(0)
    cross = "CrossAttn" if "Condition" in kind else "Attn"
    small = {"sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
             "attention_head_dim": 4,
             "down_block_types": ("DownBlock2D", f"{cross}DownBlock2D"), "up_block_types": (f"{cross}UpBlock2D", "UpBlock2D")}
    return getattr(diffusers, kind)(**small | settings).eval()


def text_unet(width: int = 12, **settings):
    return unet("UNet2DConditionModel", **{"in_channels": 4, "out_channels": 4, "cross_attention_dim": width} | settings)


def sized_unet(width: int = 12):
    """SDXL's: told a pooled embedding of width 10 and the picture's size."""
    return text_unet(width, addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=34)


def autoencoder(**settings):
    torch.manual_seed(1)
    return diffusers.AutoencoderKL(
        latent_channels=4, block_out_channels=(4, 8), norm_num_groups=2, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, **settings).eval()


def linear_transformer(**settings):
    torch.manual_seed(0)
    return diffusers.SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
        num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=12,
        sample_size=16, **settings).eval()


def deep_autoencoder():
    torch.manual_seed(1)
    half = {"block_types": ("ResBlock", "EfficientViTBlock"), "block_out_channels": (8, 8), "layers_per_block": (1, 1),
            "qkv_multiscales": ((), (5,))}
    return diffusers.AutoencoderDC(
        latent_channels=4, attention_head_dim=2, downsample_block_type="conv", upsample_block_type="interpolate",
        scaling_factor=0.41, **{f"{part}_{k}": v for part in ("encoder", "decoder") for k, v in half.items()}).eval()


def stable(scheduler, folder):
    pipeline = diffusers.StableDiffusionPipeline(autoencoder(), None, None, text_unet(), scheduler, None, None,
                                                 requires_safety_checker=False)
    given = {"prompt_embeds": draw(2, 5, 12), "negative_prompt_embeds": draw(2, 5, 12, seed=2)}
    return saved(pipeline, folder), given, {}


def stable_xl(scheduler, folder):
    pipeline = diffusers.StableDiffusionXLPipeline(autoencoder(), None, None, None, None, sized_unet(), scheduler)
    given = {"prompt_embeds": draw(2, 5, 12), "negative_prompt_embeds": draw(2, 5, 12, seed=2),
             "pooled_prompt_embeds": draw(2, 10), "negative_pooled_prompt_embeds": draw(2, 10, seed=2)}
    return saved(pipeline, folder), given, {}


def sana(scheduler, folder):
    pipeline = diffusers.SanaPipeline(None, None, deep_autoencoder(), linear_transformer(), scheduler)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    given = {"prompt_embeds": draw(2, 5, 12), "prompt_attention_mask": mask, "negative_prompt": None,
             "negative_prompt_embeds": draw(2, 5, 12, seed=2), "negative_prompt_attention_mask": mask.flip(0)}
    return saved(pipeline, folder), given, SIZE


SIZE = {"height": 32, "width": 32, "use_resolution_binning": False}


def tokenizer(length: int):
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=length, pad_token="<pad>", bos_token="<bos>",
                                   eos_token="<eos>", unk_token="<unk>")


def text_encoder(kind=CLIPTextModel):
    torch.manual_seed(2)
    shared = {"vocab_size": len(WORDS), "hidden_size": 12, "intermediate_size": 12, "num_attention_heads": 2, "pad_token_id": 0}
    if kind is Gemma2Model:
        return kind(Gemma2Config(**shared, num_hidden_layers=1, num_key_value_heads=1, head_dim=4)).eval()
    return kind(CLIPTextConfig(**shared, num_hidden_layers=2, max_position_embeddings=8, bos_token_id=1, eos_token_id=2,
                               projection_dim=10)).eval()


def told_stable(scheduler):
    return diffusers.StableDiffusionPipeline(autoencoder(), text_encoder(), tokenizer(8), text_unet(), scheduler, None, None,
                                             requires_safety_checker=False), {}


def told_stable_xl(scheduler):
    return diffusers.StableDiffusionXLPipeline(
        autoencoder(), text_encoder(), text_encoder(CLIPTextModelWithProjection), tokenizer(8), tokenizer(8), sized_unet(24),
        scheduler), {}


def told_sana(scheduler):
    return diffusers.SanaPipeline(tokenizer(2000), text_encoder(Gemma2Model), deep_autoencoder(), linear_transformer(),
                                  scheduler), SIZE
