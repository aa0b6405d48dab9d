"""Distillation: where targets land, how errors count, what holds at the ends, and tiny students that reach their teachers."""
import copy
import math

import pytest
import torch
from beds import LINEAR, normal, seeded
from torch import nn

from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.denoise import Denoiser, noised
from effml_lab.diffusion.guidance import guided
from effml_lab.diffusion.levels import CLEAN, Level
from effml_lab.diffusion.step import step
from effml_lab.diffusion.train import Run, fit
from effml_lab.efficiency.distill import adversarial, aware, consistency, one_call, one_step, progressive
from effml_lab.efficiency.distill.stops import WEIGHTS, aim, error, halve, halved, picked, weight
from effml_lab.nets.points import PointNet

RING, COSINE = oracle.ring(8, 0.1), levels.cosine()
LAWS = pytest.mark.parametrize("law", [LINEAR, COSINE, levels.flow(), levels.edm()], ids=["linear", "cosine", "flow", "edm"])


@LAWS
@pytest.mark.parametrize("clean", [False, True])
def test_one_step_with_the_target_lands_where_two_of_the_teacher_do(law, clean):
    cur, mid, nxt = law.at(-2.0), law.at(-0.5), CLEAN if clean else law.at(0.7)
    z = normal(6, 2)
    ends = list(samplers.ddim(RING.denoise, z, [cur, mid, nxt]))
    want = progressive.target(RING.denoise, z, cur, mid, nxt)
    assert (step(z, want, cur, nxt) - ends[1]).abs().max() < 1e-12
    if clean:                       # the formula is the guess at mid, which others write down as a case of its own
        assert (want - RING.denoise(ends[0], mid)).abs().max() < 1e-12


@LAWS
def test_the_target_of_rows_at_levels_of_their_own(law):
    grid, z, index = law.grid(8), normal(5, 2), torch.tensor([0, 2, 6, 4, 6])
    cur, mid, nxt = (picked(grid, index + i, z) for i in range(3))
    together = progressive.target(RING.denoise, z, cur, mid, nxt)
    for row, i in enumerate(index.tolist()):
        alone = progressive.target(RING.denoise, z[row:row + 1], *grid[i:i + 3])
        assert (together[row] - alone[0]).abs().max() < 1e-12


def test_the_target_is_the_papers_formula():
    z, (cur, mid, nxt) = normal(4, 2), (LINEAR(900), LINEAR(600), LINEAR(300))
    end = list(samplers.ddim(RING.denoise, z, [cur, mid, nxt]))[-1]
    ratio = nxt.sigma / cur.sigma
    want = (end - ratio * z) / (nxt.alpha - ratio * cur.alpha)
    assert (progressive.target(RING.denoise, z, cur, mid, nxt) - want).abs().max() < 1e-12
    assert (aim(z, step(z, want, cur, nxt), cur, nxt) - want).abs().max() < 1e-12


def test_no_gradient_reaches_the_teacher():
    teacher, student = (Denoiser(PointNet(classes=8), "v") for _ in range(2))
    nn.init.normal_(teacher.net.leave.weight), nn.init.normal_(student.net.leave.weight)
    progressive.loss(student, teacher, normal(4, 2), *COSINE.grid(2)).backward()
    assert all(p.grad is None for p in teacher.net.parameters()) and student.net.leave.weight.grad.any()


@pytest.mark.parametrize("lam", [-3.0, -0.4, 0.0, 2.0])
def test_an_error_counts_as_that_of_what_the_weight_is_named_after(lam):
    level, x, guess, want = LINEAR.at(lam), normal(7, 2), normal(7, 2), normal(7, 2).flip(0)
    eps = lambda x0: (x - level.alpha * x0) / level.sigma
    v = lambda x0: level.alpha * eps(x0) - level.sigma * x0
    of = {"x0": lambda x0: x0, "eps": eps, "v": v}
    mse = {name: (out(guess) - out(want)).square().mean().item() for name, out in of.items()}
    for name, value in mse.items():
        assert error(guess, want, level, name).item() == pytest.approx(value, rel=1e-9)
    assert error(guess, want, level, "floor").item() == pytest.approx(max(mse["x0"], mse["eps"]), rel=1e-9)
    assert error(guess, want, level, "cap").item() == pytest.approx(min(mse["x0"], mse["eps"]), rel=1e-9)


