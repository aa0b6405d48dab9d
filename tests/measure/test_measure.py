"""Measuring: closed forms, unbiasedness, counts that agree, intervals that cover."""
import itertools
import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.denoise import Denoiser
from effml_lab.diffusion.guidance import guided
from effml_lab.measure import cost, quality, records
from effml_lab.measure.order import order
from effml_lab.nets.unet import UNet


def normal(n, d, seed, mean=0.0, std=1.0):
    return mean + std * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_frechet_of_known_gaussians():
    a, b = normal(200_000, 3, 0), normal(200_000, 3, 1, mean=2.0, std=3.0)
    assert quality.frechet(a, b) == pytest.approx(3 * 2.0**2 + 3 * (3 - 1) ** 2, rel=0.01)
    assert quality.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_equals_the_formula_with_scipys_root():
    mix = normal(5, 5, 2)
    a, b = normal(300, 5, 3) @ mix, normal(200, 5, 4) + 0.3
    cov_a, cov_b = np.cov(a.numpy().T), np.cov(b.numpy().T)
    direct = (a.mean(0) - b.mean(0)).square().sum().item() + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert quality.frechet(a, b) == pytest.approx(direct, rel=1e-6)
    assert quality.frechet(a, b) == pytest.approx(quality.frechet(b, a), rel=1e-9)


def test_frechet_survives_fewer_samples_than_features():
    assert np.isfinite(quality.frechet(normal(5, 20, 0), normal(6, 20, 1)))


def test_kid_is_unbiased_and_sees_a_shift():
    same = np.array([quality.kid(normal(40, 4, 2 * i), normal(60, 4, 2 * i + 1)) for i in range(300)])
    assert abs(same.mean()) < 3 * same.std() / 300**0.5 and (same < 0).any()
    assert quality.kid(normal(500, 4, 0), normal(500, 4, 1, mean=0.5)) > 10 * abs(same.mean())


def test_kid_equals_the_double_sum():
    a, b = normal(6, 3, 0), normal(5, 3, 1)
    k = lambda x, y: (float(x @ y) / 3 + 1) ** 3
    within = lambda s: np.mean([k(x, y) for x, y in itertools.permutations(s, 2)])
    across = np.mean([k(x, y) for x in a for y in b])
    assert quality.kid(a, b) == pytest.approx(within(a) + within(b) - 2 * across)


def test_nearest_finds_copies_and_distances():
    a = normal(50, 1 * 4 * 4, 0).view(50, 1, 4, 4).float()
    assert not quality.nearest(a[:7], a).any()
    assert torch.allclose(quality.nearest(a[:1] + 1e-3, a), torch.tensor([4e-3]), rtol=1e-3)


def test_evenness():
    assert quality.evenness(torch.arange(10).repeat(7), 10) == pytest.approx(1)
    assert quality.evenness(torch.zeros(30, dtype=torch.long), 10) == 0


def test_bootstrap_covers_the_mean_and_is_repeatable():
    inside = 0
    for seed in range(60):
        e = quality.bootstrap(lambda s: s.mean().item(), normal(80, 1, seed), rounds=100)
        inside += e.low <= 0 <= e.high
        assert e.n == 80 and e.low <= e.value <= e.high
    assert inside >= 50                                                  # 95% of 60 is 57
    again = [quality.bootstrap(quality.kid, normal(30, 2, 0), normal(20, 2, 1), rounds=20) for _ in range(2)]
    assert again[0] == again[1]


def test_the_interval_of_kid_is_the_bootstraps():
    a, b = normal(40, 3, 0), normal(30, 3, 1, mean=0.2)
    plain = quality.bootstrap(quality.kid, a, b, rounds=50, seed=3)
    assert quality.kid_interval(a, b, rounds=50, seed=3) == pytest.approx(plain)


def test_pairs_from_the_same_noise_tell_apart_what_single_intervals_do_not():
    real, noise = normal(300, 3, 0), normal(300, 3, 1)
    good, bad = noise, noise + 0.02                             # every picture a little off
    difference = quality.paired(quality.frechet, bad, good, real)
    assert difference.value == pytest.approx(quality.frechet(bad, real) - quality.frechet(good, real))
    single = quality.bootstrap(quality.frechet, good, real)
    assert difference.high - difference.low < 0.2 * (single.high - single.low)
    unpaired = quality.paired(quality.frechet, bad[torch.randperm(300)], good, real)
    assert unpaired.high - unpaired.low > 2 * (difference.high - difference.low)
    assert quality.paired(quality.frechet, good, good, real)[:3] == (0, 0, 0)


