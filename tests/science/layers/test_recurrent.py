"""The laws of unrolling: padding, directions, stacks, and what the backends have in common."""

import pytest
import torch
from drawn import F64, gap
from hand_derived import leaves
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rnnbook.layers.cells import GRU, LSTM, Elman, LayerNormElman, LayerNormLSTM, Leaky
from rnnbook.layers.orthogonal import orthogonal
from rnnbook.layers.recurrent import Bidirectional, Recurrent, Stacked

BACKENDS = ["bptt", "loop", "torch"]
CELLS = {
    "elman": lambda I, H: Elman(I, H, dtype=F64),
    "lstm": lambda I, H: LSTM(I, H, dtype=F64),
    "gru after": lambda I, H: GRU(I, H, dtype=F64),
    "gru before": lambda I, H: GRU(I, H, "before", "new", dtype=F64),
    "leaky": lambda I, H: Leaky(I, H, 0.8, dtype=F64),
    "layer-normalised elman": lambda I, H: LayerNormElman(I, H, dtype=F64),
    "layer-normalised lstm": lambda I, H: LayerNormLSTM(I, H, dtype=F64),
    "orthogonal": lambda I, H: orthogonal(Elman(I, H, dtype=F64)),
}
PAIRS = [
    (name, backend)
    for name in CELLS
    for backend in BACKENDS
    if backend != "torch" or name in ("elman", "lstm", "gru after", "orthogonal")
]
every_pair = pytest.mark.parametrize(("name", "backend"), PAIRS)
LENGTHS = [7, 2, 5, 7, 1]


def gradients(layer, loss):
    return torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)


@every_pair
@pytest.mark.parametrize("direction", ["ahead", "both", "stacked"])
def test_a_padded_batch_is_its_sequences_one_by_one(name, backend, direction):
    def recurrent(I=3):
        return Recurrent(CELLS[name](I, 4), backend)

    layer = recurrent()
    if direction == "both":
        layer = Bidirectional(recurrent(), recurrent())
    elif direction == "stacked":
        layer = Stacked(Bidirectional(recurrent(), recurrent()), recurrent(8))
    x = torch.randn(7, 5, 3, dtype=F64)
    pads = torch.arange(7)[:, None] >= torch.tensor(LENGTHS)
    grads = []
    for padding in (0.0, 1e30, float("nan")):
        padded = x.masked_fill(pads[:, :, None], padding).requires_grad_()
        y, state = layer(padded, lengths=LENGTHS)
        loss = y.square().sum() + sum(leaf.square().sum() for leaf in leaves(state))
        grads.append([*gradients(layer, loss), *torch.autograd.grad(loss, padded)])
    assert y[pads].abs().max() == 0
    assert grads[0][-1][pads].abs().max() == 0
    assert gap(grads[0], grads[1]) == 0
    assert gap(grads[0], grads[2]) == 0
    alone_loss = 0.0
    for b, n in enumerate(LENGTHS):
        y_b, state_b = layer(x[:n, b : b + 1])
        assert gap([y_b[:, 0]], [y[:n, b]]) < 1e-14
        assert gap([leaf[0] for leaf in leaves(state_b)], [leaf[b] for leaf in leaves(state)]) < 1e-14
        alone_loss = alone_loss + y_b.square().sum() + sum(leaf.square().sum() for leaf in leaves(state_b))
    largest = max(grad.abs().max() for grad in grads[0])
    assert gap(gradients(layer, alone_loss), grads[0][:-1]) < 1e-12 * max(1, largest)


@every_pair
def test_a_mask_with_gaps_skips_its_steps(name, backend):
    layer = Recurrent(CELLS[name](3, 4), backend)
    x, mask = torch.randn(9, 2, 3, dtype=F64), torch.rand(9, 2) < 0.5
    mask[:, 1] = False
    y, state = layer(x, mask=mask)
    short, end = layer(x[mask[:, 0], :1])
    assert gap([y[mask[:, 0], 0]], [short[:, 0]]) < 1e-14
    assert gap([leaf[0] for leaf in leaves(state)], [leaf[0] for leaf in leaves(end)]) < 1e-14
    assert gap([leaf[1] for leaf in leaves(state)], [leaf[0] for leaf in leaves(layer.initial_state(1))]) == 0


@every_pair
def test_order_in_the_batch_does_not_matter(name, backend):
    layer = Bidirectional(Recurrent(CELLS[name](3, 4), backend), Recurrent(CELLS[name](3, 4), backend))
    x, order = torch.randn(7, 5, 3, dtype=F64), torch.tensor([3, 1, 4, 0, 2])
    y, _ = layer(x, lengths=LENGTHS)
    other, _ = layer(x[:, order], lengths=torch.tensor(LENGTHS)[order])
    assert gap([y[:, order]], [other]) < 1e-14


