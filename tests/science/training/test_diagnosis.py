"""The rules by which a run is read, on the numbers of real ones and on one that is trained here."""

import math

import pytest
import torch
from torch import nn

from rnnbook.dynamics.flow import gradient_norms
from rnnbook.layers.cells import Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.training.diagnosis import Diagnosis, diagnose, flow_ratio, majority, saturation
from rnnbook.training.tasks import batches, cross_entropy, recall
from rnnbook.training.train import Record, fit

LN4, LN2 = math.log(4), math.log(2)


def run(train, validation, stopped="steps"):
    return Record(losses=[9.0] * 100 + [train] * 20, evaluations=[(1, 9.0), (120, validation)], stopped=stopped)


@pytest.mark.parametrize(
    ("train", "validation", "baseline", "floor", "ratio", "verdict"),
    [
        # Recall over 40 steps: scaled orthogonal, orthogonal, LSTM with b_f = 0 and 3, GRU.
        (1.387, 1.387, LN4, 0.0, 3.5e-13, "vanishing"),
        (0.0004, 0.0004, LN4, 0.0, 3.8e-2, "healthy"),
        (1.387, 1.387, LN4, 0.0, 1e-9, "vanishing"),
        (0.0003, 0.0003, LN4, 0.0, 0.42, "healthy"),
        (1.386, 1.386, LN4, 0.0, 4e-9, "vanishing"),
        # A short rule with one label in five wrong: 64 sequences of T = 5, 20, 40, then 2048.
        (0.055, 1.61, LN2, 0.5004, 0.1, "overfitted"),
        (0.0002, 3.13, LN2, 0.5004, 1e-3, "overfitted"),
        (0.013, 1.23, LN2, 0.5004, 6e-4, "overfitted"),
        (0.4974, 0.489, LN2, 0.5004, 6e-4, "healthy"),
        (0.5055, 0.519, LN2, 0.5004, 1e-9, "healthy"),
        # A loss at the baseline whose gradient arrives is another matter, and so is one half way down.
        (1.387, 1.387, LN4, 0.0, 0.5, "undecided"),
        (0.7, 0.7, LN4, 0.0, 1e-9, "undecided"),
        (0.3, 0.7, LN2, 0.5004, 0.1, "undecided"),
        (0.3, 0.8, LN2, 0.5004, 0.1, "undecided"),
        (0.2, 0.74, LN2, 0.5004, 0.1, "undecided"),
        (math.nan, 1.0, LN4, 0.0, 0.1, "exploding"),
    ],
)
def test_known_runs(train, validation, baseline, floor, ratio, verdict):
    found = diagnose(run(train, validation), baseline=baseline, floor=floor, ratio=ratio)
    assert found.verdict == verdict
    assert (found.validation, found.baseline, found.floor, found.ratio) == (validation, baseline, floor, ratio)
    if verdict != "exploding":
        assert found.train == pytest.approx(train)


def test_a_training_that_ended_in_infinities_has_exploded():
    found = diagnose(Record(stopped="not finite"), baseline=1.0, floor=0.0, ratio=math.nan)
    assert found.verdict == "exploding"
    assert diagnose(run(0.01, 0.01, "not finite"), baseline=1.0, floor=0.0, ratio=1.0).verdict == "exploding"


@pytest.mark.parametrize(("scale", "verdict"), [(0.5, "vanishing"), (1.0, "healthy")])
def test_the_start_decides_whether_the_first_symbol_is_recalled(scale, verdict):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    T, K, H = 30, 4, 24

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.read_out = Recurrent(Elman(K, H)), nn.Linear(H, K)
            nn.init.orthogonal_(self.layer.cell.W_h, gain=scale)

        def forward(self, x):
            return self.read_out(self.layer(x)[0][-1])

    model, batch = Model(), batches(recall, 64, T, seed=1)
    x, y = recall(256, T)
    norms = gradient_norms(model.layer, x, lambda h: cross_entropy(model.read_out(h[-1]), y))
    ratio, base = flow_ratio(norms)
    assert base == pytest.approx(ratio ** (1 / (T - 1)))

    def evaluate(model):
        return cross_entropy(model(x), y)

    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    stop = None if verdict == "vanishing" else 0.05
    steps = 200 if verdict == "vanishing" else 1200
    record = fit(
        model, batch, cross_entropy, steps=steps, optimiser=optimiser, clip_norm=1, evaluate=evaluate, stop=stop
    )
    assert diagnose(record, baseline=LN4, floor=0.0, ratio=ratio).verdict == verdict


def test_the_ratio_and_its_base():
    norms = 0.9 ** torch.arange(40, -1, -1, dtype=torch.float64)
    r, base = flow_ratio(norms)
    assert r == pytest.approx(0.9**39)
    assert base == pytest.approx(0.9)
    assert flow_ratio(norms[:, None].expand(-1, 7)) == pytest.approx((r, base))
    two = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 10.0]])
    assert flow_ratio(two) == pytest.approx((0.5, 0.5))


def test_saturation_is_a_share():
    h = torch.tensor([[[0.0, 0.995, -0.995, 0.98]]])
    assert saturation(h) == 0.5
    assert saturation(h, at=0.9) == 0.75
    assert saturation(h, at=0.999) == 0


def test_the_majority_of_several_runs():
    def of(*verdicts):
        return majority([Diagnosis(verdict, 0, 0, 1, 0, 1) for verdict in verdicts])

    assert of("vanishing", "healthy", "vanishing") == "vanishing"
    assert of("vanishing", "healthy", "overfitted") == "undecided"
    assert of("vanishing", "healthy") == "undecided"
    assert of("healthy") == "healthy"


def test_bad_input_is_named():
    good = {"baseline": 1.0, "floor": 0.1, "ratio": 0.5}
    with pytest.raises(ValueError, match=r"0 <= floor < baseline, got 1\.0 and 1\.0"):
        diagnose(run(1, 1), **{**good, "floor": 1.0})
    with pytest.raises(ValueError, match="ratio must be a finite number, got nan"):
        diagnose(run(1, 1), **{**good, "ratio": math.nan})
    with pytest.raises(ValueError, match="at least one step and one evaluation, got 1 and 0; call fit with evaluate="):
        diagnose(Record(losses=[1.0]), **good)
    with pytest.raises(ValueError, match="majority needs at least one diagnosis"):
        majority([])
    with pytest.raises(ValueError, match="T at least 2, got T=1"):
        flow_ratio(torch.ones(2))
    with pytest.raises(ValueError, match="the loss does not depend on h_T"):
        flow_ratio(torch.zeros(5))
    with pytest.raises(ValueError, match=r"norms must have shape \(T\+1, B\)"):
        flow_ratio(torch.ones(3, 3, 3))
    with pytest.raises(ValueError, match="at must be within 0 <= at < 1, got 1"):
        saturation(torch.ones(1), 1)
    with pytest.raises(ValueError, match="h must have at least one entry"):
        saturation(torch.ones(0))