def test_errors_of_pairs_keep_the_few_that_jump_apart_from_the_many_that_move():
    """97 pictures off by 0.01, three off by 0.5: the pooled error is theirs, the median that of the rest."""
    exact = normal(100, 12, 0).reshape(100, 3, 2, 2)
    off = torch.where(torch.arange(100) < 3, 0.5, 0.01).double().reshape(100, 1, 1, 1)
    found = quality.paired_errors(exact + off * torch.tensor([1.0, -1.0]).double(), exact)
    assert found["rmse_median"].value == pytest.approx(0.01) and found["moved"].value == pytest.approx(0.03)
    assert found["rmse"].value == pytest.approx(((3 * 0.25 + 97 * 1e-4) / 100) ** 0.5)
    assert found["rmse_median"].high < 0.011 and found["rmse"].low < 0.06 < 0.1 < found["rmse"].high
    assert all(e.low <= e.value <= e.high and e.n == 100 for e in found.values())
    assert quality.paired_errors(exact, exact)["rmse"][:3] == (0, 0, 0)


def test_the_threshold_of_a_moved_picture_is_given_and_strict():
    exact, moved = torch.zeros(10, 4), torch.zeros(10, 4)
    moved[:5], moved[5] = 0.25, 0.125
    share = lambda by: quality.paired_errors(moved, exact, by)["moved"].value
    assert (share(0.2), share(0.25), share(0.1), share(0.125)) == (0.5, 0.0, 0.6, 0.5)


@pytest.mark.parametrize("hits, n", [(0, 300), (3, 300), (150, 300), (300, 300), (0, 10), (1, 1)])
def test_the_interval_of_a_share_is_wilsons_and_knows_of_doubt_at_0(hits, n):
    """The shares p from which n draws give hits with |hits / n - p| <= 1.96 sqrt(p (1 - p) / n): by a search."""
    from scipy.optimize import brentq
    gap = lambda p: abs(hits / n - p) - 1.959964 * (p * (1 - p) / n) ** 0.5
    low = 0.0 if hits == 0 else brentq(gap, 1e-12, hits / n - 1e-9)
    high = 1.0 if hits == n else brentq(gap, hits / n + 1e-9, 1 - 1e-12)
    found = quality.proportion(torch.arange(n) < hits)
    assert found == (pytest.approx(hits / n), pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6), n)
    assert found.low < found.high


@pytest.mark.parametrize("a, b", [(torch.zeros(3, 2), torch.zeros(2, 2)), (torch.zeros(0, 2), torch.zeros(0, 2)),
                                  (torch.zeros(3, 2), torch.full((3, 2), torch.nan)), (torch.zeros(3), torch.zeros(3))])
def test_pairs_that_are_none_get_one_sentence(a, b):
    with pytest.raises(ValueError, match="two finite sets of as many pictures") as error:
        quality.paired_errors(a, b)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("low, high, verdict", [
    (0.1, 0.2, True), (-0.3, -0.1, True), (-0.05, 0.1, False), (0.0, 0.19, False), (-0.1, 0.1, None), (-1.0, 2.0, None)])
def test_separable_needs_a_narrow_interval_about_0_to_be_denied(low, high, verdict):
    assert quality.separable(quality.Estimate((low + high) / 2, low, high, 10), own=1.0) is verdict


GOOD = normal(5, 3, 0)


@pytest.mark.parametrize("a, b", [(GOOD, normal(5, 4, 0)), (GOOD[:1], GOOD), (GOOD, GOOD * torch.nan), (GOOD[0], GOOD)])
def test_bad_features_get_one_sentence(a, b):
    for distance in (quality.frechet, quality.kid):
        with pytest.raises(ValueError, match="two finite sets of features") as error:
            distance(a, b)
        assert "\n" not in str(error.value)


class Clock:
    """Time passes only when something runs or the device is waited for."""

    def __init__(self):
        self.now, self.pending, self.log = 0.0, 0.0, []

    def __call__(self):
        return self.now

    def run(self, seconds):
        self.log.append(seconds)
        self.pending += seconds

    def sync(self):
        self.now, self.pending = self.now + self.pending, 0.0


def test_timed_warms_up_and_waits_for_the_device():
    clock = Clock()
    durations = iter([9.0, 9.0, 0.001, 0.002, 0.003, 0.004, 0.1])
    times = cost.timed(lambda: clock.run(next(durations)), 2, 5, clock.sync, clock)
    assert times.median == pytest.approx(3) and times.low >= 1 - 1e-9 and times.high <= 100 + 1e-9