def test_weights_are_one_for_each_row_and_known_by_name():
    level = picked(LINEAR.grid(4), torch.tensor([0, 3]), torch.zeros(2, 1, 3, 3))
    assert all(weight(level, kind).shape == (2, 1, 1, 1) for kind in WEIGHTS)
    assert weight(LINEAR(999), "floor") == 1 and weight(LINEAR(999), "cap") < 1e-4
    with pytest.raises(ValueError, match="unknown weight 'snr': choose one of x0, eps, v, floor, cap"):
        weight(LINEAR(3), "snr")


def test_a_grid_halves_until_it_does_not():
    grid = COSINE.grid(12, "trailing")
    assert halve(grid) == grid[::2] and halve(halve(grid)) == [grid[0], grid[4], grid[8], grid[12]]
    for steps in (3, 1):
        with pytest.raises(ValueError, match=f"half as many steps as its teacher, and {steps} does not halve") as said:
            halve(COSINE.grid(steps))
        assert "\n" not in str(said.value)


def test_picked_levels_are_those_of_the_grid():
    grid, x = COSINE.grid(5), torch.zeros(3, 2, 4, 4)
    level = picked(grid, torch.tensor([5, 0, 2]), x)
    assert all(field.shape == (3, 1, 1, 1) and field.dtype == torch.float32 for field in level)
    for k in range(3):
        assert level[k].flatten().tolist() == pytest.approx([grid[5][k], grid[0][k], grid[2][k]], rel=1e-6)
    assert picked(grid, torch.tensor([0, 1, 2]), x.half()).t.dtype == torch.float32     # 16 bits have no 999


# Consistency


def exact(mean: float = 0.7, std: float = 0.3):
    """The end of the path through x, for data N(mean, std^2): what a perfect consistency model says."""
    def answer(x, level):
        return mean + std * (x - level.alpha * mean) / (level.alpha**2 * std**2 + level.sigma**2) ** 0.5
    return answer, oracle.GaussianMixture(torch.tensor([[mean]], dtype=torch.float64), std)


@pytest.mark.parametrize("pred", ["v", "flow", "edm", "eps"])
def test_a_denoiser_gives_back_what_is_clean(pred):
    x, net = normal(4, 2), PointNet().double()
    nn.init.normal_(net.leave.weight)
    assert (Denoiser(net, pred)(x, CLEAN) - x).abs().max() == 0


@pytest.mark.filterwarnings("ignore")
def test_multistep_walks_as_its_peer_does():
    from diffusers import LCMScheduler
    peer = LCMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, prediction_type="sample",
                        original_inference_steps=50)
    peer.set_timesteps(4)
    grid, x = [*(LINEAR(float(t)) for t in peer.timesteps), CLEAN], torch.randn(3, 2, generator=seeded())
    guess = lambda x: torch.tanh(2 * x)
    theirs, rng = x, seeded(1)
    for t in peer.timesteps:
        theirs = peer.step(guess(theirs), t, theirs, generator=rng).prev_sample
    ours = samplers.last(consistency.multistep(lambda x, level: guess(x), x, grid, seeded(1)))
    assert (ours - theirs).abs().max() < 1e-3           # its c_skip is not 0, but 7e-6 at most


@LAWS
def test_training_leads_to_the_same_noise_at_the_next_level(law):
    cur, nxt, x0, eps = law.at(-1.0), law.at(-0.5), normal(5, 2), normal(5, 2).flip(0)
    assert (step(noised(x0, cur, eps), x0, cur, nxt) - noised(x0, nxt, eps)).abs().max() < 1e-12


def test_the_loss_of_the_exact_answer_falls_as_the_square_of_the_square_of_a_step():
    answer, data = exact()
    x, found = 2 * normal(64, 1), []
    for h in (0.2, 0.1):
        cur, nxt = COSINE.at(-0.5), COSINE.at(-0.5 + h)
        found.append(consistency.loss(answer, answer, x, data.denoise(x, cur), cur, nxt).item())
    assert math.log2(found[0] / found[1]) == pytest.approx(4, abs=0.3) and found[1] < 1e-5       # DDIM errs by h^2 a step
    clean = consistency.loss(data.denoise, answer, x, data.denoise(x, COSINE.at(1.0)), COSINE.at(1.0), CLEAN)
    assert clean < 1e-20            # into the clean end the copy gives back the guess


