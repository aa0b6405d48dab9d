"""Sets of samples: they pair off, outlive a kill, and are the same from one process and from two."""
import pytest
import torch

from effml_lab.models import samples, store

pytestmark = pytest.mark.usefixtures("toys")
PLAN = samples.Plan("shapes", "ddpm", 2, "trailing", 4)


def test_sets_pair_off_and_ask_for_the_kinds_in_turn():
    _, _, x, _ = samples.prepared(PLAN, 1)
    assert torch.equal(x, samples.prepared(PLAN._replace(sampler="ddim", steps=3), 1)[2])
    assert not torch.equal(x, samples.prepared(PLAN, 0)[2])
    assert samples.kinds("shapes", 4, 4).tolist() == [4, 5, 0, 1]


def test_random_samplers_repeat_and_leave_the_generator_alone():
    first = samples.batch(PLAN, 1)
    torch.rand(3)
    assert torch.equal(first, samples.batch(PLAN, 1))
    assert not torch.equal(first, samples.batch(PLAN._replace(seed=1), 1))
    state = torch.get_rng_state()
    with samples.global_seed(3):
        torch.rand(1)
    assert torch.equal(state, torch.get_rng_state())


class Killed(BaseException):
    pass


def test_a_killed_measurement_goes_on_from_the_last_batch(monkeypatch):
    whole = samples.draw(PLAN, 10, workers=1)
    samples.forget(PLAN)
    draw, drawn = samples.batch, []

    def dying(plan, index, device):
        if drawn:
            raise Killed
        return drawn.append(index) or draw(plan, index, device)

    monkeypatch.setattr(samples, "batch", dying)
    with pytest.raises(Killed):
        samples.draw(PLAN, 10, workers=1)
    monkeypatch.setattr(samples, "batch", lambda plan, index, device: drawn.append(index) or draw(plan, index, device))
    again = samples.draw(PLAN, 10, workers=1)
    assert drawn == [0, 1, 2] and again.shape == (10, 3, 32, 32) and torch.equal(again, whole)


def test_two_processes_draw_what_one_draws(toys):
    plan, threads = PLAN._replace(folder=str(toys / "ck")), torch.get_num_threads()
    one = samples.draw(plan, 8, workers=1)
    samples.forget(plan)
    samples.fill([plan], 8, workers=2)
    assert torch.get_num_threads() == threads
    assert torch.equal(one, torch.cat([store.read_state(samples.path(plan, i))[0]["images"].float() for i in range(2)]))


def test_a_process_that_fails_is_told(toys):
    with pytest.raises(RuntimeError, match="the same command goes on"):
        samples.fill([PLAN, PLAN._replace(folder=str(toys / "ck"), spacing="nonsense")], 4, workers=2)
