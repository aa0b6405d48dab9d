"""Classifier guidance and classifier-free guidance on a mixture, where both are exact; and what is dropped in training."""
import pytest
import torch
from beds import LINEAR, normal, seeded

from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.denoise import clipped
from effml_lab.diffusion.guidance import classifier_guided, dropped, guided, told_time

MIX, NONE = oracle.ring(4, 0.5), torch.tensor([4])
UNEVEN = oracle.GaussianMixture(torch.tensor([[0.0, 1], [1, 0], [-1, -1]], dtype=torch.float64), torch.tensor([0.3, 0.5, 0.2]),
                                torch.tensor([0.2, 0.5, 0.3]))


@pytest.mark.parametrize("schedule", [LINEAR, levels.flow(), levels.edm()], ids=["vp", "flow", "edm"])
@pytest.mark.parametrize("s", [0.0, 0.5, 1.0, 3.0])
def test_both_guidances_are_one_vector_where_everything_is_exact(schedule, s):
    x, y = normal(6, 2).double(), torch.tensor([0, 1, 2, 0, 1, 2])
    for lam in (-3.0, 0.0, 2.0):
        level = schedule.at(lam)
        free = guided(UNEVEN.denoise, y, torch.tensor([3]), s)(x, level)
        pulled = classifier_guided(UNEVEN.denoise, UNEVEN.log_posterior, y, s)(x, level)
        assert (free - pulled).abs().max() < 1e-8
        assert (guided(UNEVEN.denoise, y, torch.tensor([3]), 1.0)(x, level) - UNEVEN.denoise(x, level, y)).abs().max() < 1e-12


def test_the_gradient_of_a_posterior_by_finite_differences():
    x, level, y, h = normal(5, 2).double(), LINEAR(400), torch.tensor([3, 1, 0, 2, 2]), 1e-5
    by_axis = [(MIX.posterior(x + h * e, level).log() - MIX.posterior(x - h * e, level).log()).gather(1, y[:, None]) / (2 * h)
               for e in torch.eye(2, dtype=torch.float64)]
    want = MIX.denoise(x, level) + 1.7 * level.sigma**2 / level.alpha * torch.cat(by_axis, 1)
    assert (classifier_guided(MIX.denoise, MIX.log_posterior, y, 1.7)(x, level) - want).abs().max() < 1e-7


def sampled(w, n=3000):
    grid = LINEAR.grid(200, "trailing")
    x = samplers.start((n, 2), grid, seeded()).double()
    return samplers.last(samplers.ddim(guided(MIX.denoise, torch.tensor([0]), NONE, w), x, grid))


def test_what_guidance_does_to_a_class_of_the_mixture():
    """algorithms: w = 1 is the class; accuracy rises, spread falls, and the mean leaves the class behind."""
    accuracy, spread, radius = [], [], []
    for w in (0.0, 1.0, 1.5, 3.0, 8.0):
        x = sampled(w)
        accuracy.append((MIX.posterior(x, LINEAR(0)).argmax(1) == 0).double().mean().item())
        spread.append(x.std(0).mean().item())
        radius.append(x.mean(0).norm().item())
    assert radius[1] == pytest.approx(1, rel=0.03) and spread[1] == pytest.approx(0.5, rel=0.03)
    assert accuracy == sorted(accuracy) and spread == sorted(spread, reverse=True)
    assert radius[3] > 1.5
    assert spread[3] == pytest.approx(0.31, abs=0.01) and radius[4] == pytest.approx(2.58, abs=0.03)


