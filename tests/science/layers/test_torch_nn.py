"""Weights to and from torch.nn: the same numbers both ways, and what is frozen stays frozen."""

import pytest
import torch
from drawn import F64, gap
from hand_derived import leaves
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormLSTM, Leaky
from rnnbook.layers.orthogonal import orthogonal
from rnnbook.layers.recurrent import Bidirectional, Recurrent, Stacked
from rnnbook.layers.torch_nn import from_torch, to_torch

BACKENDS = ["bptt", "loop", "torch"]
LENGTHS = [7, 2, 5, 7, 1]


def gradients(layer, loss):
    return torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)


MODULES = [
    (nn.RNN, {}),
    (nn.RNN, {"nonlinearity": "relu"}),
    (nn.LSTM, {}),
    (nn.GRU, {}),
    (nn.LSTM, {"bias": False}),
    (nn.GRU, {"bias": False}),
]


@pytest.mark.parametrize(("kind", "options"), MODULES)
@pytest.mark.parametrize(("depth", "bidirectional"), [(1, False), (1, True), (3, False), (2, True)])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_weights_travel_from_torch_and_back(kind, options, depth, bidirectional, backend, batch_first):
    options = {**options, "num_layers": depth, "bidirectional": bidirectional, "batch_first": batch_first}
    theirs = kind(3, 4, dtype=F64, **options)
    ours = from_torch(theirs, backend)
    again = to_torch(ours, batch_first=batch_first)
    x = torch.randn(7, 5, 3, dtype=F64, requires_grad=True)
    y, state = ours(x, lengths=LENGTHS)
    weight = torch.randn_like(y)
    (dx,) = torch.autograd.grad((y * weight).sum(), x)
    for module in (theirs, again):
        packed = pack_padded_sequence(
            x.transpose(0, 1) if batch_first else x, LENGTHS, batch_first, enforce_sorted=False
        )
        out, last = module(packed)
        z, _ = pad_packed_sequence(out)
        assert gap([y], [z]) < 1e-10
        (dz,) = torch.autograd.grad((z * weight).sum(), x)
        assert gap([dx], [dz]) < 1e-10
        last = last if isinstance(last, tuple) else (last,)
        per_part = [torch.stack(leaves(state)[n :: len(last)]) for n in range(len(last))]
        assert gap(per_part, last) < 1e-10
        dense = module(x.transpose(0, 1))[0].transpose(0, 1) if batch_first else module(x)[0]
        assert gap([ours(x)[0]], [dense]) < 1e-10
    assert all(
        name.startswith("bias_hh") is False or (kind is nn.GRU or p.abs().max() == 0)
        for name, p in again.named_parameters()
    )


@pytest.mark.parametrize(("kind", "options"), MODULES[:4])
def test_parameter_gradients_are_those_of_torch(kind, options):
    theirs = kind(3, 4, dtype=F64, **options)
    ours = from_torch(theirs)
    x = torch.randn(7, 5, 3, dtype=F64)
    cell = ours.layers[0].cell
    mine = gradients(ours, ours(x)[0].square().sum())
    other = dict(zip(dict(theirs.named_parameters()), gradients(theirs, theirs(x)[0].square().sum()), strict=True))
    expected = [other["weight_ih_l0"], other["weight_hh_l0"], other["bias_ih_l0"]]
    if isinstance(cell, GRU):
        expected.append(other["bias_hh_l0"][8:])
    assert gap(mine, expected) < 1e-10


def test_export_writes_one_bias_and_keeps_what_only_the_gru_has():
    for cell in (Elman(3, 4), LSTM(3, 4)):
        assert to_torch(Recurrent(cell)).bias_hh_l0.abs().max() == 0
    gru = GRU(3, 4, keep="new", dtype=F64)
    theirs = to_torch(Recurrent(gru))
    assert torch.equal(theirs.bias_hh_l0, torch.cat((torch.zeros(8, dtype=F64), gru.b_n)))
    x = torch.randn(7, 5, 3, dtype=F64)
    assert gap([Recurrent(gru)(x)[0]], [theirs(x)[0]]) < 1e-12


def test_what_torch_does_not_have_is_named():
    for cell in (GRU(3, 4, "before"), Elman(3, 4, "identity"), Leaky(3, 4, 0.5), LayerNormLSTM(3, 4)):
        for attempt in (lambda c=cell: to_torch(Recurrent(c)), lambda c=cell: Recurrent(c, "torch")):
            with pytest.raises(ValueError, match=f"not {type(cell).__name__}"):
                attempt()
    with pytest.raises(ValueError, match="one kind, one H"):
        to_torch(Stacked(Recurrent(GRU(3, 4)), Recurrent(LSTM(4, 4))))
    with pytest.raises(ValueError, match="by concatenation, not by 'sum'"):
        to_torch(Bidirectional(Recurrent(GRU(3, 4)), Recurrent(GRU(3, 4)), "sum"))
    with pytest.raises(TypeError, match=r"nn\.RNN, nn\.LSTM or nn\.GRU, got Linear"):
        from_torch(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="proj_size = 0, got 2"):
        from_torch(nn.LSTM(3, 4, proj_size=2))


