"""Answers to 05-quantize: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

EXERCISE = "05-quantize"


def right(x, bits, group):
    top = 2 ** (bits - 1) - 1
    part = x.unflatten(1, (-1, group))
    scale = part.abs().amax(2) / top
    scale = torch.where(scale == 0, 1.0, scale)
    return (part / scale[..., None]).round().to(torch.int8).flatten(1), scale


def right_reshape(x, bits, group):
    parts = x.reshape(len(x), -1, group)
    scale = parts.abs().max(dim=-1).values / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1
    q = torch.round(x / scale.repeat_interleave(group, dim=1))
    return q.clamp(-(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1).to(torch.int8), scale


def right_loop(x, bits, group):
    top, q = 2 ** (bits - 1) - 1, torch.zeros(x.shape, dtype=torch.int8)
    scale = torch.ones(len(x), x.shape[1] // group, dtype=x.dtype)
    for i in range(len(x)):
        for j in range(x.shape[1] // group):
            piece = x[i, j * group:(j + 1) * group]
            if piece.abs().max() > 0:
                scale[i, j] = piece.abs().max() / top
            q[i, j * group:(j + 1) * group] = torch.round(piece / scale[i, j]).to(torch.int8)
    return q, scale


def still_in_groups(x, bits, group):
    part = torch.stack(x.split(group, 1), 1)
    scale = (part.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1))
    scale = scale.masked_fill(scale == 0, 1)
    return (part / scale).round().char(), scale


def made(scale=None, code=None, zero=1.0, cast=torch.int8, group_of=None):
    """The right answer with one part of it exchanged."""
    def answer(x, bits, group):
        top = 2 ** (bits - 1) - 1
        part = x.unflatten(1, (-1, group))
        s = scale(part, top, x, bits, group) if scale else part.abs().amax(2) / top
        s = torch.where(s == 0, zero, s) if zero is not None else s
        q = code(part / s[..., None], part, s, top) if code else (part / s[..., None]).round()
        return (q.to(cast) if cast else q).flatten(1), s
    return answer


def no_groups(x, bits, group):
    top = 2 ** (bits - 1) - 1
    scale = x.abs().amax(1, keepdim=True) / top
    return (x / scale).round().to(torch.int8), scale


def only_codes(x, bits, group):
    return right(x, bits, group)[0]


def exchanged(x, bits, group):
    return right(x, bits, group)[::-1]


def numbers(x, bits, group):
    q, scale = right(x, bits, group)
    return (q * scale.repeat_interleave(group, 1)), scale


def strided(x, bits, group):
    top = 2 ** (bits - 1) - 1
    part = x.reshape(len(x), group, -1)
    scale = part.abs().amax(1) / top
    scale = torch.where(scale == 0, 1.0, scale)
    return (part / scale[:, None]).round().to(torch.int8).flatten(1), scale


def in_place(x, bits, group):
    top = 2 ** (bits - 1) - 1
    part = x.unflatten(1, (-1, group))
    scale = part.abs().amax(2) / top
    scale[scale == 0] = 1
    part /= scale[..., None]
    return part.round().to(torch.int8).flatten(1), scale


def four_bits(x, bits, group):
    return right(x, 4, group)


def scales_in_rows(x, bits, group):
    q, scale = right(x, bits, group)
    return q, scale.repeat_interleave(group, 1)


def padded(x, bits, group):
    x = F.pad(x, (0, group))
    return right(x, bits, group)


# A newcomer's own, written before any check was run


def newcomers_g_helper(x, group):
    return x.unflatten(1, (-1, group))


def newcomers_eps(x, bits, group):
    """clamps the scale to 1e-8 instead of taking 1 for groups of zeros"""
    g = newcomers_g_helper(x, group)
    s = (g.abs().amax(-1) / (2 ** (bits - 1) - 1)).clamp(min=1e-08)
    return ((g / s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_group_count(x, bits, group):
    """unflatten (group, -1): strided groups, reads the argument as a number of groups, maximum over axis 1"""
    g = x.unflatten(1, (-1, group))
    s = g.abs().amax(1) / (2 ** (bits - 1) - 1)
    s = torch.where(s == 0, 1.0, s)
    return ((g / s[:, None]).round().flatten(1).to(torch.int8), s)


def newcomers_keepdim(x, bits, group):
    """scale returned as (rows, groups, 1)"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    s = torch.where(s == 0, 1.0, s)
    return ((g / s).round().flatten(1).to(torch.int8), s)