def test_guided_samples_are_not_the_sharpened_density():
    """p(x|c)^w p(x)^(1-w) at the data, by weighting a grid: its mean lies elsewhere than that of guided samples."""
    axis = torch.linspace(-4, 6, 400, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    clean, w = levels.Level(0.0, 1.0, 1e-9), 3.0
    log = MIX.log_pdf(x, clean) + w * MIX.log_posterior(x, clean)[:, 0]      # p(x|c)^w p(x)^(1-w) is p(x) p(c|x)^w
    mean = ((log.softmax(0)[:, None]) * x).sum(0)
    assert mean[0].item() < 1.25 and sampled(w).mean(0)[0].item() > 1.5


def test_the_gradient_is_taken_whatever_the_caller_has_set_and_leaves_nothing_behind():
    x, level = normal(2, 2).double(), LINEAR(300)
    guide = classifier_guided(MIX.denoise, MIX.log_posterior, torch.tensor([1]), 2.0)
    with torch.no_grad():
        inside = guide(x, level)
    assert torch.equal(inside, guide(x, level)) and not inside.requires_grad and not x.requires_grad
    with torch.inference_mode():
        assert torch.equal(guide(x, level), inside)
    with torch.enable_grad():
        assert not guide(x, level).requires_grad


def test_pure_noise_holds_nothing_of_a_class():
    level = levels.Level(1.0, 0.0, 1.0)
    blank = lambda x, level: torch.zeros_like(x)
    guide = classifier_guided(blank, MIX.log_posterior, torch.tensor([1]), 2.0)
    assert torch.equal(guide(normal(2, 2), level), torch.zeros(2, 2))
    each = levels.Level(*(torch.tensor(f).view(2, 1) for f in ((1.0, 0.5), (0.0, 0.6), (1.0, 0.8))))
    out = guide(normal(2, 2), each)
    assert not out[0].any() and out[1].any() and out.isfinite().all()


def test_a_scale_for_each_image_and_a_net_that_is_told_the_time():
    x, level = normal(3, 2).double(), LINEAR(300)
    y, times = torch.tensor([0, 1, 2]), []

    class Net(torch.nn.Linear):
        def forward(self, x, t):
            times.append(t)
            return MIX.log_posterior(x, level) + 5                  # logits, up to a constant
    whole = classifier_guided(MIX.denoise, told_time(Net(1, 1).double()), y, torch.tensor([0.0, 1.0, 3.0]))(x, level)
    for i, s in enumerate((0.0, 1.0, 3.0)):
        one = classifier_guided(MIX.denoise, MIX.log_posterior, y[i:i + 1], s)(x[i:i + 1], level)
        assert (whole[i:i + 1] - one).abs().max() < 1e-12
    assert times[0].tolist() == [300.0] * 3
    half = told_time(Half(2, 4).half())(x, level)
    assert half.shape == (3, 4) and half.dtype == torch.float64


class Half(torch.nn.Linear):
    def forward(self, x, t):
        return super().forward(x)


def test_clipping_and_guidance_do_not_commute():
    """Clipped inside, guidance still goes past the range: what is guided is clipped, not what is to be."""
    x, level = 0.3 * normal(4, 2).double(), LINEAR(400)
    y, w = torch.tensor([0, 1, 2, 3]), 4.0
    outside = clipped(guided(MIX.denoise, y, NONE, w))(x, level)
    inside = guided(clipped(MIX.denoise), y, NONE, w)(x, level)
    assert outside.abs().max() <= 1 and inside.abs().max() > 1
    assert (outside - inside).abs().max() > 0.5


def test_dropped_conditions_are_whole_rows_by_chance():
    cond = {"words": torch.arange(4000).view(1000, 4) + 1, "kind": torch.arange(1000)}
    null = {"words": torch.zeros(1, 4, dtype=torch.long), "kind": torch.tensor([-1])}
    out = dropped(cond, null, 0.2, seeded())
    gone = out["kind"] < 0
    assert torch.equal(gone, (out["words"] == 0).all(1)) and torch.equal(out["words"][~gone], cond["words"][~gone])
    assert 0.16 < gone.double().mean() < 0.24
    assert torch.equal(dropped(cond["kind"], null["kind"], 0.0), cond["kind"])
    assert (dropped(cond["kind"], null["kind"], 1.0) == -1).all()
    assert not torch.equal(gone, dropped(cond, null, 0.2, seeded(1))["kind"] < 0)


@pytest.mark.parametrize("call, says", [
    (lambda: guided(MIX.denoise, NONE, NONE, float("nan")), "is a finite number"),
    (lambda: guided(MIX.denoise, NONE, NONE, torch.tensor([1.0, torch.inf])), "is a finite number"),
    (lambda: classifier_guided(MIX.denoise, MIX.log_posterior, NONE, float("inf")), "is a finite number"),
    (lambda: dropped(NONE, NONE, 1.5), "from 0 to 1, got 1.5"),
    (lambda: dropped(NONE, {"a": NONE}, 0.5), "of one form"),
    (lambda: classifier_guided(MIX.denoise, MIX.log_posterior, torch.tensor([0, 1]), 1.0)(normal(3, 2), LINEAR(5)),
     "for each of the 3 images, or one for all, got 2"),
    (lambda: classifier_guided(MIX.denoise, MIX.log_posterior, torch.tensor([4]), 1.0)(normal(3, 2), LINEAR(5)),
     "classes 0 to 3"),
    (lambda: classifier_guided(MIX.denoise, MIX.log_posterior, [1], 1.0), "(B,) or (1,), got list"),
    (lambda: MIX.denoise(normal(2, 2), LINEAR(5), torch.tensor([5])), "numbered from 0 to 3"),
    (lambda: dropped(NONE, torch.tensor([1, 2]), 0.5), "null has one"),
    (lambda: dropped(NONE, torch.tensor([1.0]), 0.5), "of the same dtype"),
])
def test_bad_input_gets_one_sentence(call, says):
    with pytest.raises(ValueError) as error:
        call()
    assert says in str(error.value) and "\n" not in str(error.value)
