"""Reading a training run: vanished, exploded, overfitted, healthy, or not decided yet.

Derived in the chapter craft. Four losses and one ratio decide: the losses of training and of validation, the
least loss without a memory (the baseline) and with a perfect one (the floor), both in the docstrings of
`rnnbook.training.tasks`, and how much of the gradient arrives at the first step, from
`rnnbook.dynamics.flow.gradient_norms`.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.training.record import Record

Verdict = Literal["exploding", "vanishing", "overfitted", "healthy", "undecided"]

LAST = 20  # steps over which the training loss is averaged: one batch alone says little
LEARNED = 0.25  # a loss is low within this share of the way from the floor up to the baseline


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, and the numbers that it was read from.

    train: the mean training loss of the last 20 steps; validation: the last evaluation;
    ratio: ‖dL/dh_1‖/‖dL/dh_T‖ before training. All losses in the same unit.
    """

    verdict: Verdict
    train: float
    validation: float
    baseline: float
    floor: float
    ratio: float


def flow_ratio(norms: Tensor) -> tuple[float, float]:
    """(r, base) with r = ‖dL/dh_1‖/‖dL/dh_T‖ and base = r^{1/(T−1)}, the mean factor of a step.

    norms: (T+1,) or (T+1, B) from `rnnbook.dynamics.flow.gradient_norms`, h_0 first; the sequences of a batch count as
    one vector. For a loss at the last step alone. −1/ln base is the number of steps after which a share 1/e is
    left. Raises ValueError for T < 2 and where no gradient arrives at h_T.
    """
    if expect.finite("norms", expect.real("norms", norms)).dim() == 1:
        norms = norms[:, None]
    expect.tensor("norms", norms, [("T+1", None), ("B", None)], like=norms)
    if bool((norms < 0).any()):
        raise ValueError(f"norms must be at least 0, got {norms.min().item():.6g}")
    T = len(norms) - 1
    if T < 2:
        raise ValueError(f"norms must be those of h_0..h_T with T at least 2, got T={T}")
    first, last = (float(torch.linalg.vector_norm(norms[t], dtype=torch.float64)) for t in (1, T))
    if last == 0:
        raise ValueError("norms must end with that of dL/dh_T greater than 0, got 0: the loss does not depend on h_T")
    r = first / last
    return r, r ** (1 / (T - 1))


def saturation(h: Tensor, at: float = 0.99) -> float:
    """The share of the states h: (T, B, H) of tanh units with |h| > at, where φ' = 1 − h² < 1 − at²."""
    if not 0 <= expect.number("at", at) < 1:
        raise ValueError(f"at must be within 0 <= at < 1, got {at}")
    if expect.finite("h", expect.real("h", h)).numel() == 0:
        raise ValueError(f"h must have at least one entry, got shape {tuple(h.shape)}")
    return float((h.abs() > at).double().mean())


def diagnose(record: Record, *, baseline: float, floor: float, ratio: float) -> Diagnosis:
    """The verdict on a run of `rnnbook.training.train.fit` whose `evaluate` gave the validation loss.

    exploding: the training ended in numbers that are not finite.
    vanishing: both losses ≥ 0.95 baseline and ratio < 1e-6: the start of the sequence is not heard.
    overfitted: train < floor/2 and validation > 1.5 floor: the noise was learned by heart.
    healthy: both losses within a quarter of the way from the floor up to the baseline, or below, whatever the
    ratio: a small one then says that the start of the sequence does not matter.
    undecided: all else, such as a training that is too short.
    ratio: the r of `flow_ratio` before training. "vanishing" asks for a task whose answer does need the start
    of the sequence; only who made the task knows that. One run can mislead: take several seeds and `majority`.
    Raises ValueError for a record without a step or an evaluation, and unless 0 ≤ floor < baseline, 0 ≤ ratio.
    """
    if not isinstance(record, Record):
        raise TypeError(f"record must be a Record, as fit returns it, got {type(record).__name__}")
    if not 0 <= expect.number("floor", floor) < expect.number("baseline", baseline):
        raise ValueError(f"floor and baseline must have 0 <= floor < baseline, got {floor} and {baseline}")
    if record.stopped != "not finite" and expect.number("ratio", ratio) < 0:
        raise ValueError(f"ratio must be at least 0, got {ratio}")
    if record.stopped != "not finite" and not (record.losses and record.evaluations):
        raise ValueError(
            "record must hold at least one step and one evaluation, got "
            f"{len(record.losses)} and {len(record.evaluations)}; call fit with evaluate="
        )
    last = record.losses[-LAST:]
    train = sum(last) / len(last) if last else math.nan
    validation = record.evaluations[-1][1] if record.evaluations else math.nan
    verdict = _verdict(record, train, validation, baseline, floor, ratio)
    return Diagnosis(verdict, train, validation, baseline, floor, ratio)


def _verdict(record: Record, train: float, validation: float, baseline: float, floor: float, ratio: float) -> Verdict:
    if record.stopped == "not finite" or not math.isfinite(train + validation):
        return "exploding"
    if min(train, validation) >= 0.95 * baseline and ratio < 1e-6:
        return "vanishing"
    if train < floor / 2 and validation > 1.5 * floor:
        return "overfitted"
    if max(train, validation) <= floor + LEARNED * (baseline - floor):
        return "healthy"
    return "undecided"


def majority(diagnoses: Iterable[Diagnosis]) -> Verdict:
    """The verdict of more than half of several runs, such as three seeds; "undecided" where there is none."""
    if not isinstance(diagnoses, Iterable):
        raise TypeError(f"diagnoses must hold several Diagnosis, got {type(diagnoses).__name__}")
    verdicts: Counter[Verdict] = Counter()
    for diagnosis in diagnoses:
        if not isinstance(diagnosis, Diagnosis):
            raise TypeError(f"diagnoses must hold Diagnosis, as diagnose returns it, got {type(diagnosis).__name__}")
        verdicts[diagnosis.verdict] += 1
    if not verdicts:
        raise ValueError("majority needs at least one diagnosis, got none")
    verdict, votes = verdicts.most_common(1)[0]
    return verdict if 2 * votes > verdicts.total() else "undecided"