def test_ratio_alternates_and_is_of_medians():
    clock, turns = Clock(), []
    def part(name, seconds):
        return lambda: (turns.append(name), clock.run(seconds))
    ratio, a, b = cost.ratio(part("A", 0.006), part("B", 0.004), rounds=4, warmup=1, sync=clock.sync, clock=clock)
    assert "".join(turns) == "AB" * 5
    assert ratio == pytest.approx((1.5, 1.5, 1.5)) and a.median == pytest.approx(6) and b.median == pytest.approx(4)


@pytest.mark.parametrize("w, per_step", [(1, 1), (2, 2)])
def test_guidance_counts_two_and_one_at_w_1(w, per_step):
    net = cost.Counted(UNet(1, (8,), 1, classes=2))
    denoise = guided(Denoiser(net, "v"), torch.tensor([1]), torch.tensor([2]), w)
    grid = levels.linear().grid(4, "trailing")
    x = samplers.start((3, 1, 8, 8), grid, torch.Generator().manual_seed(0))
    samplers.last(samplers.ddim(denoise, x, grid))
    assert net.nfe(3) == 4 * per_step and net.calls == 4


def test_macs_agree_with_the_closed_form():
    conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    assert cost.macs(conv, torch.randn(2, 3, 8, 8)) == 2 * 8 * 4 * 4 * 3 * 9
    assert cost.macs(nn.Linear(5, 7), torch.randn(4, 5)) == 4 * 5 * 7


def unet_macs(w, v, size=8):
    """A UNet of widths (w, v), one block, attention at v, on 1 x size x size: counted by hand, layer by layer."""
    full, half, emb = size**2, (size // 2) ** 2, 4 * w
    res = lambda i, o, px: px * 9 * (i * o + o * o) + emb * o + (px * i * o if i != o else 0)
    attend = half * v * 4 * v + 2 * half * half * v
    ends = full * 9 * w * 2 + w * emb + emb * emb
    down = res(w, w, full) + half * 9 * w * w + res(w, v, half) + attend
    middle = 2 * res(v, v, half) + attend
    up = res(2 * v, v, half) + res(v + w, v, half) + 2 * attend + full * 9 * v * v
    return ends + down + middle + up + res(v + w, w, full) + res(2 * w, w, full)


@pytest.mark.parametrize("w, v", [(16, 32), (32, 64)])
def test_macs_of_the_unet_agree_with_the_closed_form(w, v):
    net = UNet(1, (w, v), 1, (False, True))
    assert cost.macs(net, torch.randn(3, 1, 8, 8), torch.zeros(3)) == 3 * unet_macs(w, v)


def test_records_come_back_as_written(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    assert records.read(path) == []
    rows = [records.Record("ddim", 50, {"median": 1.0, "low": 0.9, "high": 1.1}, 10, 20,
                         {"frechet": {"value": 1, "low": 0, "high": 2, "n": 3}}), records.Record("ddpm")]
    for row in rows:
        records.append(path, row)
    assert records.read(path) == rows
    records.append(path, records.Record("ddim", 20))
    assert [(name, row.nfe) for name, row in records.latest(path).items()] == [("ddim", 20), ("ddpm", None)]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    path.write_text(path.read_text() + '{"nfe": 3}\n')
    with pytest.raises(ValueError, match="line 3 of .* is not a record"):
        records.read(path)


def test_the_order_of_an_exact_power_is_that_power():
    counts = [4, 8, 16, 20]
    assert order([7 * n**-2.5 for n in counts], counts) == pytest.approx(2.5)
    assert order(torch.tensor([1.0, 0.1]), torch.tensor([1, 10])) == pytest.approx(1)


@pytest.mark.parametrize("counts, errors", [([4, 8], [1.0]), ([4], [1.0]), ([4, 8], [1.0, 0.0]), ([4, 8], [1.0, math.nan]),
                                            ([4, 8], [1.0, math.inf]), ([4, 4], [1.0, 2.0])])
def test_an_order_needs_two_counts_or_more(counts, errors):
    with pytest.raises(ValueError, match="two counts or more, all positive and finite"):
        order(errors, counts)


def test_overlaps_and_flips_are_counted_picture_by_picture():
    a = torch.zeros(3, 4, 4, dtype=torch.bool)
    b = a.clone()
    a[0, :2], b[0, 1:3], a[1, 0] = True, True, True
    assert quality.overlap(a, b).tolist() == pytest.approx([4 / 12, 0, 1])
    before, after, want = torch.tensor([0, 1, 2, 2, 4]), torch.tensor([0, 0, 1, 3, 1]), torch.tensor([0, 0, 2, 3, 2])
    assert quality.flips(before, after, want) == (2, 1)
