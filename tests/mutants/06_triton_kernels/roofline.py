"""Answers to 06-roofline: right ones, and wrong ones with the causes that a report may name for them."""
EXERCISE = "06-roofline"


def roofline(m, k, n, x_bits, w_bits, byte_rate, op_rate):
    moved = (m * k * x_bits + n * k * w_bits + m * n * 16) / 8
    ops = 2 * m * n * k
    return moved, ops, max(moved / byte_rate, ops / op_rate)


def in_steps(m, k, n, x_bits, w_bits, byte_rate, op_rate):
    moved = m * k * x_bits // 8 + n * k * w_bits // 8 + 2 * m * n
    ops = 2 * m * k * n
    seconds = moved / byte_rate
    if ops / op_rate > seconds:
        seconds = ops / op_rate
    return [moved, ops, seconds]


def made(moved=lambda m, k, n, x, w: (m * k * x + n * k * w + m * n * 16) / 8, ops=lambda m, k, n: 2 * m * n * k,
         seconds=lambda a, b, byte, op: max(a / byte, b / op)):
    def answer(m, k, n, x_bits, w_bits, byte_rate, op_rate):
        a, b = moved(m, k, n, x_bits, w_bits), ops(m, k, n)
        return a, b, seconds(a, b, byte_rate, op_rate)
    return answer


RIGHT = [roofline, in_steps, made()]
WRONG = [
    (lambda *given: (roofline(*given)[1], roofline(*given)[0], roofline(*given)[2]),
     ["bytes come first", "operations come second", "exchanged"]),
    (made(moved=lambda m, k, n, x, w: m * k * x + n * k * w + m * n * 16), ["eight to a byte"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + n * k * w) / 8), ["outputs are missing"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + n * k * w + m * n * 8) / 8),
     ["outputs have one byte", "as many bits as the inputs"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + n * k * w + m * n * 32) / 8), ["outputs have four"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + n * k * w + m * n * x) / 8),
     ["as many bits as the inputs", "outputs have one"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + m * n * 16) / 8), ["weights are missing"]),
    (made(moved=lambda m, k, n, x, w: (n * k * w + m * n * 16) / 8), ["inputs are missing"]),
    (made(moved=lambda m, k, n, x, w: ((m * k + n * k) * x + m * n * 16) / 8), ["as many bits as the inputs here"]),
    (made(moved=lambda m, k, n, x, w: (m * k + n * k + m * n) * 2), ["both have 16 bits"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + m * n * k * w + m * n * 16) / 8), ["anew for every row"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + k * k * w + m * n * 16) / 8), ["k times k"]),
    (made(ops=lambda m, k, n: m * n * k), ["two operations"]), (made(ops=lambda m, k, n: m * k + k * n), ["m k + k n"]),
    (made(ops=lambda m, k, n: 2 * n * k), ["one row"]), (made(ops=lambda m, k, n: m * n * (2 * k - 1)), ["by custom"]),
    (made(seconds=lambda a, b, byte, op: a / byte + b / op), ["the sum of the two"]),
    (made(seconds=lambda a, b, byte, op: min(a / byte, b / op)), ["the shorter of the two"]),
    (made(seconds=lambda a, b, byte, op: a / byte), ["the shorter of the two"]),
    (made(seconds=lambda a, b, byte, op: b / op), ["the shorter of the two"]),
    (made(seconds=lambda a, b, byte, op: 1e3 * max(a / byte, b / op)), ["milliseconds"]),
    (made(seconds=lambda a, b, byte, op: max(byte / a, op / b)), ["upside down"]),
    (made(seconds=lambda a, b, byte, op: max(a / op, b / byte)), ["exchanged"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + m * n * w + m * n * 16) / 8), ["weights are m times n"]),
    (made(moved=lambda m, k, n, x, w: (m * k * x + n * k * w + m * k * 16) / 8), ["outputs are m times k"]),
    (made(moved=lambda m, k, n, x, w: m * k * (x // 8) + n * k * (w // 8) + 2 * m * n), ["half a byte"]),
    (made(moved=lambda m, k, n, x, w: m * k * x + n * k * w + m * n * 16 / 8), ["brackets"]),
    (made(seconds=lambda a, b, byte, op: max(8 * a / byte, b / op)), ["bits over bytes"]),
    (made(seconds=lambda a, b, byte, op: b / a), []), (made(moved=lambda m, k, n, x, w: 0.0), [])]
