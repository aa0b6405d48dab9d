"""Answers to 04-critic: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

from effml_lab.diffusion.denoise import noised

EXERCISE = "04-critic"


def right(critic, real, fake, level, eps):
    says_real = critic(noised(real, level, eps[0]), level)
    says_fake = critic(noised(fake.detach(), level, eps[1]), level)
    return F.softplus(-says_real).mean() + F.softplus(says_fake).mean()


def right_bce(critic, real, fake, level, eps):
    a, b = eps
    yes = critic(level.alpha * real + level.sigma * a, level)
    no = critic(level.alpha * fake.detach() + level.sigma * b, level)
    entropy = F.binary_cross_entropy_with_logits
    return entropy(yes, torch.ones_like(yes)) + entropy(no, torch.zeros_like(no))


def right_batch(critic, real, fake, level, eps):
    both = torch.cat([noised(real, level, eps[0]), noised(fake.detach(), level, eps[1])])
    yes, no = critic(both, level).chunk(2)
    return -F.logsigmoid(yes).mean() - F.logsigmoid(-no).mean()


def of(loss=lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), real=noised, fake=noised, which=(0, 1), cut=True):
    def answer(critic, pictures, made, level, eps):
        made = made.detach() if cut else made
        return loss(critic(real(pictures, level, eps[which[0]]), level), critic(fake(made, level, eps[which[1]]), level))
    return answer


clean = lambda x, level, eps: x


def wrong_no_grad(critic, real, fake, level, eps):
    with torch.no_grad():
        return right(critic, real, fake, level, eps)


def wrong_level(critic, real, fake, level, eps):
    other = level._replace(t=0.0)
    return F.softplus(-critic(noised(real, level, eps[0]), other)).mean() + F.softplus(
        critic(noised(fake.detach(), level, eps[1]), other)).mean()


def wrong_real_detached(critic, real, fake, level, eps):
    yes = critic(noised(real, level, eps[0]), level)
    return F.softplus(-yes).mean().detach() + F.softplus(critic(noised(fake, level, eps[1]), level)).mean()


RIGHT = [right, right_bce, right_batch]
WRONG = [
    (of(lambda r, f: F.softplus(r).mean() + F.softplus(-f).mean()), ["real and fake are exchanged"]),
    (of(lambda r, f: F.softplus(-r).mean() + F.softplus(-f).mean()), ["high of real, low of fake"]),
    (of(lambda r, f: F.softplus(r).mean() + F.softplus(f).mean()), ["low is asked of real"]),
    (of(lambda r, f: F.softplus(-r).mean()), ["real ones alone"]), (of(lambda r, f: F.softplus(f).mean()), ["fakes alone"]),
    (of(lambda r, f: F.softplus(-r).sum() + F.softplus(f).sum()), ["sums:"]),
    (of(lambda r, f: (F.softplus(-r).mean() + F.softplus(f).mean()) / 2), ["halved"]),
    (of(lambda r, f: -F.softplus(-r).mean() - F.softplus(f).mean()), ["the sign of the whole"]),
    (of(lambda r, f: f.mean() - r.mean()), ["Wasserstein"]),
    (of(lambda r, f: torch.sigmoid(-r).mean() + torch.sigmoid(f).mean()), ["sigmoid where"]),
    (of(lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean()), ["a hinge", "no gradient reaches"]),
    (of(lambda r, f: F.softplus(-r.mean()) + F.softplus(f.mean())), ["before softplus"]),
    (of(lambda r, f: (r - 1).square().mean() + f.square().mean()), ["squared errors"]),
    (of(lambda r, f: F.softplus(-r) + F.softplus(f)), []),
    (of(real=clean, fake=clean), ["shown clean pictures"]), (of(real=clean), ["only the fakes"]),
    (of(fake=clean), ["only the real"]),
    (of(which=(0, 0)), ["one noise for both:"]), (of(which=(1, 1)), ["one noise for both, the second"]),
    (of(which=(1, 0)), ["noises are exchanged"]),
    (of(cut=False), ["not detached"]),
    (of(real=lambda x, at, e: x + at.sigma * e, fake=lambda x, at, e: x + at.sigma * e),
     ["not scaled: alpha", "noise is added to what"]),
    (of(real=lambda x, at, e: at.alpha * x + e, fake=lambda x, at, e: at.alpha * x + e), ["noise is not scaled"]),
    (wrong_no_grad, ["no gradient reaches the critic"]), (wrong_level, []), (wrong_real_detached, ["not detached"]),
]
