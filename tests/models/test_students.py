"""Students: at which levels they are asked, by which sampler, and what is refused."""
import pytest

from effml_lab.diffusion import levels
from effml_lab.efficiency.distill.consistency import multistep
from effml_lab.models import store
from effml_lab.models.students import SAMPLERS, stops, student
from effml_lab.recipes import progressive, ring, students

NAMED = (*(f"progressive_{n}" for n in (16, 8, 4, 2, 1)), "consistency", "consistency_alone",
         "consistency_guided", "one_step", "ufogen")
SHIPPED = [name for name in NAMED if (store.checkpoints() / f"{name}.json").exists()]


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_student_says_where_it_is_asked(name):
    denoise, grid, sampler = student(name)
    use = store.card(name)["use"]
    assert len(grid) == use["steps"] + 1 and grid[-1].sigma == 0 and sampler is SAMPLERS[use["sampler"]]
    assert set(grid) <= set(levels.cosine().grid(use["of"], use["spacing"]))
    assert denoise.pred == "v" and denoise.net.classes == 6


def test_a_consistency_model_takes_other_numbers_of_steps():
    if "consistency" not in SHIPPED:
        pytest.skip("not trained here yet")
    _, grid, sampler = student("consistency", steps=8)
    assert len(grid) == 9 and sampler is multistep


def test_stops_are_every_kth_level():
    grid = levels.cosine().grid(32, "karras")
    assert stops(levels.cosine(), 4, 32, "karras") == grid[::8] and stops(levels.cosine(), 32, 32, "karras") == grid


@pytest.mark.parametrize("call, said", [
    (lambda: stops(levels.cosine(), 5, 32, "karras"), "32 steps halved again and again are never 5"),
    (lambda: stops(levels.cosine(), 2, 12, "karras"), "12 steps halved again and again are never 2"),
    (lambda: stops(levels.cosine(), 0, 32, "karras"), "32 steps halved again and again are never 0"),
    (lambda: student("progressive_4", steps=8), "was trained at 4 levels and knows no others: take no more steps, got 8"),
    (lambda: student("progressive_4", steps=0), "32 steps halved again and again are never 0"),
    (lambda: student("consistency", steps=64), "32 steps halved again and again are never 64"),
    (lambda: ring.grid(3), "32 steps halved again and again are never 3"),
    (lambda: student("shapes"), "'shapes' is not a student of so many steps: its card names none"),
    (lambda: student("shapes_judge"), "is a classifier, not a denoiser"),
    (lambda: students.teacher("nobody"), "there is no checkpoint 'nobody'"),
    (lambda: students.teacher("digits"), "'digits' cannot teach a student here: its pred is 'eps', and a student's is 'v'"),
    (lambda: students.teacher("ring"), "'ring' cannot teach a student here: its classes is 8, and a student's is 6"),
    (lambda: progressive.train(3), "students take 16, 8, 4, 2, 1 steps, 32 halved again and again, got 3")])
def test_what_does_not_halve_or_does_not_fit_is_told_in_a_sentence(call, said):
    with pytest.raises(ValueError, match=said.replace("(", "\\(")) as error:
        call()
    assert "\n" not in str(error.value)


def test_what_a_user_trained_teaches_the_users_next():
    assert students.teacher("progressive_16").card.get("note") is None
    store.save("progressive_16", store.weights("progressive_16"), store.card("progressive_16") | {"note": "mine"})
    assert students.teacher("progressive_16").card["note"] == "mine"


def test_fresh_noise_is_the_same_whenever_a_student_is_looked_at():
    looks = [students.examine(store.checkpoints(), "consistency", n=12, exact=4) for _ in range(2)]
    assert looks[0] == looks[1]


def test_a_teacher_is_read_from_the_folder_that_is_written_to_first(tmp_path):
    store.save("shapes", store.weights("shapes"), store.card("shapes") | {"note": "mine"}, tmp_path)
    assert students.teacher("shapes", tmp_path).card["note"] == "mine"
    assert "note" not in students.teacher("shapes", tmp_path / "elsewhere").card