def test_the_guided_path_is_the_teachers_and_its_end_the_students():
    x, kind, null, w = normal(6, 2), torch.arange(6), torch.tensor([8]), torch.linspace(0, 4, 6).double()
    cur, nxt, heard = COSINE.at(-1.0), COSINE.at(-0.8), []

    def slow(x, level, cond):
        heard.append((x, level, cond))
        return 0.3 * x
    student = lambda x, level, cond: 0.5 * x + cond["w"][:, None]
    less = (w - 1)[:, None]                                                 # the paper's w: (1 + w) with less w without
    guess = (1 + less) * RING.denoise(x, cur, kind) - less * RING.denoise(x, cur, null)
    on = nxt.alpha * guess + nxt.sigma * (x - cur.alpha * guess) / cur.sigma
    want = (0.5 * x + w[:, None] - 0.3 * on).square().mean()
    found = consistency.guided_loss(student, slow, RING.denoise, x, cur, nxt, kind, null, w)
    assert found.item() == pytest.approx(want.item(), rel=1e-12)
    (at, level, cond), = heard
    assert (at - on).abs().max() < 1e-12 and level == nxt and torch.equal(cond["class"], kind) and torch.equal(cond["w"], w)
    plain = [lambda x, level, f=f: f(x, level, {"class": kind, "w": torch.ones(6)}) for f in (student, slow)]
    alone = consistency.loss(*plain, x, RING.denoise(x, cur, kind), cur, nxt)
    assert consistency.guided_loss(student, slow, RING.denoise, x, cur, nxt, kind, null, torch.ones(6)).item() == pytest.approx(
        alone.item(), rel=1e-6)             # w = 1 is distillation with the class told


def test_the_slow_copy_gets_no_gradient():
    student, slow = (Denoiser(PointNet(), "v") for _ in range(2))
    x = normal(4, 2)
    consistency.loss(student, slow, x, 0 * x, *COSINE.grid(2)[:2]).backward()
    assert student.net.leave.weight.grad is not None and all(p.grad is None for p in slow.net.parameters())


def test_multistep_guesses_anew_from_fresh_noise_and_ends_without_any():
    answer, _ = exact()
    grid, asked = COSINE.grid(4), []

    def counting(x, level):
        asked.append(level)
        return answer(x, level)
    x = samplers.start((20000, 1), grid, seeded()).double()
    states = list(consistency.multistep(counting, x, grid, seeded(1)))
    assert asked == grid[:-1] and torch.equal(states[-1], answer(states[-2], grid[-2]))
    assert states[-1].mean().item() == pytest.approx(0.7, abs=0.01) and states[-1].std().item() == pytest.approx(0.3, rel=0.02)
    kept = torch.corrcoef(torch.stack([x.flatten(), states[0].flatten() - grid[1].alpha * answer(x, grid[0]).flatten()]))[0, 1]
    assert abs(kept) < 0.03         # nothing of the old noise is left
    assert torch.equal(samplers.last(consistency.multistep(answer, x, grid, seeded(1))), states[-1])


# Guidance, one step, a critic


def test_guidance_is_distilled_from_the_guided_guess():
    x, kind, null, w = normal(6, 2), torch.arange(6), torch.tensor([8]), torch.linspace(0, 4, 6).double()
    level = COSINE.at(-1.0)

    def perfect(x, level, cond):
        return guided(RING.denoise, cond["class"], null, cond["w"])(x, level)
    assert one_call.loss(perfect, RING.denoise, x, level, kind, null, w) < 1e-24
    paper = RING.denoise(x, level, null) + w[:, None] * (RING.denoise(x, level, kind) - RING.denoise(x, level, null))
    lazy = lambda x, level, cond: RING.denoise(x, level, cond["class"])
    want = (weight(level, "v") * (lazy(x, level, {"class": kind}) - paper).square()).mean()
    assert one_call.loss(lazy, RING.denoise, x, level, kind, null, w).item() == pytest.approx(want.item(), rel=1e-9)


