"""Distillation: a student that needs fewer steps than its teacher, or half of the calls a step.

  stops         the levels at which a student is asked, how errors are weighted, and where a step must aim
  one_step      from the noise to the teacher's picture at once, on stored pairs      Luhman and Luhman 2021
  progressive   one step that lands where two of the teacher's do                    Salimans and Ho 2022
  one_call      guidance in one call                                                 Meng et al. 2023
  aware         steps that stay right under guidance                                 Li et al. 2023
  consistency   one answer all along a path                                          Song et al. 2023; Luo et al. 2023
  adversarial   one step, judged by a critic of noisy pictures                       Xu et al. 2023
Every student is a denoiser (x, level) -> x0 like its teacher; what it is to say may depend on a sampler and a grid, as with
pairs.
"""