@every_pair
def test_two_halves_with_the_state_between_are_the_whole(name, backend):
    layer = Recurrent(CELLS[name](3, 4), backend)
    x = torch.randn(8, 5, 3, dtype=F64)
    y, end = layer(x)
    first, state = layer(x[:5])
    second, last = layer(x[5:], state)
    assert gap([y], [torch.cat((first, second))]) < 1e-14
    assert gap(leaves(end), leaves(last)) < 1e-14
    assert gap([y[-1]], leaves(end)[:1]) == 0


@every_pair
def test_backends_agree_and_change_nothing_of_the_readers(name, backend):
    cell = CELLS[name](3, 4)
    x = torch.randn(8, 5, 3, dtype=F64)
    state = tuple(torch.randn(5, 4, dtype=F64) for _ in leaves(cell.initial_state(5)))
    state = state if isinstance(cell.initial_state(1), tuple) else state[0]
    mask = torch.rand(8, 5) < 0.7
    given = [t.clone() for t in (x, mask, *leaves(state))]
    y, _ = Recurrent(cell, backend)(x, state, mask=mask)
    y.sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(given, (x, mask, *leaves(state)), strict=True))
    assert gap([y], [Recurrent(cell, "loop")(x, state, mask=mask)[0]]) < 1e-14


@every_pair
@pytest.mark.parametrize(("T", "B"), [(0, 5), (4, 0), (0, 0)])
def test_nothing_in_nothing_out(name, backend, T, B):
    for options in ({}, {"chunk": 2}, {"segment": 2}):
        layer = Recurrent(CELLS[name](3, 4), backend, **options)
        both = Bidirectional(layer, Recurrent(CELLS[name](3, 4), backend))
        y, state = layer(torch.zeros(T, B, 3, dtype=F64))
        assert y.shape == (T, B, 4)
        assert all(leaf.shape == (B, 4) and not leaf.any() for leaf in leaves(state))
        assert both(torch.zeros(T, B, 3, dtype=F64))[0].shape == (T, B, 8)
        (y.sum() + sum(p.sum() for p in layer.parameters())).backward()


def test_a_cell_of_the_readers_own_is_unrolled():
    class Sum(nn.Module):
        I = H = 3

        def initial_state(self, B):
            return torch.zeros(B, 3, dtype=F64)

        def forward(self, x_t, total):
            return x_t + total, x_t + total

    x = torch.randn(7, 5, 3, dtype=F64)
    y, _ = Recurrent(Sum())(x)
    assert gap([y], [x.cumsum(0)]) < 1e-14
    y, total = Recurrent(Sum(), window=2)(x, lengths=LENGTHS)
    assert gap([total], [torch.stack([x[:n, b].sum(0) for b, n in enumerate(LENGTHS)])]) < 1e-14


def test_a_gradient_is_computed_for_what_asks_for_one():
    layer, x = Recurrent(GRU(3, 4)), torch.randn(7, 5, 3)
    assert layer(x)[0].requires_grad
    with torch.no_grad():
        assert not layer(x)[0].requires_grad
    layer.requires_grad_(False)
    assert not layer(x)[0].requires_grad
    h_0 = torch.zeros(5, 4, requires_grad=True)
    layer(x, h_0)[0].sum().backward()
    assert h_0.grad.abs().max() > 0


def test_one_direction_is_causal_and_two_are_not():
    x = torch.randn(7, 1, 3, dtype=F64)
    changed = x.clone()
    changed[-1] += 1
    one = Recurrent(CELLS["gru after"](3, 4))
    two = Bidirectional(one, Recurrent(CELLS["gru after"](3, 4)))
    assert gap([one(x)[0][:-1]], [one(changed)[0][:-1]]) == 0
    assert gap([two(x)[0][0]], [two(changed)[0][0]]) > 1e-6


@pytest.mark.parametrize(("join", "width"), [("concatenate", 8), ("sum", 4), ("mean", 4)])
def test_two_directions_are_two_layers_joined(join, width):
    ahead, back = Recurrent(CELLS["lstm"](3, 4)), Recurrent(CELLS["lstm"](3, 4))
    x = torch.randn(7, 5, 3, dtype=F64)
    a, b = ahead(x)[0], back(x.flip(0))[0].flip(0)
    joined = {"concatenate": torch.cat((a, b), 2), "sum": a + b, "mean": (a + b) / 2}[join]
    layer = Bidirectional(ahead, back, join)
    assert layer.width == width
    assert gap([layer(x)[0]], [joined]) < 1e-15


