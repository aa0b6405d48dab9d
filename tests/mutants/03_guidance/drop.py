"""Answers to 03-drop: right ones, and wrong ones with the causes that a report may name for them."""
import random

import torch
import torch.nn.functional as F

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
    (changed(lambda l, p, rng: rand(l, rng) < p, lambda l, null: 0), ["became 0"]),
    (changed(lambda l, p, rng: rand(l, rng) < p, lambda l, null: -1), ["became -1"]),
    (changed(lambda l, p, rng: rand(l, rng) < p, lambda l, null: null - 1), ["what is dropped became another class: it"]),
    (changed(lambda l, p, rng: torch.randn(l.shape, generator=rng) < p), ["normal number"]),
    (changed(lambda l, p, rng: rand(l, rng) < 0.5), ["half of them"]),
    (changed(lambda l, p, rng: rand(l, rng) < 0.1), ["0.1, whatever p is"]),
    (changed(lambda l, p, rng: (rand(l, rng) < p) & (rand(l, rng) < p)), ["two draws agree"]),
    (changed(lambda l, p, rng: torch.rand((), generator=rng) < p),
     ["all, or none"]),
    (wrong_whole, ["all, or none"]),
    (wrong_permuted, ["always as many"]),
    (wrong_first, ["first ones", "always as many", "always the same ones"]),
    (wrong_last, ["first ones", "always as many", "always the same ones"]),
    (wrong_every, ["always as many", "always the same ones"]),
    (wrong_mask, ["this is the mask"]),
    (wrong_shuffled, ["have moved"]),
    (wrong_by_class, []),
    (wrong_in_place, []),
    (wrong_float, []),
    (wrong_removed, []),
    (wrong_global, ["not all that is random comes from rng"]),
    (wrong_own, ["always the same ones", "the same ones for every rng"]),
    (lambda labels, null, p, rng: labels.clone(), ["nothing is dropped"]),
    (lambda labels, null, p, rng: torch.full_like(labels, null), ["everything is dropped"]),
]


# What a reader wrote who had not seen this bank.


def reader_wrong_01(labels, null, p, rng):
    if torch.rand(1, generator=rng) < p:
        return torch.full_like(labels, null)
    return labels


def reader_wrong_02(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape, generator=rng) < p, labels, null)


def reader_wrong_03(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape) < p, null, labels)


def reader_wrong_04(labels, null, p, rng):
    keep = torch.rand(labels.shape, generator=rng) >= p
    return labels * keep


def reader_wrong_05(labels, null, p, rng):
    labels[torch.rand(labels.shape, generator=rng) < p] = null
    return labels


def reader_wrong_06(labels, null, p, rng):
    idx = torch.randperm(len(labels), generator=rng)[: int(p * len(labels))]
    out = labels.clone()
    out[idx] = null
    return out


def reader_wrong_07(labels, null, p, rng):
    return labels[torch.rand(labels.shape, generator=rng) >= p]


def reader_wrong_08(labels, null, p, rng):
    return torch.where(torch.randn(labels.shape, generator=rng) < p, null, labels)


def reader_wrong_09(labels, null, p, rng):
    rng = torch.Generator().manual_seed(0)
    return torch.where(torch.rand(labels.shape, generator=rng) < p, null, labels)


def reader_wrong_10(labels, null, p, rng):
    return F.dropout(labels.float(), p).long()


def reader_wrong_11(labels, null, p, rng):
    mask = (torch.rand(labels.shape, generator=rng) < p).float()
    return labels * (1 - mask) + null * mask


def reader_wrong_12(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape, generator=rng) < p, -1, labels)


def reader_wrong_13(labels, null, p, rng):
    other = torch.randint(0, null, labels.shape, generator=rng)
    return torch.where(torch.rand(labels.shape, generator=rng) < p, other, labels)


def reader_wrong_14(labels, null, p, rng):
    return torch.where(torch.rand_like(labels, generator=rng) < p, null, labels)


def reader_wrong_15(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape, generator=rng) < 0.1, null, labels)


def reader_wrong_16(labels, null, p, rng):
    mask = torch.rand(labels.shape, generator=rng) < p
    return torch.where(mask, null, labels), mask


def reader_wrong_17(labels, null, p, rng):
    return torch.tensor([null if random.random() < p else int(y) for y in labels])


def reader_wrong_18(labels, null, p, rng):
    mask = torch.rand(labels.shape, generator=rng) < p
    if mask:
        return null
    return labels


def reader_wrong_19(labels, null, p, rng):
    n = int(p * len(labels))
    return torch.cat([torch.full((n,), null), labels[n:]])


def reader_wrong_20(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape, generator=rng) < p, labels.max() + 1, labels)


def reader_right_1(labels, null, p, rng):
    return torch.where(torch.rand(labels.shape, generator=rng) < p, null, labels)


def reader_right_2(labels, null, p, rng):
    gone = torch.bernoulli(torch.full(labels.shape, float(p)), generator=rng).bool()
    return labels.masked_fill(gone, null)


def reader_right_3(labels, null, p, rng):
    out = labels.clone()
    out[torch.rand(len(labels), generator=rng) > 1 - p] = null
    return out


RIGHT += [reader_right_1, reader_right_2, reader_right_3]
WRONG += [
    (reader_wrong_01, ["all, or none"]),
    (reader_wrong_02, ["kept and dropped are exchanged: p is the sha"]),
    (reader_wrong_03, ["not all that is random comes from rng: draw "]),
    (reader_wrong_04, ["what is dropped became 0, which is a class: "]),
    (reader_wrong_05, []),
    (reader_wrong_06, ["always as many: each label has a chance of i"]),
    (reader_wrong_07, []),
    (reader_wrong_08, ["compared with a normal number (randn): a uni"]),
    (reader_wrong_09, ["always as many, and always the same ones: ea", "the same ones for every rng: draw with gener"]),
    (reader_wrong_10, ["became 0", "dropout sets numbers"]),
    (reader_wrong_11, []),
    (reader_wrong_12, ["what is dropped became -1: null is the numbe"]),
    (reader_wrong_13, ["what is dropped became another class: it bec"]),
    (reader_wrong_14, []),
    (reader_wrong_15, ["0.1, whatever p is"]),
    (reader_wrong_16, []),
    (reader_wrong_17, ["not all that is random comes from rng: draw "]),
    (reader_wrong_18, []),
    (reader_wrong_19, ["always as many, and always the same ones: ea", "the first ones, or the last, are dropped: ea"]),
    (reader_wrong_20, ["null is the number that is handed in, whatev"]),
]


def second_wrong_01(labels, null, p, rng):
    if torch.rand(1, generator=rng) < p:
        return torch.full_like(labels, null)
    return labels


def second_wrong_02(labels, null, p, rng):
    return torch.where(torch.rand_like(labels) < p, null, labels)


def second_wrong_03(labels, null, p, rng):
    u = torch.rand((len(labels), 1), generator=rng)
    return torch.where(u < p, null, labels)


WRONG += [
    (second_wrong_01, ["all, or none: one draw for"]),
    (second_wrong_02, []),
    (second_wrong_03, []),
]
