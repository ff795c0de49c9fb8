"""The tasks keep their definitions, and the losses that they promise are those of big samples."""

import inspect
import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from rnnbook.training import tasks

TASKS = [
    tasks.adding,
    tasks.latest,
    tasks.recall,
    tasks.copy,
    tasks.parity,
    tasks.anbn,
    tasks.next_sine,
    tasks.noisy_ar1,
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def entropy(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


def best_by_class(classes: Tensor, y: Tensor) -> float:
    """The cross-entropy of the best answer that knows only `classes`: the empirical conditional entropy."""
    joint = torch.zeros(int(classes.max()) + 1, int(y.max()) + 1, dtype=torch.float64)
    joint.index_put_((classes.flatten(), y.flatten()), torch.ones(y.numel(), dtype=torch.float64), True)
    joint /= joint.sum()
    given = joint / joint.sum(1, keepdim=True).clamp_min(1e-300)
    return -float((joint * given.clamp_min(1e-300).log()).sum())


@pytest.mark.parametrize("task", TASKS)
def test_equal_generators_give_equal_data(task) -> None:
    first, second = task(3, 25, generator=seeded()), task(3, 25, generator=seeded())
    other = task(3, 25, generator=torch.Generator().manual_seed(4321))
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first[0], other[0])
    assert first[0].shape[:2] == (25, 3)
    assert first[0].dim() == 3


@pytest.mark.parametrize("task", TASKS)
def test_the_dtype_changes_the_precision_and_not_the_data(task) -> None:
    single, double = task(3, 25, generator=seeded()), task(3, 25, generator=seeded(), dtype=torch.float64)
    assert single[0].dtype == torch.float32
    assert double[0].dtype == torch.float64
    for one, two in zip(single, double, strict=True):
        assert torch.allclose(one.double(), two.double(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_the_global_random_numbers_are_left_alone_where_a_generator_is_given(task) -> None:
    before = torch.get_rng_state()
    task(2, 25, generator=seeded(), device="cpu")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("task", TASKS)
def test_the_docstring_names_baseline_and_floor(task) -> None:
    assert "Baseline" in inspect.getdoc(task)
    assert "Floor" in inspect.getdoc(task)


@pytest.mark.parametrize("T", [2, 7, 50])
def test_adding_marks_one_step_in_each_half_and_adds(T: int) -> None:
    x, y = tasks.adding(500, T, generator=seeded(), dtype=torch.float64)
    numbers, marks = x[..., 0], x[..., 1]
    assert torch.equal(marks[: T // 2].sum(0), torch.ones(500))
    assert torch.equal(marks[T // 2 :].sum(0), torch.ones(500))
    assert (marks.sum(1) > 0).all()
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    assert torch.allclose((numbers * marks).sum(0), y[:, 0], rtol=0, atol=1e-15)


def test_adding_baselines() -> None:
    x, y = tasks.adding(200_000, 5, generator=seeded())
    assert abs(tasks.mse(torch.ones_like(y), y).item() - 1 / 6) < 1e-3
    last_step = 0.5 + torch.where(x[-1, :, 1] == 1, x[-1, :, 0], 0.5)[:, None]
    assert abs(tasks.mse(last_step, y).item() - (1 / 6 - 1 / (12 * 3))) < 1e-3


@pytest.mark.parametrize(("T", "K", "hold"), [(5, 5, 0), (7, 1, 6), (50, 5, 0), (50, 5, 25)])
def test_latest_asks_for_the_number_at_the_last_of_k_marks(T: int, K: int, hold: int) -> None:
    x, y = tasks.latest(500, T, K=K, hold=hold, generator=seeded(), dtype=torch.float64)
    numbers, marks = x.unbind(2)
    assert torch.equal(marks.sum(0), torch.full((500,), K, dtype=torch.float64))
    assert ((marks == 0) | (marks == 1)).all()
    assert marks[T - hold :].sum() == 0
    for b in range(500):
        assert y[b, 0] == numbers[marks[:, b] == 1, b][-1]


@pytest.mark.parametrize("hold", [0, 4])
def test_latest_baselines(hold: int) -> None:
    T, K = 12, 4
    x, y = tasks.latest(200_000, T, K=K, hold=hold, generator=seeded())
    assert abs(tasks.mse(torch.full_like(y, 0.5), y).item() - 1 / 12) < 1e-3
    last_step = torch.where(x[-1, :, 1] == 1, x[-1, :, 0], 0.5)[:, None]
    assert abs(tasks.mse(last_step, y).item() - (1 - K / T * (hold == 0)) / 12) < 1e-3
    mean = (x[..., 0] * x[..., 1]).sum(0)[:, None] / K
    assert abs(tasks.mse(mean, y).item() - (1 - 1 / K) / 12) < 1e-3
    ages = torch.arange(T)[:, None] * x[..., 1]
    assert abs(float(x[..., 1].mean(1)[: T - hold].std())) < 3e-3  # each allowed step is marked alike
    assert ages.amax(0).max() == T - hold - 1


def test_recall_asks_for_the_first_symbol_and_the_rest_do_not_tell() -> None:
    x, y = tasks.recall(100_000, 3, K=5, generator=seeded())
    assert torch.equal(x[0].argmax(1), y)
    assert torch.equal(x.sum(2), torch.ones(3, 100_000))
    for t in (1, 2):
        assert abs(best_by_class(x[t].argmax(1), y) - math.log(5)) < 1e-3


def test_copy_repeats_the_symbols_after_the_signal() -> None:
    T, S, K = 12, 3, 4
    x, y = tasks.copy(1000, T, S=S, K=K, generator=seeded())
    read = x.argmax(2)
    assert x.shape == (T, 1000, K + 2)
    assert torch.equal(read[:S], y[T - S :])
    assert (read[:S] < K).all()
    assert (y[: T - S] == K).all()
    assert (read[T - S - 1] == K + 1).all()
    assert (read[S : T - S - 1] == K).all()
    assert (read[T - S :] == K).all()


def test_copy_baseline() -> None:
    T, S, K = 12, 3, 4
    _, y = tasks.copy(50_000, T, S=S, K=K, generator=seeded())
    steps = torch.arange(T)[:, None].expand_as(y)
    assert abs(best_by_class(steps, y) - S / T * math.log(K)) < 1e-3


def test_parity_is_the_product_of_the_signs() -> None:
    x, y = tasks.parity(200, 30, generator=seeded())
    assert torch.equal(1 - 2 * y, (1 - 2 * x).cumprod(0))


def test_parity_baseline() -> None:
    x, y = tasks.parity(100_000, 4, generator=seeded())
    assert torch.equal(x[0], y[0])
    for t in (1, 2, 3):
        assert abs(best_by_class(x[t].long(), y[t].long()) - math.log(2)) < 1e-3
    assert abs(binary_cross_entropy(torch.full_like(y, 0.5), y).item() - math.log(2)) < 1e-6


def strings(symbols: list[int]) -> list[tuple[int, int]]:
    """The numbers of as and bs of each complete string in a row of symbols."""
    text = "".join("ab"[s] for s in symbols)
    pieces = text.replace("ba", "b a").split()[:-1]
    return [(piece.count("a"), piece.count("b")) for piece in pieces]


def test_anbn_has_as_many_bs_as_as() -> None:
    x, y = tasks.anbn(40, 300, n_min=2, n_max=7, generator=seeded())
    assert torch.equal(x.argmax(2)[1:], y[:-1])
    assert (x[0].argmax(1) == 0).all()
    seen = [pair for row in x.argmax(2).T.tolist() for pair in strings(row)]
    assert all(a == b for a, b in seen)
    assert {a for a, _ in seen} == set(range(2, 8))


def test_anbn_fills_every_length() -> None:
    for T in range(1, 12):
        x, y = tasks.anbn(2, T, n_min=3, n_max=3, generator=seeded())
        expected = [t // 3 % 2 for t in range(T + 1)]
        assert x.argmax(2)[:, 0].tolist() == expected[:-1]
        assert y[:, 1].tolist() == expected[1:]


def test_anbn_baseline_and_floor() -> None:
    n_min, n_max, T = 2, 5, 2000
    x, y = tasks.anbn(100, T, n_min=n_min, n_max=n_max, generator=seeded())
    m = n_min + n_max
    read = x.argmax(2)
    assert abs(best_by_class(read, y) - entropy(2 / m)) < 3e-3
    # Who counts knows (as so far, bs so far) of the string that is being read.
    counts = torch.zeros(100, 2, dtype=torch.long)
    states = []
    for now in read:
        counts[(now == 0) & (counts[:, 1] > 0)] = 0
        counts[torch.arange(100), now] += 1
        states.append(counts[:, 0] * (n_max + 1) + counts[:, 1])
    floor = math.log(n_max - n_min + 1) / m
    assert abs(best_by_class(torch.stack(states), y) - floor) < 3e-3


def test_next_sine_obeys_its_recurrence() -> None:
    x, y = tasks.next_sine(50, 20, generator=seeded(), dtype=torch.float64)
    assert torch.equal(x[1:], y[:-1])
    assert (y[1:] - (2 * math.cos(1) * x[1:] - x[:-1])).abs().max() < 1e-12
    assert torch.allclose(x**2 + ((y - x * math.cos(1)) / math.sin(1)) ** 2, torch.ones_like(x), atol=1e-12)


def test_next_sine_rows_in_order_are_those_of_the_sample() -> None:
    x, _ = tasks.next_sine(1000, 10, first=0, dtype=torch.float64)
    n, t = torch.arange(1000.0)[:, None], torch.arange(10.0)[:, None, None]
    assert torch.allclose(x, torch.sin((n + t).double()), rtol=0, atol=1e-12)
    later, _ = tasks.next_sine(5, 10, first=995, dtype=torch.float64)
    assert torch.equal(later, x[:, 995:])


def test_next_sine_phases_stay_within_their_bound() -> None:
    x, _ = tasks.next_sine(200, 1, N=3, generator=seeded(), dtype=torch.float64)
    phases = torch.sin(torch.arange(3).double())
    distance = (x.flatten()[:, None] - phases).abs()
    assert distance.min(1).values.max() == 0
    assert set(distance.argmin(1).tolist()) == {0, 1, 2}


def test_next_sine_baseline_and_floor() -> None:
    x, y = tasks.next_sine(1000, 10, first=0, dtype=torch.float64)
    baseline = math.sin(1) ** 2 / 2
    assert abs(baseline - 0.354037) < 1e-6
    assert abs(baseline / 10 - 0.035404) < 1e-6
    slope = float((x * y).sum() / (x * x).sum())
    assert abs(slope - math.cos(1)) < 1e-3
    assert abs(tasks.mse(slope * x, y).item() - baseline) < 1e-3
    o = torch.cat((math.cos(1) * x[:1], 2 * math.cos(1) * x[1:] - x[:-1]))
    assert abs(tasks.mse(o, y).item() - baseline / 10) < 1e-4


@pytest.mark.parametrize(("a", "q", "r"), [(0.95, 0.0975, 1.0), (0.5, 0.75, 1.0), (-0.8, 1.0, 2.0)])
def test_noisy_ar1_is_stationary_and_filters_to_its_floors(a: float, q: float, r: float) -> None:
    B, T = 20_000, 60
    y, s = tasks.noisy_ar1(B, T, a=a, q=q, r=r, generator=seeded(), dtype=torch.float64)
    S = q / (1 - a**2)
    for t in (0, 1, T - 1):
        assert abs(float(s[t].var()) / S - 1) < 0.05
    assert abs(float((s[1:] * s[:-1]).mean()) / (a * S) - 1) < 0.05
    assert abs(float((y - s).var()) / r - 1) < 0.01
    assert abs(tasks.mse(S / (S + r) * y, s).item() / (S * r / (S + r)) - 1) < 0.02

    b = q - r * (1 - a**2)
    P = (b + math.sqrt(b**2 + 4 * q * r)) / 2
    K = P / (P + r)
    filtered = [K * y[0]]
    for y_t in y[1:]:
        filtered.append(a * filtered[-1] + K * (y_t - a * filtered[-1]))
    assert abs(tasks.mse(filtered[-1], s[-1]).item() / (P * r / (P + r)) - 1) < 0.05

    # The smoother's pole is that of the filter, so that its weights are c·lam^|k| around the middle.
    lam = a * (1 - K)
    P_s = q * r / math.sqrt((q + r * (1 + a**2)) ** 2 - 4 * a**2 * r**2)
    middle = T // 2
    smoothed = sum(P_s / r * lam ** abs(t - middle) * y[t] for t in range(T))
    assert abs(tasks.mse(smoothed, s[middle]).item() / P_s - 1) < 0.05


def test_noisy_ar1_near_a_random_walk_starts_with_all_digits() -> None:
    a = 0.99999999
    S = Fraction(1) / (1 - Fraction(a) ** 2)
    _, s = tasks.noisy_ar1(1, 1, a=a, q=1.0, generator=seeded(), dtype=torch.float64)
    w = torch.randn(1, 1, 1, generator=seeded(), dtype=torch.float64)
    assert abs(float(s / w) ** 2 / float(S) - 1) < 1e-14


def test_batches_depend_on_seed_and_step_alone() -> None:
    batch, again = (tasks.batches(tasks.adding, 4, 10, seed=3) for _ in range(2))
    forward = [batch(step)[0] for step in range(5)]
    backward = [again(step)[0] for step in reversed(range(5))][::-1]
    assert all(torch.equal(one, two) for one, two in zip(forward, backward, strict=True))
    assert not torch.equal(forward[0], forward[1])
    assert not torch.equal(forward[1], tasks.batches(tasks.adding, 4, 10, seed=4)(1)[0])
    far = tasks.batches(tasks.adding, 4, 10, seed=3)(1 + 2**32)[0]
    assert not torch.equal(forward[1], far)


def test_batches_hands_settings_to_the_task() -> None:
    x, y = tasks.batches(tasks.recall, 4, 6, K=7, dtype=torch.float64)(0)
    assert x.shape == (6, 4, 7)
    assert x.dtype == torch.float64
    assert y.shape == (4,)
    with pytest.raises(ValueError, match="give seed instead of generator"):
        tasks.batches(tasks.recall, 4, 6, generator=seeded())


def test_losses() -> None:
    o, y = torch.randn(3, 4, 5), torch.randint(5, (3, 4))
    expected = -torch.log_softmax(o, 2).gather(2, y[..., None]).mean()
    assert torch.allclose(tasks.cross_entropy(o, y), expected)
    assert torch.allclose(tasks.cross_entropy(torch.zeros(4, 7), y[0]), torch.tensor(math.log(7)))
    assert tasks.mse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])) == 2
    with pytest.raises(ValueError, match=r"o \(10, 10, 1\) and y \(10, 10\)"):
        tasks.mse(torch.zeros(10, 10, 1), torch.zeros(10, 10))
    with pytest.raises(ValueError, match="one more axis"):
        tasks.cross_entropy(o, torch.zeros(4, 3, dtype=torch.long))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tasks.adding(0, 5), "B must be at least 1, got 0"),
        (lambda: tasks.adding(3, 1), "T must be at least 2, got 1"),
        (lambda: tasks.latest(3, 7, K=5, hold=3), "T must be at least K \\+ hold = 8, got 7"),
        (lambda: tasks.latest(3, 7, hold=-1), "hold must be at least 0"),
        (lambda: tasks.copy(3, 20), "T must be at least 2S \\+ 1 = 21, got 20"),
        (lambda: tasks.recall(3, 5, K=1), "K must be at least 2"),
        (lambda: tasks.anbn(3, 5, n_min=4, n_max=3), "got n_min=4, n_max=3"),
        (lambda: tasks.next_sine(3, 5, N=0), "N must be at least 1, got 0"),
        (lambda: tasks.noisy_ar1(3, 5, a=1.0), "a must be within"),
        (lambda: tasks.noisy_ar1(3, 5, q=-1.0), "q is a variance"),
        (lambda: tasks.noisy_ar1(3, 5, r=float("nan")), "r must be a finite number"),
    ],
)
def test_bad_arguments_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