def test_weights_that_are_not_finite_are_the_readers_business():
    for cell in (Elman(3, 4), LSTM(3, 4), GRU(3, 4)):
        cell.b.data.fill_(float("nan"))
        for backend in BACKENDS:
            assert Recurrent(cell, backend)(torch.zeros(2, 1, 3))[0].isnan().all()


def test_autocast_does_not_reach_the_hand_derived_passes():
    layer, x = Recurrent(LSTM(3, 4)), torch.randn(7, 5, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _ = layer(x)
    assert torch.equal(y, layer(x)[0])


SOUND = torch.zeros(4, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"x": torch.zeros(4, 3)}, ValueError, r"x must have shape \(T, B, I\) = \(T, B, 3\), got \(4, 3\)"),
        ({"x": torch.zeros(4, 2, 5)}, ValueError, r"x must .* got \(4, 2, 5\)"),
        ({"x": SOUND.long()}, TypeError, r"dtype torch.float32, got torch.int64; convert it with x.to\("),
        ({"x": SOUND.double()}, TypeError, "x must .* got torch.float64"),
        ({"x": SOUND.to("meta")}, ValueError, "x must be on the parameters' device cpu, got meta"),
        ({"x": SOUND.numpy()}, TypeError, "x must be a torch.Tensor, got ndarray"),
        ({"lengths": [4, 5]}, ValueError, r"lengths must be within 1\.\.T=4, got 5"),
        ({"lengths": [0, 4]}, ValueError, r"lengths must be within 1\.\.T=4, got 0"),
        ({"lengths": [4]}, ValueError, r"lengths must have shape \(B,\) = \(2,\), got \(1,\)"),
        ({"lengths": [1.5, 2.0]}, TypeError, "lengths must be whole numbers, got dtype torch.float32"),
        ({"lengths": torch.ones(2, dtype=torch.bool)}, TypeError, "a mask goes to mask="),
        ({"mask": torch.ones(4, 2)}, TypeError, "mask must have dtype torch.bool"),
        ({"mask": torch.ones(2, 4).bool()}, ValueError, r"mask must .* \(4, 2\), got \(2, 4\)"),
        ({"mask": torch.ones(4, 2).bool(), "lengths": [4, 4]}, ValueError, "lengths or mask, not both"),
    ],
)
def test_wrong_inputs_are_named(arguments, error, words):
    for cell in (Elman(3, 4), LSTM(3, 4), GRU(3, 4), LayerNormElman(3, 4)):
        layer = Recurrent(cell)
        for each in (layer, Bidirectional(layer, layer), Stacked(layer)):
            with pytest.raises(error, match=words):
                each(**({"x": SOUND} | arguments))


