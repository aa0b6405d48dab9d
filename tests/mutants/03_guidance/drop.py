"""Answers to 03-drop: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "03-drop"


def rand(labels, rng):
    return torch.rand(labels.shape, generator=rng)


def right_where(labels, null, p, rng):
    return torch.where(rand(labels, rng) < p, null, labels)


def right_index(labels, null, p, rng):
    out = labels.clone()
    out[torch.rand(len(labels), generator=rng) < p] = null
    return out


def right_bernoulli(labels, null, p, rng):
    gone = torch.bernoulli(torch.full(labels.shape, float(p)), generator=rng).bool()
    return labels.masked_fill(gone, null)


def right_kept(labels, null, p, rng):
    keep = rand(labels, rng) >= p
    return labels * keep + null * (~keep)


def changed(mask, value=lambda labels, null: null):
    def answer(labels, null, p, rng):
        return torch.where(mask(labels, p, rng), value(labels, null), labels)
    return answer


def wrong_permuted(labels, null, p, rng):
    out = labels.clone()
    out[torch.randperm(len(labels), generator=rng)[:round(p * len(labels))]] = null
    return out


def wrong_first(labels, null, p, rng):
    out = labels.clone()
    out[:int(p * len(labels))] = null
    return out


def wrong_last(labels, null, p, rng):
    out = labels.clone()
    out[len(labels) - int(p * len(labels)):] = null
    return out


def wrong_every(labels, null, p, rng):
    out = labels.clone()
    out[::round(1 / p) if p else len(labels) + 1] = null
    return out


def wrong_mask(labels, null, p, rng):
    return (rand(labels, rng) < p).long()


def wrong_in_place(labels, null, p, rng):
    labels[rand(labels, rng) < p] = null
    return labels


def wrong_float(labels, null, p, rng):
    return torch.where(rand(labels, rng) < p, float(null), labels.float())


def wrong_removed(labels, null, p, rng):
    return labels[rand(labels, rng) >= p]


def wrong_whole(labels, null, p, rng):
    return torch.full_like(labels, null) if torch.rand((), generator=rng) < p else labels.clone()


def wrong_global(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape) < p, null, labels)


def wrong_own(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape, generator=torch.Generator().manual_seed(0)) < p, null, labels)


def wrong_shuffled(labels, null, p, rng):
    return right_where(labels[torch.randperm(len(labels), generator=rng)], null, p, rng)


def wrong_by_class(labels, null, p, rng):
    return torch.where(torch.rand(int(null) + 1, generator=rng)[labels] < p, null, labels)


RIGHT = [right_where, right_index, right_bernoulli, right_kept]
WRONG = [
    (changed(lambda l, p, rng: rand(l, rng) > p), ["kept and dropped are exchanged"]),
    (changed(lambda l, p, rng: rand(l, rng) < 1 - p), ["kept and dropped are exchanged"]),
    (changed(lambda l, p, rng: rand(l, rng) < p, lambda l, null: 0), ["became 0", "nothing is dropped"]),
    (changed(lambda l, p, rng: rand(l, rng) < p, lambda l, null: -1), ["became -1", "nothing is dropped"]),
    (changed(lambda l, p, rng: rand(l, rng) < p, lambda l, null: null - 1), ["have moved", "nothing is dropped"]),
    (changed(lambda l, p, rng: torch.randn(l.shape, generator=rng) < p), ["normal number"]),
    (changed(lambda l, p, rng: rand(l, rng) < 0.5), ["half of them"]),
    (changed(lambda l, p, rng: rand(l, rng) < 0.1), []),
    (changed(lambda l, p, rng: (rand(l, rng) < p) & (rand(l, rng) < p)), ["two draws agree"]),
    (changed(lambda l, p, rng: torch.rand((), generator=rng) < p),
     ["all, or none", "nothing is dropped", "everything is dropped"]),
    (wrong_whole, ["all, or none", "nothing is dropped", "everything is dropped"]),
    (wrong_permuted, ["always as many", "always the same ones"]),
    (wrong_first, ["first ones", "always as many", "always the same ones", "another rng", "generator of your own"]),
    (wrong_last, ["first ones", "always as many", "always the same ones"]),
    (wrong_every, ["always as many", "always the same ones"]),
    (wrong_mask, ["this is the mask", "nothing is dropped"]),
    (wrong_shuffled, ["have moved"]),
    (wrong_by_class, []),
    (wrong_in_place, []),
    (wrong_float, []),
    (wrong_removed, []),
    (wrong_global, ["not all that is random comes from rng"]),
    (wrong_own, ["generator of your own", "always the same ones", "the same ones for every rng"]),
    (lambda labels, null, p, rng: labels.clone(), ["nothing is dropped"]),
    (lambda labels, null, p, rng: torch.full_like(labels, null), ["everything is dropped"]),
]
