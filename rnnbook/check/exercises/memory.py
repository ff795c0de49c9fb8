"""The exercises of the chapter `memory`: Adam's bytes, the longest sequence, masks, waste, segments, streams."""

from typing import Any

import numpy as np

from rnnbook.check import Answer, Array, exercise


@exercise("memory-1")
def adam_bytes(answer: Answer) -> None:
    embedding, lstm, readout = 10_000 * 128, 4 * 256 * (128 + 256 + 1), 10_000 * 257
    P = embedding + lstm + readout
    mistakes: list[tuple[float, str]] = [
        (4 * P, "weights-only"),
        (8 * P, "no-means"),
        (12 * P, "three"),
        (P, "count"),
        (16 * (P - embedding), "no-embedding"),
        (16 * (P - readout), "no-readout"),
        (16 * (P - lstm + lstm // 4), "one-gate"),
        (16 * (P - 4 * 256 - 10_000), "no-biases"),
        (16 * (P - 4 * 256), "no-biases"),
        (16 * (P - 10_000), "no-biases"),
        (16 * (P + 4 * 256), "two-biases"),
        (32 * P, "double"),
    ]
    answer.equals(answer.value("integer"), 16 * P, rtol=0, atol=0, mistakes=mistakes)


@exercise("memory-2", arguments=("memory", "P", "B", "I", "H", "n", "O"))
def longest_fit(answer: Answer) -> None:
    cases = (
        (2**30, 328_704, 8, 64, 256, 7, 0),
        (2**30, 2_898_704, 32, 64, 256, 7, 10_000),
        (10**6, 5000, 4, 3, 16, 1, 10),
        (10**6, 62_000, 100, 30, 64, 5, 20),
        (10**6, 100_000, 1, 3, 16, 5, 10),
        (16 * 5000 + 4 * 4 * 49 * 10, 5000, 4, 3, 16, 1, 10),
    )
    for memory, P, B, I, H, n, O in cases:
        each = I + n * H + max(H, 3 * O)
        free = memory - 16 * P
        want = max(free // (4 * B * each), 0)
        given = f"memory={memory}, P={P}, B={B}, I={I}, H={H}, n={n}, O={O}"
        got = answer.call(memory, P, B, I, H, n, O, given=given)
        mistakes: list[tuple[float, str]] = [
            (free / (4 * B * each), "not-whole"),
            (max(free // (B * each), 0), "no-bytes"),
            (max(free // (4 * each), 0), "no-batch"),
            (memory // (4 * B * each), "no-weights"),
            (max((memory - 4 * P) // (4 * B * each), 0), "weights-once"),
            (max(free // (4 * B * (I + n * H + H + 3 * O)), 0), "sum"),
            (max(free // (4 * B * (I + n * H + 3 * O)), 0), "no-max"),
            (max(free // (4 * B * (n * H + max(H, 3 * O))), 0), "no-inputs"),
            (want + 1, "too-long"),
        ]
        if free < 4 * B * each:
            mistakes.append((free // (4 * B * each), "negative"))
        answer.equals(got, want, given=given, rtol=0, atol=0, mistakes=mistakes)


@exercise("memory-3", arguments=("losses", "lengths"))
def masked_mean(answer: Answer) -> None:
    for T, lengths, pad in ((5, [5, 2, 3], 7.0), (4, [1, 4], np.nan), (6, [2, 3, 6, 1], np.nan), (3, [3], 0.0)):
        rng, given = np.random.default_rng(T), f"T={T}, lengths={lengths}, pad={pad:g}"
        real = rng.uniform(0.5, 2, (T, len(lengths)))
        counts = np.arange(T)[:, None] < np.array(lengths)
        losses = np.where(counts, real, pad)
        want = real[counts].mean()
        zeros = np.where(counts, real, 0.0)
        mistakes: list[tuple[float, str]] = [(zeros.mean(), "all-steps"), (zeros.sum(), "sum")]
        if len(set(lengths)) > 1:
            mistakes += [
                (float(np.mean([zeros[:n, i].mean() for i, n in enumerate(lengths)])), "mean-of-means"),
                (zeros.sum() / len(lengths), "per-sequence"),
                (_shifted(losses, lengths), "fencepost"),
            ]
            if np.isnan(pad):
                mistakes.append((np.nan, "nan"))
            else:
                mistakes.append((losses.mean(), "pads-too"))
        answer.equals(answer.call(losses, list(lengths), given=given), want, given=given, mistakes=mistakes)


def _shifted(losses: Array, lengths: list[int]) -> float:
    """The mean with one step more of each sequence, where there is one."""
    counts = np.arange(len(losses))[:, None] <= np.array(lengths)
    return float(losses[counts].mean())


@exercise("memory-4")
def waste(answer: Answer) -> None:
    right = 1 - 26 / 48, 1 - 26 / 32
    mistakes: list[tuple[Any, str]] = [
        ([1 - right[0], 1 - right[1]], "real"),
        ([22 / 26, 6 / 26], "per-real"),
        ([22, 6], "counts"),
        ([100 * right[0], 100 * right[1]], "percent"),
        ([right[1], right[0]], "swapped"),
        ([right[0], (1 / 8 + 5 / 24) / 2], "mean-of-shares"),
        ([right[0], 1 - 26 / (2 * 7 + 2 * 12)], "not-sorted"),
        ([right[0], ...], "second"),
        ([..., right[1]], "first"),
        (..., "neither"),
    ]
    answer.equals(answer.values("one", "two"), right, rtol=0, atol=2e-3, mistakes=mistakes)


@exercise("memory-5", arguments=("T", "s", "n"))
def two_levels(answer: Answer) -> None:
    for T, s, n in ((1000, 1, 5), (1000, 2, 7), (64, 1, 1), (20_000, 3, 2)):
        given = f"T={T}, s={s}, n={n}"
        k, j = (T**2 * s / n) ** (1 / 3), (T * s**2 / n**2) ** (1 / 3)
        want = np.array([k, j, s * T / k + s * k / j + n * j])
        one = (s * T / n) ** 0.5
        halves = one**0.5
        mistakes: list[tuple[Array, str]] = [
            (np.array([one, halves, s * T / one + s * one / halves + n * halves]), "one-level"),
            (np.array([j, k, want[2]]), "swapped"),
            (np.array([k, j, want[2] / 3]), "one-part"),
        ]
        if s != n:
            even = T ** (2 / 3), T ** (1 / 3)
            total = s * T / even[0] + s * even[0] / even[1] + n * even[1]
            mistakes.append((np.array([*even, total]), "no-s-and-n"))
            flipped = (T**2 * n / s) ** (1 / 3), (T * n**2 / s**2) ** (1 / 3)
            total = s * T / flipped[0] + s * flipped[0] / flipped[1] + n * flipped[1]
            mistakes.append((np.array([*flipped, total]), "flipped"))
        answer.equals(answer.call(T, s, n, given=given), want, given=given, rtol=1e-6, mistakes=mistakes)


@exercise("memory-6", arguments=("stream", "B", "k"))
def rows(answer: Answer) -> None:
    for N, B, k in ((24, 2, 3), (50, 3, 4), (31, 1, 5), (40, 4, 2)):
        stream, given = np.random.default_rng(N).standard_normal(N), f"T={N}, B={B}, k={k}"
        p = N // (B * k)
        used = stream[: p * B * k]
        want = used.reshape(B, p, k).transpose(1, 2, 0)
        mistakes: list[tuple[Array, str]] = [
            (used.reshape(B, p, k), "axes"),
            (used.reshape(B, p, k).transpose(1, 0, 2), "batch-first"),
            (want[:-1], "one-piece-short"),
        ]
        if B > 1:
            mistakes += [
                (used.reshape(p, k, B), "dealt"),
                (used.reshape(p, B, k).transpose(0, 2, 1), "by-piece"),
            ]
        if N % (B * k):
            mistakes.append((stream[N - p * B * k :].reshape(B, p, k).transpose(1, 2, 0), "drops-the-start"))
        answer.equals(answer.call(stream, B, k, given=given), want, given=given, mistakes=mistakes)
