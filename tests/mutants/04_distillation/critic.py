"""Answers to 04-critic: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

from effml_lab.diffusion.denoise import noised
from effml_lab.diffusion.levels import Level

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
    twice = Level(*(torch.cat([field, field]) if isinstance(field, torch.Tensor) else field for field in level))
    yes, no = critic(both, twice).chunk(2)
    return -F.logsigmoid(yes).mean() - F.logsigmoid(-no).mean()


def wrong_batch(critic, real, fake, level, eps):
    both = torch.cat([noised(real, level, eps[0]), noised(fake.detach(), level, eps[1])])
    yes, no = critic(both, level).chunk(2)
    return F.softplus(-yes).mean() + F.softplus(no).mean()


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


# A newcomer's own, written before any check was run


def newcomers_fake_no_grad(critic, real, fake, level, eps):
    """I asked the critic about the fakes under no_grad, so it does not learn from them."""
    with torch.no_grad():
        score = critic(noised(fake, level, eps[1]), level)
    return F.softplus(-critic(noised(real, level, eps[0]), level)).mean() + F.softplus(score).mean()


def newcomers_in_place(critic, real, fake, level, eps):
    """I made the fakes noisy in place."""
    fake = fake.detach()
    fake.mul_(level.alpha).add_(level.sigma * eps[1])
    return (F.softplus(-critic(noised(real, level, eps[0]), level)).mean()
            + F.softplus(critic(fake, level)).mean())


def newcomers_cat(critic, real, fake, level, eps):
    """I asked both in one call and forgot that the levels have to be doubled."""
    out = critic(torch.cat([noised(real, level, eps[0]), noised(fake.detach(), level, eps[1])]), level)
    return F.softplus(-out[:len(real)]).mean() + F.softplus(out[len(real):]).mean()


def newcomers_sigmoid_too(critic, real, fake, level, eps):
    """I put a sigmoid under the softplus."""
    return (F.softplus(-critic(noised(real, level, eps[0]), level).sigmoid()).mean()
            + F.softplus(critic(noised(fake.detach(), level, eps[1]), level).sigmoid()).mean())


def newcomers_own_noise(critic, real, fake, level, eps):
    """I drew the noise myself."""
    return (F.softplus(-critic(noised(real, level, torch.randn_like(real)), level)).mean()
            + F.softplus(critic(noised(fake.detach(), level, torch.randn_like(fake)), level)).mean())


def newcomers_log_of_d(critic, real, fake, level, eps):
    """I took the critic's output for a probability: -log D - log (1 - D)."""
    d_real, d_fake = critic(noised(real, level, eps[0]), level), critic(noised(fake.detach(), level, eps[1]), level)
    return -(d_real.log().mean() + (1 - d_fake).log().mean())


def newcomers_noised_args(critic, real, fake, level, eps):
    """I swapped picture and noise in noised."""
    return (F.softplus(-critic(noised(eps[0], level, real), level)).mean()
            + F.softplus(critic(noised(eps[1], level, fake.detach()), level)).mean())


def newcomers_minus(critic, real, fake, level, eps):
    """I put a minus outside of the softplus instead of inside."""
    return (-F.softplus(critic(noised(real, level, eps[0]), level)).mean()
            + F.softplus(critic(noised(fake.detach(), level, eps[1]), level)).mean())


def newcomers_difference(critic, real, fake, level, eps):
    """A relativistic one: softplus of the difference."""
    d_real, d_fake = critic(noised(real, level, eps[0]), level), critic(noised(fake.detach(), level, eps[1]), level)
    return F.softplus(d_fake - d_real).mean()


def newcomers_relu(critic, real, fake, level, eps):
    """I took relu for softplus."""
    return (F.relu(-critic(noised(real, level, eps[0]), level)).mean()
            + F.relu(critic(noised(fake.detach(), level, eps[1]), level)).mean())


RIGHT = [right, right_bce, right_batch]
WRONG = [
    (wrong_batch, []),
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
    (of(lambda r, f: F.softplus(-r) + F.softplus(f)), ["one number a row"]),
    (of(real=clean, fake=clean), ["shown clean pictures"]), (of(real=clean), ["only the fakes"]),
    (of(fake=clean), ["only the real"]),
    (of(which=(0, 0)), ["one noise for both:"]), (of(which=(1, 1)), ["one noise for both, the second"]),
    (of(which=(1, 0)), ["noises are exchanged"]),
    (of(cut=False), ["not detached"]),
    (of(real=lambda x, at, e: x + at.sigma * e, fake=lambda x, at, e: x + at.sigma * e),
     ["not scaled: alpha", "noise is added to what"]),
    (of(real=lambda x, at, e: at.alpha * x + e, fake=lambda x, at, e: at.alpha * x + e), ["noise is not scaled"]),
    (wrong_no_grad, ["no gradient reaches the critic"]), (wrong_level, []), (wrong_real_detached, ["not detached"]),
    (newcomers_fake_no_grad, ["the critic learns nothing from the fakes"]),
    (newcomers_in_place, []),
    (newcomers_cat, []),
    (newcomers_sigmoid_too, ["softplus of a sigmoid"]),
    (newcomers_own_noise, ["new noise is drawn"]),
    (of(lambda r, f: F.softplus(-f).mean()), ["this is the student's turn", "no gradient", "the critic learns nothing"]),
    (newcomers_log_of_d, ["the answers are taken for probabilities"]),
    (newcomers_noised_args, ["picture and noise are exchanged"]),
    (newcomers_minus, ["the minus stands before the softplus"]),
    (newcomers_difference, ["softplus of the difference"]),
    (newcomers_relu, ["relu where softplus belongs", "no gradient reaches"]),
]