@pytest.mark.parametrize(
    ("cell", "state", "error", "words"),
    [
        (Elman(3, 4), torch.zeros(2, 5), ValueError, r"state must have shape \(B, H\) = \(2, 4\), got \(2, 5\)"),
        (Elman(3, 4), torch.zeros(1, 2, 4), ValueError, r"state must .* got \(1, 2, 4\)"),
        (GRU(3, 4), torch.zeros(2, 4).double(), TypeError, "state must .* torch.float32, got torch.float64"),
        (GRU(3, 4), (torch.zeros(2, 4),), TypeError, "state must be a torch.Tensor, got tuple"),
        (LSTM(3, 4), torch.zeros(2, 4), TypeError, "state must be a tuple of 2 tensors, got Tensor"),
        (LSTM(3, 4), (torch.zeros(2, 4), torch.zeros(1, 4)), ValueError, r"state\[1\] must .* got \(1, 4\)"),
    ],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_wrong_states_are_named(cell, state, error, words, backend):
    with pytest.raises(error, match=words):
        Recurrent(cell, backend)(SOUND, state)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Recurrent(Elman(3, 4), "cuda"), ValueError, "backend must be one of 'bptt', 'loop', 'torch'"),
        (lambda: Recurrent(Elman(3, 4), window=0), ValueError, "window must be at least 1, got 0"),
        (lambda: Recurrent(Elman(3, 4), chunk=2.5), TypeError, "chunk must be a whole number, got 2.5"),
        (lambda: Recurrent(Elman(3, 4), window=2, segment=2), ValueError, "exclude each other"),
        (lambda: Recurrent(Elman(3, 4), "torch", window=2), ValueError, "kernels have no window"),
        (lambda: Stacked(), ValueError, "at least one layer"),
        (
            lambda: Stacked(Recurrent(Elman(3, 4)), Recurrent(Elman(3, 4))),
            ValueError,
            "layer 1 must have I = 4, the width below it, got 3",
        ),
        (lambda: Stacked(Recurrent(Elman(3, 4)), dropout=2), ValueError, "dropout must be within"),
        (
            lambda: Bidirectional(Recurrent(Elman(3, 4)), Recurrent(Elman(2, 4))),
            ValueError,
            r"\(3, 4\) and \(2, 4\)",
        ),
        (
            lambda: Bidirectional(Recurrent(Elman(3, 4)), Recurrent(Elman(3, 4)))(SOUND, (None,)),
            TypeError,
            "states of the 2 layers, got 1 of them",
        ),
    ],
)
def test_wrong_settings_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_input_works_or_is_named(data):
    T, B = data.draw(st.integers(0, 3), "T"), data.draw(st.integers(0, 3), "B")
    cell = data.draw(st.sampled_from([Elman(2, 3), LSTM(2, 3), GRU(2, 3, "before"), Leaky(2, 3, 0.5)]), "cell")
    layer = Recurrent(cell, data.draw(st.sampled_from(["bptt", "loop"]), "backend"))
    layer = data.draw(st.sampled_from([layer, Stacked(layer), Bidirectional(layer, layer)]), "layer")
    x = torch.zeros(data.draw(st.sampled_from([(T, B, 2), (T, B), (T, B, 4)]), "x"))
    x = x.to(data.draw(st.sampled_from([torch.float32, torch.float32, torch.float16, torch.int32]), "dtype"))
    lengths = data.draw(st.none() | st.lists(st.integers(-1, 4), min_size=B, max_size=B) | st.just([1]), "lengths")
    sound = x.shape == (T, B, 2) and x.dtype == torch.float32
    counted = lengths is None or (len(lengths) == B and all(1 <= n <= T for n in lengths))
    if sound and counted:
        y, state = layer(x, lengths=lengths)
        assert y.shape == (T, B, layer.width)
        assert all(leaf.shape == (B, 3) for leaf in leaves(state))
    else:
        with pytest.raises((ValueError, TypeError), match=r"^(x|lengths) must "):
            layer(x, lengths=lengths)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every_pair
def test_the_gpu_computes_what_the_cpu_computes(name, backend):
    layer = Recurrent(CELLS[name](3, 4), backend)
    x = torch.randn(7, 5, 3, dtype=F64)
    here, _ = layer(x, lengths=LENGTHS)
    there, _ = layer.cuda()(x.cuda(), lengths=LENGTHS)
    assert gap([here], [there.cpu()]) < 1e-12


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64])
def test_lengths_of_any_whole_type_mean_the_same(dtype):
    x = torch.randn(300, 2, 2, dtype=F64)
    layer = Recurrent(Elman(2, 3, dtype=F64))
    for lengths in ([44, 44], [44, 10]):  # 300 in eight bits is 44
        assert torch.equal(layer(x, lengths=torch.tensor(lengths).to(dtype))[0], layer(x, lengths=lengths)[0])


class Outer(nn.Module):
    """A cell whose state is a matrix for each sequence, (B, H, K)."""

    def __init__(self, I, H, K):
        super().__init__()
        self.I, self.H, self.K = I, H, K
        self.w = nn.Parameter(torch.randn(I, H, dtype=F64))

    def initial_state(self, B):
        return self.w.new_zeros(B, self.H, self.K)

    def forward(self, x, S):
        S = 0.5 * S + (x @ self.w)[:, :, None] * torch.arange(1, self.K + 1)
        return S.sum(2), S


@pytest.mark.parametrize(("B", "H"), [(3, 3), (2, 4), (4, 2)])
def test_a_state_with_more_axes_stops_at_each_end(B, H):
    layer, x, lengths = Recurrent(Outer(2, H, 2)), torch.randn(5, B, 2, dtype=F64), [5, 2, 1, 3][:B]
    each = [layer(x[:n, b : b + 1])[1] for b, n in enumerate(lengths)]
    assert gap(layer(x, lengths=lengths)[1], torch.cat(each)) == 0


@pytest.mark.parametrize("name", ["elman", "lstm", "gru"])
def test_shapes_are_known_without_numbers(name):
    layer = Recurrent({"elman": Elman, "lstm": LSTM, "gru": GRU}[name](3, 4)).to("meta")
    y, _ = layer(torch.zeros(5, 2, 3, device="meta"))
    assert y.shape == (5, 2, 4)
    assert y.device.type == "meta"