def test_the_aware_loss_is_the_plain_one_at_weight_one():
    student, teacher = PointNet(classes=8).double(), PointNet(classes=8).double()
    nn.init.normal_(student.leave.weight), nn.init.normal_(teacher.leave.weight)
    z, kind, null, grid = normal(6, 2), torch.arange(6), torch.tensor([8]), COSINE.grid(2)
    pair = Denoiser(student, "v"), Denoiser(teacher, "v")
    plain = progressive.loss(*(guided(each, kind, null, 1.0) for each in pair), z, *grid)
    assert aware.loss(*pair, z, *grid, kind, null, 1.0).item() == pytest.approx(plain.item(), rel=1e-12)
    assert aware.loss(*pair, z, *grid, kind, null, 3.0).item() != pytest.approx(plain.item(), rel=0.01)


def test_a_critic_that_knows_nothing_pays_two_coins():
    real, fake, *eps = (normal(9, 2, seed=seed) for seed in range(4))
    fake, level = fake.requires_grad_(), COSINE.at(0.0)
    blind = lambda x, level: 0 * x[:, 0]
    assert adversarial.critic_loss(blind, real, fake, level, eps).item() == pytest.approx(2 * math.log(2))
    sharp = lambda x, level: 1e4 * torch.where((x - noised(real, level, eps[0])).abs().sum(1) < 1e-6, 1.0, -1.0)
    assert adversarial.critic_loss(sharp, real, fake, level, eps) < 1e-6
    assert adversarial.critic_loss(lambda x, level: x[:, 0], real, fake, level, eps).grad_fn is None        # fakes are given
    apart = (real - fake).square().mean().item()
    for t, counts in ((999, LINEAR(999).alpha**2 / LINEAR(999).sigma**2), (1, 1.0)):        # the pull fades in pure noise
        found = adversarial.maker_loss(blind, real, fake, LINEAR(t), level, eps[0], 1.0)
        assert found.item() == pytest.approx(math.log(2) + counts * apart, rel=1e-5)


def test_jumps_go_down_and_one_turn_in_three_is_the_makers():
    cur, nxt = adversarial.jumps(32, 20000, seeded())
    assert ((cur >= 0) & (cur < nxt) & (nxt <= 31)).all() and len(nxt.unique()) == 31 and len(cur.unique()) == 31
    assert (cur == 0).double().mean().item() == pytest.approx(0.75 + 0.25 / 31, abs=0.01)
    after = nxt[cur == 0].bincount(minlength=32)[1:].double()
    assert (after / after.mean() - 1).abs().max() < 0.25                                        # each cleaner level as likely
    assert [adversarial.makers_turn(at) for at in range(6)] == [True, False, False] * 2


def taught(begin: nn.Module, loss, steps: int, lr: float = 3e-3) -> nn.Module:
    run = Run(copy.deepcopy(begin), lr, decay=0.98)
    for _ in fit(run, loss, steps, warmup=10):
        pass
    return run.ema


@pytest.fixture(scope="module")
def teacher() -> PointNet:
    """A small net that has learned the exact guess, roughly."""
    torch.manual_seed(0)
    data = oracle.ring(8, 0.1, torch.float32)

    def loss(net, at):
        level = picked(COSINE.grid(8, "trailing"), torch.randint(8, (256,), generator=seeded(at)), torch.zeros(256, 2))
        x = noised(data.sample(256, seeded(at)), level, normal(256, 2, seed=at))
        return error(Denoiser(net, "v")(x, level), data.denoise(x, level), level, "v")
    return taught(PointNet(width=64), loss, 400)


