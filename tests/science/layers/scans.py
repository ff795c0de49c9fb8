"""Linear recurrences drawn at random, and their gradients."""

import pytest
import torch

F64, C128 = torch.float64, torch.complex128
both_kinds = pytest.mark.parametrize("dtype", [F64, C128], ids=["real", "complex"])
starts = pytest.mark.parametrize("start", [False, True], ids=["from zero", "from h_0"])


def draw(T, B=2, H=3, dtype=F64, start=True):
    """a with modulus below 1, b, h_0."""
    a = torch.rand(T, B, H, dtype=F64).to(dtype)
    if dtype.is_complex:
        a = a * torch.exp(2j * torch.pi * torch.rand(T, B, H, dtype=F64))
    h_0 = torch.randn(B, H, dtype=dtype) if start else None
    return a, torch.randn(T, B, H, dtype=dtype), h_0


def with_gradients(run, inputs):
    """The states, and the gradients of a random linear function of them."""
    torch.manual_seed(1)
    inputs = [None if t is None else t.clone().requires_grad_() for t in inputs]
    h = run(*inputs)
    loss = (h * torch.randn_like(h)).sum().abs()
    asked = [t for t in inputs if t is not None]
    return [h, *torch.autograd.grad(loss, asked)]
