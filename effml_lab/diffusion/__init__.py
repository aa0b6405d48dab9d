"""The mathematics of diffusion, for anything that can be called: x = alpha * x0 + sigma * eps.

  levels       how noisy: Level, Schedule                guidance    a condition, stronger
  spacings     which levels a sampler visits             sde         the stochastic equations, by their own solvers
  denoise      from a network's output to x0; the loss   oracle      data whose exact denoiser is known
  step         the one move that all samplers make       train       the loop, as a generator
  guess        better guesses of x0 from earlier ones
  samplers     DDPM, DDIM, Heun, DPM-Solver++, UniPC     edm         training at EDM's levels
"""
