"""The linear recurrence with one matrix, h_t = A h_{t−1} + b_t: step by step, by doubling, or in chunks.

A parallel scan as in `rnnbook.layers.scan`, where composing two steps costs a product of matrices; since A is the same
at every step, only its powers are needed. With A = W_h it is the linear recurrent network.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.layers.bptt import HandDerived, call

Algorithm = Literal["auto", "sequential", "doubling", "chunked", "loop"]

CHUNK = 16
# As measured: from so many steps on, and up to so many numbers per step, the chunks win.
LONG, WIDE = 8 * CHUNK, 512


def check_step(M: Tensor, b: Tensor) -> None:
    """Raise TypeError or ValueError unless M: (H, H) is a step for the rows of b: (T, B, H)."""
    like = b if isinstance(b, Tensor) else torch.empty(0)
    H = expect.tensor("b", b, [("T", None), ("B", None), ("H", None)], like).shape[2]
    expect.tensor("M", M, [("H", H), ("H", H)], like=b, whose="b's")


def sequential(M: Tensor, b: Tensor, back: bool = False) -> Tensor:
    """h_1 = b_1, h_{t+1} = h_t M + b_{t+1} in rows; back: from the end, h_t = h_{t+1} M + b_t. b: (T, B, H)."""
    check_step(M, b)
    h = b.clone()
    hs = h.unbind(0)[::-1] if back else h.unbind(0)
    for old, new in pairwise(hs):
        new.addmm_(old, M)
    return h


def doubling(M: Tensor, b: Tensor, back: bool = False) -> Tensor:
    """The same in log₂ T rounds: with s = 1, 2, 4, …, h_t += h_{t−s} M^s, and then M^s is squared.

    In columns, z_t = L z_{t−1} + u_t from z_0, with L: (n, n), u: (T, n, B), z_0: (n, B), it is the transpose:
    z = doubling(L.mT, torch.cat((z_0[None], u)).mT).mT, the T + 1 states z_0..z_T: (T+1, n, B).
    """
    check_step(M, b)
    h, s = b, 1
    while s < len(b):
        h = torch.cat((h[:-s] + h[s:] @ M, h[-s:]) if back else (h[:s], h[s:] + h[:-s] @ M))
        M, s = M @ M, 2 * s
    return h if s > 1 else b.clone()


def chunked(M: Tensor, b: Tensor, back: bool = False, C: int = CHUNK) -> Tensor:
    """The same in chunks of C steps: all chunks walk at once from zero, then M, …, M^C bring in the state before.

    The ends of the chunks are a recurrence with the matrix M^C, which is computed in the same way.
    """
    check_step(M, b)
    T, B, H = b.shape
    C = max(expect.positive("C", C), 2)  # chunks of one step would leave as many ends
    if T <= 2 * C or B == 0:
        return sequential(M, b, back)
    K = -(-T // C)
    padded = torch.cat((b, b.new_zeros(K * C - T, B, H))).view(K, C, B, H)
    # Steps first: what is multiplied at once then lies together.
    h = padded.transpose(0, 1).reshape(C, K * B, H)
    hs = h.unbind(0)[::-1] if back else h.unbind(0)
    for old, new in pairwise(hs):
        new.addmm_(old, M)
    powers = M[None]
    while len(powers) < C:
        powers = torch.cat((powers, powers @ powers[-1]))
    powers = powers[:C]
    ends = chunked(powers[-1], hs[-1].view(K, B, H), back, C)
    steps = h.view(C, K, B, H)
    owed = steps[:, :-1] if back else steps[:, 1:]
    before = (ends[1:] if back else ends[:-1]).reshape(-1, H)
    owed += (before @ (powers.flip(0) if back else powers)).view(C, K - 1, B, H)
    return steps.transpose(0, 1).reshape(K * C, B, H)[:T]


def _auto(M: Tensor, b: Tensor, back: bool) -> Tensor:
    narrow = b.numel() <= WIDE * len(b) or b.is_cuda
    return chunked(M, b, back) if len(b) > LONG and narrow else sequential(M, b, back)


RUN: dict[str, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "auto": _auto,
    "sequential": sequential,
    "doubling": doubling,
    "chunked": chunked,
}


def scan_dense(A: Tensor, b: Tensor, h_0: Tensor | None = None, algorithm: Algorithm = "auto") -> Tensor:
    """h_t = A h_{t−1} + b_t for t = 1..T; returns the states (T, B, H).

    A: (H, H), b: (T, B, H), h_0: (B, H), zero if not given; real or complex. The gradients are derived by hand:
    g_t = dL/dh_t + A* g_{t+1} with A* the conjugate transpose, and then db_t = g_t, dA = Σ_t g_t h_{t−1}*.
    algorithm: "auto" takes the fastest measured for the size; "sequential", "doubling" and "chunked" by name;
    "loop" is autograd's, for second derivatives. "doubling" and "chunked" form powers of A: where those
    overflow, so may they. Raises TypeError and ValueError that name the argument.
    """
    expect.choice("algorithm", algorithm, [*RUN, "loop"])
    like = b if isinstance(b, Tensor) else torch.empty(0)
    _, B, H = expect.tensor("b", b, [("T", None), ("B", None), ("H", None)], like).shape
    if not (b.is_floating_point() or b.is_complex()):
        raise TypeError(f"b must be real or complex, got {b.dtype}; convert it with b.float()")
    expect.tensor("A", A, [("H", H), ("H", H)], like=b, whose="b's")
    start = b.new_zeros(B, H) if h_0 is None else expect.tensor("h_0", h_0, [("B", B), ("H", H)], b, "b's")
    if algorithm == "loop":
        return _loop(A, b, start)
    return call(_ScanDense, A, b, start, RUN[algorithm])[0]


def _loop(A: Tensor, b: Tensor, h: Tensor) -> Tensor:
    states = []
    for b_t in b:
        h = torch.addmm(b_t, h, A.T)
        states.append(h)
    return torch.stack(states) if states else b.clone()


class _ScanDense(HandDerived):
    """The states, and the gradients by the same algorithm from the end."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, b: Tensor, h_0: Tensor, run: Any) -> tuple[Tensor]:
        h: Tensor = run(A.T, torch.cat((h_0[None], b)), False)
        ctx.run = run
        ctx.save_for_backward(A, h)
        return (h[1:],)

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (d_h,), (A, h) = d_outputs, ctx.saved_tensors
        g = ctx.run(A.conj().resolve_conj(), torch.cat((torch.zeros_like(h[:1]), d_h)), True)
        dA = g[1:].flatten(0, 1).T @ h[:-1].flatten(0, 1).conj()
        return dA, g[1:], g[0], None