def test_an_orthogonal_weight_is_written_as_its_present_value():
    cell = orthogonal(Elman(3, 4, dtype=F64))
    assert torch.equal(to_torch(Recurrent(cell)).weight_hh_l0, cell.W_h)


def test_dropout_stands_between_layers_and_only_in_training():
    theirs = nn.GRU(3, 4, num_layers=2, dropout=1.0, dtype=F64)
    ours = from_torch(theirs)
    x = torch.randn(7, 5, 3, dtype=F64)
    (trained, ends), (expected, last) = ours(x), theirs(x)
    assert gap([trained, *ends], [expected, *last]) < 1e-12
    ours.eval()
    assert gap([ours(x)[0]], [theirs.eval()(x)[0]]) < 1e-12
    assert gap([ours(x)[0]], [trained]) > 1e-3
    assert to_torch(ours).dropout == 1.0
    assert not to_torch(ours).training
    assert not from_torch(theirs).training


def test_what_torch_nn_does_not_have_is_named():
    with pytest.raises(TypeError, match="must be a Recurrent, a Bidirectional or a Stacked of them, got Elman"):
        to_torch(Elman(2, 3))


KINDS = [nn.RNN, nn.LSTM, nn.GRU]
NAMES = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [n for n in range(16) if n not in (4, 5, 6, 7)])
def test_what_is_frozen_stays_frozen_weight_by_weight(kind, frozen):
    """All sixteen ways to freeze four parameters, but for a b_ih that is frozen beside a b_hh that is not."""
    theirs = kind(3, 4)
    trains = [not frozen >> n & 1 for n in range(4)]
    for name, train in zip(NAMES, trains, strict=True):
        getattr(theirs, name).requires_grad_(train)
    cell = from_torch(theirs).layers[0].cell
    kept = [cell.W_x.requires_grad, cell.W_h.requires_grad, cell.b.requires_grad]
    assert kept == [trains[0], trains[1], trains[2] or trains[3]]
    again = to_torch(Recurrent(cell))
    back = [getattr(again, name).requires_grad for name in NAMES]
    assert back == [*kept, kind is nn.GRU and trains[3]]
    if kind is nn.GRU:
        assert cell.b_n.requires_grad == trains[3]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])
def test_a_sum_of_two_biases_trains_where_one_of_them_does(kind):
    theirs = kind(3, 4)
    theirs.bias_ih_l0.requires_grad_(False)
    assert from_torch(theirs).layers[0].cell.b.requires_grad


def test_a_bias_that_would_move_against_its_will_is_named():
    theirs = nn.GRU(3, 4)
    theirs.bias_ih_l0.requires_grad_(False)
    with pytest.raises(ValueError, match="bias_ih_l0 of a GRU must train where bias_hh_l0 does"):
        from_torch(theirs)
    ours = GRU(3, 4)
    ours.b.requires_grad_(False)
    with pytest.raises(ValueError, match="b of a GRU must train where b_n does"):
        to_torch(Recurrent(ours))


@pytest.mark.parametrize("kind", KINDS)
def test_training_there_is_training_here(kind):
    """A module without biases gains none, and the second bias of an export does not double the step of the first."""
    for theirs in (kind(3, 4, bias=False, dtype=F64), to_torch(from_torch(kind(3, 4, dtype=F64)))):
        ours, x = from_torch(theirs), torch.randn(7, 5, 3, dtype=F64)
        if kind is nn.GRU and theirs.bias:
            theirs.bias_hh_l0.requires_grad_(False)  # its first two thirds are part of a sum
            ours.layers[0].cell.b_n.requires_grad_(False)
        for model in (ours, theirs):
            trained = [p for p in model.parameters() if p.requires_grad]
            optimiser = torch.optim.SGD(trained, lr=0.1)
            model(x)[0].square().sum().backward()
            optimiser.step()
        assert gap([ours(x)[0]], [theirs(x)[0]]) < 1e-12


def test_layers_of_two_precisions_are_not_made_one():
    mixed = Stacked(Recurrent(Elman(3, 4)), Recurrent(Elman(4, 4, dtype=F64)))
    with pytest.raises(ValueError, match="one dtype"):
        to_torch(mixed)