def newcomers_q_shape(x, bits, group):
    """codes left in shape (rows, groups, group)"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1) / (2 ** (bits - 1) - 1)
    s = torch.where(s == 0, 1.0, s)
    return ((g / s[..., None]).round().to(torch.int8), s)


def newcomers_scale_half(x, bits, group):
    """scales stored in 16 bits (float16), since the lab speaks of 16 bit scales"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1) / (2 ** (bits - 1) - 1)
    s = torch.where(s == 0, 1.0, s).half()
    return ((g / s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_inverse(x, bits, group):
    """returns the inverse scale (codes a unit, not units a code)"""
    g = newcomers_g_helper(x, group)
    m = g.abs().amax(-1)
    m = torch.where(m == 0, 1.0, m)
    s = (2 ** (bits - 1) - 1) / m
    return ((g * s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_order(x, bits, group):
    """returns (scale, q)"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1) / (2 ** (bits - 1) - 1)
    s = torch.where(s == 0, 1.0, s)
    return (s, (g / s[..., None]).round().flatten(1).to(torch.int8))


def newcomers_always4(x, bits, group):
    """7 written in, bits not used"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1) / 7
    s = torch.where(s == 0, 1.0, s)
    return ((g / s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_zero_code_max(x, bits, group):
    """where the maximum is 0 takes 1 for the maximum, so the scale is 1/7"""
    g = newcomers_g_helper(x, group)
    m = g.abs().amax(-1)
    m = torch.where(m == 0, 1.0, m)
    s = m / (2 ** (bits - 1) - 1)
    return ((g / s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_xor(x, bits, group):
    """2 ^ (bits - 1) is xor in Python"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1) / ((2 ^ bits - 1) - 1)
    s = torch.where(s == 0, 1.0, s)
    return ((g / s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_precedence(x, bits, group):
    """2 ** bits - 1 - 1: parenthesis slip, 2**(bits-1-1)"""
    g = newcomers_g_helper(x, group)
    s = g.abs().amax(-1) / 2 ** (bits - 1 - 1)
    s = torch.where(s == 0, 1.0, s)
    return ((g / s[..., None]).round().flatten(1).to(torch.int8), s)


def newcomers_loop_right(x, bits, group):
    """loops over groups"""
    top = 2 ** (bits - 1) - 1
    qs, ss = ([], [])
    for part in x.split(group, 1):
        s = part.abs().max(1).values / top
        s = s.masked_fill(s == 0, 1.0)
        qs.append((part / s.unsqueeze(1)).round().to(torch.int8))
        ss.append(s)
    return (torch.cat(qs, 1), torch.stack(ss, 1))


def newcomers_view_right(x, bits, group):
    """reshape, norm inf, repeat_interleave"""
    rows, K = x.shape
    s = torch.linalg.vector_norm(x.reshape(rows, K // group, group), ord=float('inf'), dim=2) / ((1 << bits - 1) - 1)
    s = s + (s == 0).to(x.dtype)
    q = torch.round(x / s.repeat_interleave(group, 1)).clamp(-(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1)
    return (q.to(torch.int8), s)


def newcomers_multiply_right(x, bits, group):
    """x * (7 / max): another order of arithmetic, same up to an ulp"""
    top = 2 ** (bits - 1) - 1
    g = x.unflatten(1, (-1, group))
    m = g.abs().amax(2, keepdim=True)
    s = torch.where(m == 0, torch.ones_like(m), m / top)
    q = torch.round(g * (1 / s)).flatten(1)
    return (q.to(torch.int8), s.squeeze(2))


def newcomers_maxmin_right(x, bits, group):
    """max(max, -min); Tensor.char()"""
    g = x.reshape(len(x), -1, group)
    s = torch.maximum(g.amax(-1), -g.amin(-1)) / (2 ** (bits - 1) - 1)
    s[s == 0] = 1
    return (torch.round(g / s.unsqueeze(-1)).reshape(x.shape).char(), s)


def hurried_repeat(x, bits, group):
    """repeat for repeat_interleave"""
    top, scale = 2 ** (bits - 1) - 1, right(x, bits, group)[1]
    return (x / scale.repeat(1, group)).round().clamp(-top, top).to(torch.int8), scale


def right_mended_after(x, bits, group):
    """divides by 0 first, and mends both afterwards"""
    part = x.unflatten(1, (-1, group))
    scale = part.abs().amax(2) / (2 ** (bits - 1) - 1)
    q = (part / scale[..., None]).nan_to_num(0).round().to(torch.int8).flatten(1)
    return q, scale.masked_fill(scale == 0, 1)


RIGHT = [
    right, right_mended_after, right_reshape, right_loop, newcomers_loop_right, newcomers_multiply_right, newcomers_view_right,
    newcomers_maxmin_right,
]
WRONG = [
    (made(lambda p, top, x, b, g: p.abs().amax(2) / (top + 1)), ["2^(bits - 1): the largest"]),
    (made(lambda p, top, x, b, g: p.abs().amax(2) / (2 * top + 1)), ["2^bits - 1, all steps"]),
    (made(lambda p, top, x, b, g: p.abs().amax(2) / 2**b), ["divided by 2^bits:"]),
    (made(lambda p, top, x, b, g: (p.amax(2) - p.amin(2)) / (2**b - 1)), ["over all steps"]),
    (made(lambda p, top, x, b, g: (p.amax(2) - p.amin(2)) / (2 * top)), ["steps of a symmetric grid"]),
    (made(lambda p, top, x, b, g: p.amax(2) / top), ["not the greatest |x|"]),
    (made(lambda p, top, x, b, g: p.abs().amax(2)), ["is not divided by the largest code"]),
    (made(lambda p, top, x, b, g: torch.where(p.abs().amax(2) == 0, 1.0, top / p.abs().amax(2))), ["upside down"]),
    (made(lambda p, top, x, b, g: p.abs().mean(2) / top), ["the mean of |x|"]),
    (made(lambda p, top, x, b, g: x.abs().amax(1, keepdim=True).expand(len(x), p.shape[1]) / top), ["one scale a row"]),
    (made(lambda p, top, x, b, g: (x.abs().max() / top).expand(len(x), p.shape[1])), ["one scale for all of x"]),
    (made(lambda p, top, x, b, g: p.std(2) / top), []),
    (made(lambda p, top, x, b, g: p.abs().amax(2).clamp(min=1e-8) / top, zero=None), []),
    (made(zero=None), ["has the scale 0", "divided by its scale, 0"]),
    (made(lambda p, top, x, b, g: p.abs().amax(2) / top + 1e-8, zero=None), ["a small number is added"]),
    (made(code=lambda r, p, s, top: r), ["cut off, not rounded"]),
    (made(code=lambda r, p, s, top: r.floor()), ["rounded down"]), (made(code=lambda r, p, s, top: r.ceil()), ["rounded up"]),
    (made(code=lambda r, p, s, top: (r + 0.5).round()), ["once more"]), (made(code=lambda r, p, s, top: r.abs().round()), []),
    (made(code=lambda r, p, s, top: r.round().clamp(min=0)), ["below 0 are lost"]),
    (made(code=lambda r, p, s, top: (p * s[..., None]).round()), ["multiplied by its scale"]),
    (made(code=lambda r, p, s, top: r.round() + top, cast=torch.uint8), ["codes from 0 on", "uint8 has no"]),
    (made(cast=None), ["floating-point numbers"]), (made(cast=torch.int64), ["eight bytes"]),
    (made(cast=torch.uint8), ["uint8 has no"]),
    (made(code=lambda r, p, s, top: r, cast=None), ["not codes yet", "floating-point numbers"]),
    (numbers, ["the numbers that the codes stand for", "floating-point numbers"]), (no_groups, []), (only_codes, []),
    (exchanged, ["the two are exchanged"]), (strided, ["every so many-th", "taken in turn"]), (in_place, []),
    (four_bits, ["whatever `bits` is"]), (scales_in_rows, ["a scale for each number"]), (still_in_groups, ["still in groups"]),
    (padded, []), (lambda x, bits, group: right(x, bits, x.shape[1]), []), (lambda x, bits, group: right(x.T, bits, 1), []),
    (made(code=lambda r, p, s, top: r.round().clamp(-7, 7)), ["those of 4 bits"]),
    (made(lambda p, top, x, b, g: torch.where((p == 0).any(2), 1.0, p.abs().amax(2) / top)), ["groups that are not all 0"]),
    (made(code=lambda r, p, s, top: r + 0.5), ["0.5 is added and the rest cut off"]), (hurried_repeat, ["taken in turn"]),
    (lambda x, bits, group: ((a := right(x, bits, group))[0], a[1].squeeze()), ["squeeze() takes off"]),
    (newcomers_keepdim, ["the scales keep an axis of 1: amax(2), withou"]),
    (newcomers_q_shape, ["the codes are still in groups: flatten(1)"]), (newcomers_inverse, []),
    (newcomers_always4, ["divided by 7, the largest code of 4 bits, wha"]),
    (newcomers_scale_half, ["the scales are of another type than x"]),
    (newcomers_xor, ["^ is the exclusive or of whole numbers in Pyt"]),
    (newcomers_precedence, ["divided by 2 ** (bits - 2): the largest code "]),
    (newcomers_group_count, ["`group` is the size of a group, not their num"]),
    (newcomers_zero_code_max, ["a group of zeros gets 1 / top here: its scale"]),
    (newcomers_order, ["the two are exchanged: (q, scale)"]),
    (newcomers_eps, ["a group of zeros has next to no scale here: t"]),
]