def ends(net, steps: int):
    grid = COSINE.grid(8, "trailing")[::8 // steps]
    return samplers.last(samplers.ddim(Denoiser(net, "v"), samplers.start((500, 2), grid, seeded(7)), grid))


def apart(a, b) -> float:
    return (a - b).square().sum(1).mean().sqrt().item()


def test_a_tiny_student_reaches_its_teacher(teacher):
    grid, data, net = COSINE.grid(8, "trailing"), oracle.ring(8, 0.1, torch.float32), teacher
    for steps in (4, 2):
        stops, above = grid[::4 // steps], Denoiser(net, "v")

        def loss(net, at):
            index = 2 * torch.randint(steps, (256,), generator=seeded(at))
            cur, mid, nxt = (picked(stops, index + i, torch.zeros(256, 2)) for i in range(3))
            z = noised(data.sample(256, seeded(at)), cur, normal(256, 2, seed=at))
            return progressive.loss(Denoiser(net, "v"), above, z, cur, mid, nxt)
        net = taught(net.requires_grad_(), loss, 250)
    want = ends(teacher, 8)
    assert apart(ends(net, 2), want) < 0.5 * apart(ends(teacher, 2), want)


def test_pairs_must_keep_their_noise(teacher):
    grid = COSINE.grid(8, "trailing")
    x = samplers.start((1000, 2), grid, seeded(3))
    image = samplers.last(samplers.ddim(Denoiser(teacher, "v"), x, grid))
    for shown, far in ((image, False), (image[torch.randperm(1000, generator=seeded(4))], True)):
        net = taught(teacher.requires_grad_(), lambda net, at: one_step.loss(Denoiser(net, "v"), x, shown, grid[0]), 150)
        drawn = ends(net, 1)
        assert (drawn.std(0).norm() < 0.2 * image.std(0).norm()) == far
        assert (apart(drawn, ends(teacher, 8)) < 0.5) != far


@pytest.mark.parametrize("call, said", [
    (lambda z: error(z, z[:1], COSINE.at(0.0)), "guesses and what they should be pair off"),
    (lambda z: one_step.loss(lambda x, level: x, z, z[:1], COSINE.at(0.0)), "guesses and what they should be pair off"),
    (lambda z: error(z, z, Level(torch.zeros(2), torch.ones(2), torch.ones(2))), "a level for each row of x needs the shape"),
    (lambda z: aim(z, z, *(Level(torch.zeros(2), torch.ones(2), torch.ones(2)),) * 2), "a level for each row of x needs"),
    (lambda z: error(z, z, CLEAN, "v"), "where sigma = 0 an error counts without end by 'v'"),
    (lambda z: aim(z.bfloat16(), z.bfloat16(), *COSINE.grid(2)[:2]), "worked out in float32 or wider, got torch.bfloat16"),
    (lambda z: picked(COSINE.grid(2), torch.tensor([0, 1]), z.long()), "in floating point, got torch.int64"),
    (lambda z: picked(COSINE.grid(2), torch.tensor([0, -1]), z), "each of 2 rows picks a number from 0 to 2, .*from -1 to 0"),
    (lambda z: picked(COSINE.grid(2), torch.tensor([True, False]), z), "each of 2 rows picks a number .*, got torch.bool"),
    (lambda z: picked(COSINE.grid(2), torch.tensor([0]), z), "each of 2 rows picks a number"),
    (lambda z: aim(z, z, COSINE.at(0.0), COSINE.at(0.0)), "here cur is clean, or nxt is as noisy as cur"),
    (lambda z: aim(z, z, CLEAN, COSINE.at(0.0)), "here cur is clean, or nxt is as noisy as cur"),
    (lambda z: consistency.loss(None, None, z, z[:1], *COSINE.grid(2)[:2]), "pair off"),
    (lambda z: adversarial.critic_loss(None, z, z[:1], COSINE.at(0.0), (z, z)), "pair off"),
    (lambda z: halved(COSINE.grid(32), 3), "32 steps halved again and again are never 3"),
    (lambda z: halved(COSINE.grid(32), 64), "32 steps halved again and again are never 64"),
    (lambda z: halved(COSINE.grid(32), 0), "32 steps halved again and again are never 0"),
    (lambda z: adversarial.jumps(1, 4, seeded()), "a jump takes two levels or more, got 1")])
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(ValueError, match=said) as told:
        call(normal(2, 2))
    assert "\n" not in str(told.value)


def test_at_the_clean_end_an_error_of_x0_is_itself():
    assert error(normal(3, 2), normal(3, 2, seed=1), CLEAN, "x0").item() == pytest.approx(
        (normal(3, 2) - normal(3, 2, seed=1)).square().mean().item())


def test_an_error_in_16_bits_is_counted_in_32():
    guess, want = normal(5, 2).half(), normal(5, 2, seed=1).half()
    level = Level(1.0, 1.0, 0.002)                                          # whose weight overflows in 16 bits
    wide = error(guess.double(), want.double(), level, "v")
    assert error(guess, want, level, "v").item() == pytest.approx(wide.item(), rel=1e-5)


class Tilted(nn.Module):
    """A guess with one weight, told a class or nothing."""

    def __init__(self, weight: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))

    def forward(self, x, level, cond=None):
        cond = cond["class"] if isinstance(cond, dict) else cond
        return torch.tanh(self.weight * x) + (0 if cond is None else 0.1 * cond.view(-1, 1)) * x


@pytest.mark.parametrize("kind", WEIGHTS)
def test_every_loss_counts_as_it_is_told_and_teaches_the_student_alone(kind):
    student, other = Tilted(0.7), Tilted(0.4)
    x, guess, w = normal(6, 2), normal(6, 2, seed=1), torch.linspace(0, 3, 6).double()
    cond, null = torch.arange(6), torch.tensor([6])
    cur, mid, nxt = (picked(COSINE.grid(8), torch.arange(6) // 3 * 3 + i, x) for i in range(3))         # little noise and much
    on, both = step(x, guess, cur, nxt), lambda net: guided(net, cond, null, w)
    wants = {
        "progressive": (progressive.loss(student, other, x, cur, mid, nxt, kind), student(x, cur),
                        progressive.target(other, x, cur, mid, nxt)),
        "aware": (aware.loss(student, other, x, cur, mid, nxt, cond, null, w, kind), both(student)(x, cur),
                  progressive.target(both(other), x, cur, mid, nxt)),
        "one_call": (one_call.loss(student, other, x, cur, cond, null, w, kind), student(x, cur, cond), both(other)(x, cur)),
        "consistency": (consistency.loss(student, other, x, guess, cur, nxt, kind), student(x, cur), other(on, nxt))}
    for name, (value, said, want) in wants.items():
        assert value.item() == pytest.approx(error(said, want, cur, kind).item(), rel=1e-9), name
        student.weight.grad = other.weight.grad = None
        value.backward()
        assert student.weight.grad.abs() > 0 and other.weight.grad is None, name


def test_at_the_clean_end_the_answer_is_what_is_there():
    x, guess, level = normal(4, 2), normal(4, 2, seed=1), COSINE.at(1.0)
    lost = lambda x, level: torch.full_like(x, 7.0)                         # a network of x0 may say anything there
    want = (0.5 * x - guess).square().mean()
    assert consistency.loss(lambda x, level: 0.5 * x, lost, x, guess, level, CLEAN).item() == pytest.approx(want.item())
    rows = picked([level, COSINE.at(2.0), CLEAN], torch.tensor([1, 1, 2, 2]), x)
    mixed = consistency.loss(lambda x, level: 0.5 * x, lost, x, guess, picked([level], torch.zeros(4, dtype=torch.long), x), rows)
    want = torch.cat([0.5 * x[:2] - 7, 0.5 * x[2:] - guess[2:]]).square().mean()
    assert mixed.item() == pytest.approx(want.item(), rel=1e-6)


def test_the_maker_is_told_by_the_critic_about_its_own_guesses_at_the_cleaner_level():
    real, fake, eps = normal(5, 2), normal(5, 2, seed=1).requires_grad_(), normal(5, 2, seed=2)
    a = torch.tensor([0.3, -0.8]).double()
    cur, nxt = COSINE.at(-1.0), COSINE.at(0.5)
    critic = lambda x, level: x @ a + level.lam
    noisy = nxt.alpha * fake + nxt.sigma * eps
    softplus = lambda x: (1 + x.exp()).log()
    pulled = 0.1 * min((cur.alpha / cur.sigma) ** 2, 1.0) * (fake - real).square().mean()
    want = softplus(-(noisy @ a + nxt.lam)).mean() + pulled
    found = adversarial.maker_loss(critic, real, fake, cur, nxt, eps)
    assert found.item() == pytest.approx(want.item(), rel=1e-9)
    (slope,), (right,) = (torch.autograd.grad(value, fake) for value in (found, want))
    assert (slope - right).abs().max() < 1e-12 and slope.abs().max() > 0.01
    shown = [nxt.alpha * x + nxt.sigma * e for x, e in ((real, eps), (fake, -eps))]
    want = softplus(-(shown[0] @ a + nxt.lam)).mean() + softplus(shown[1] @ a + nxt.lam).mean()
    assert adversarial.critic_loss(critic, real, fake, nxt, (eps, -eps)).item() == pytest.approx(want.item(), rel=1e-9)
