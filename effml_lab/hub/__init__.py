"""Pretrained models of diffusers in our three nouns, and our noise law in their words.

A pipeline is a network and a scheduler, with an autoencoder and text encoders around them. Seen from here it is

    denoise, schedule = from_diffusers(pipeline)            # or from_diffusers(unet, scheduler)

so every sampler, wrapper and measurement drives it, on the latents that the network sees. The rest lies beside the two:

    model = from_diffusers(pipeline)
    cond, null = model.prompt("a red circle")
    grid = model.grid(20)                                   # where the pipeline's own scheduler would stop
    x = model.start((1, *model.shape), grid)                # as noisy as it would begin
    latents = last(model.sampler(guided(model.denoise, cond, null, 4.5), x, grid))      # its own way, or any of SAMPLERS
    images = model.decode(latents)

  model.py        from_diffusers, pretrained and the Model that holds it all
  networks.py     how each network is called
  laws.py         the noise law of each scheduler, and where it begins; refused.py says why others have none
  grids.py        where it stops
  solvers.py      which of our samplers makes a scheduler's own steps
  pipelines.py    prompts, latents and images
  export.py       to_diffusers, the other way

What cannot be followed is refused in one sentence; nothing of a pipeline is dropped in silence.
"""
from .export import to_diffusers
from .model import Model, from_diffusers, pretrained
from .networks import Foreign

__all__ = ["Foreign", "Model", "from_diffusers", "pretrained", "to_diffusers"]
