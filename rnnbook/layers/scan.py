"""Linear recurrences h_t = a_t ⊙ h_{t−1} + b_t: step by step, or many steps at once by a parallel scan.

One step is the map h → a h + b, and two such maps in a row are one such map. So a long product may be computed
in any grouping: in chunks, in pairs, or in powers of two. Used in the chapter gru; minGRU is in
`rnnbook.layers.mingru`, the recurrence with a matrix A in `rnnbook.layers.scan_dense`.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.layers.bptt import HandDerived, call

Algorithm = Literal["auto", "sequential", "chunked", "odd-even", "hillis-steele", "loop"]
Element = tuple[Tensor, Tensor]

# Of 4, 8, 16 and 32 the best, or within a tenth of it, for B·H from 64 to 2048.
CHUNK = 16
# Few steps are walked as fast as anything. With many numbers per step, and more of them in all than a cache
# holds, the walk wins again: it goes through memory once. On a GPU every step is a launch, and chunks are few.
SHORT, WIDE, MANY = 2 * CHUNK, 1024, 2**20


def compose(later: Element, earlier: Element) -> Element:
    """(a₂, b₂) ∘ (a₁, b₁) = (a₂ a₁, a₂ b₁ + b₂): the map h → a₂ (a₁ h + b₁) + b₂ as one element.

    Associative, with the identity (1, 0), and not commutative. Raises TypeError for what is no pair of tensors.
    Source: Blelloch 1990, Prefix sums and their applications.
    """
    for name, element in (("later", later), ("earlier", earlier)):
        parts = element if isinstance(element, tuple | list) or _is_stack(element) else ()
        if [isinstance(part, Tensor) for part in parts] != [True, True]:
            raise TypeError(f"{name} must be a pair of tensors (a, b), got {type(element).__name__}")
    (a_2, b_2), (a_1, b_1) = later, earlier
    return a_2 * a_1, torch.addcmul(b_2, a_2, b_1)


def _is_stack(element: object) -> bool:
    return isinstance(element, Tensor) and element.dim() > 0


def check_factors(c: Tensor, b: Tensor) -> None:
    """Raise TypeError or ValueError unless c: (T−1, …) are factors between the neighbours of b: (T, …)."""
    for name, value in (("b", b), ("c", c)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if b.dim() == 0 or c.shape != (max(len(b) - 1, 0), *b.shape[1:]):
        raise ValueError(f"c must have one step less than b: (T, …), got {tuple(c.shape)} and {tuple(b.shape)}")
    if c.dtype != b.dtype or c.device != b.device:
        raise TypeError(f"c must have b's dtype and device, got {c.dtype}, {c.device} and {b.dtype}, {b.device}")


def sequential(c: Tensor, b: Tensor, back: bool = False) -> Tensor:
    """h_1 = b_1, h_{t+1} = c_t h_t + b_{t+1}, one step after the other; T steps, T multiplications.

    b: (T, …), c: (T−1, …) are the factors between neighbours. back: from the end, h_t = c_t h_{t+1} + b_t.
    """
    check_factors(c, b)
    h = b.clone()
    factors, hs = c.unbind(0), h.unbind(0)
    if back:
        factors, hs = factors[::-1], hs[::-1]
    for factor, old, new in zip(factors, hs, hs[1:], strict=False):
        new.addcmul_(factor, old)
    return h


def chunked(c: Tensor, b: Tensor, back: bool = False, C: int = CHUNK) -> Tensor:
    """The same in chunks of C steps: all chunks walk at once from zero, then what each was owed is added.

    The ends of the chunks are a recurrence of T/C steps, which is computed in the same way. About
    C log T / log C steps one after the other, 3T multiplications. Arguments as in `sequential`.
    """
    check_factors(c, b)
    T, C = len(b), max(expect.positive("C", C), 2)  # chunks of one step would leave as many ends
    if T <= 2 * C:
        return sequential(c, b, back)
    K = -(-T // C)
    # p: the factor with which the state before the chunk enters each of its steps.
    p = _framed(c, 0 if back else 1, K * C).view(K, C, *b.shape[1:])
    h = _framed(b, 0, K * C).view(K, C, *b.shape[1:])
    ps, hs = p.unbind(1), h.unbind(1)
    if back:
        ps, hs = ps[::-1], hs[::-1]
    for n in range(1, C):
        hs[n].addcmul_(ps[n], hs[n - 1])
        ps[n].mul_(ps[n - 1])
    has_before, before = (slice(None, -1), slice(1, None)) if back else (slice(1, None), slice(None, -1))
    ends = chunked(ps[-1][has_before], hs[-1], back, C)
    h[has_before].addcmul_(p[has_before], ends[before].unsqueeze(1))
    return h.flatten(0, 1)[:T]


def _framed(x: Tensor, first: int, length: int) -> Tensor:
    """A copy of x with `first` zeros before it and zeros after it up to the length."""
    shape = x.shape[1:]
    return torch.cat((x.new_zeros(first, *shape), x, x.new_zeros(length - first - len(x), *shape)))


def odd_even(c: Tensor, b: Tensor) -> Tensor:
    """The same by pairs: join steps 1 and 2, 3 and 4, …, solve for every second state, fill in the others.

    2 log₂ T steps one after the other, 3T multiplications. Source: Blelloch 1990.
    """
    check_factors(c, b)
    T, n = len(b), len(b) // 2
    if n == 0:
        return b.clone()
    pair_a, pair_b = compose((c[2::2], b[3::2]), (c[1:-1:2], b[2 : 2 * n : 2]))
    pair_b = torch.cat((torch.addcmul(b[1:2], c[:1], b[:1]), pair_b))
    h = torch.empty_like(b)
    h[0], h[1::2] = b[0], odd_even(pair_a, pair_b)
    if T > 2:
        h[2::2] = torch.addcmul(b[2::2], c[1::2], h[1 : T - 1 : 2])
    return h


def hillis_steele(c: Tensor, b: Tensor) -> Tensor:
    """The same by doubling: after round k every step holds the composition of the last 2^k.

    log₂ T steps one after the other, 2T log₂ T multiplications. Source: Hillis & Steele 1986, Data parallel
    algorithms.
    """
    check_factors(c, b)
    a, h, s = torch.cat((torch.zeros_like(b[:1]), c)), b, 1
    while s < len(b):
        joined_a, joined_h = compose((a[s:], h[s:]), (a[:-s], h[:-s]))
        a, h, s = torch.cat((a[:s], joined_a)), torch.cat((h[:s], joined_h)), 2 * s
    return h if len(b) > 1 else b.clone()


def _mirrored(forward: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, bool], Tensor]:
    def run(c: Tensor, b: Tensor, back: bool) -> Tensor:
        return forward(c.flip(0), b.flip(0)).flip(0) if back else forward(c, b)

    return run


def _auto(c: Tensor, b: Tensor, back: bool) -> Tensor:
    is_wide = b.numel() > max(MANY, WIDE * len(b)) and not b.is_cuda
    return sequential(c, b, back) if len(b) <= SHORT or is_wide else chunked(c, b, back)


RUN: dict[str, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "auto": _auto,
    "sequential": sequential,
    "chunked": chunked,
    "odd-even": _mirrored(odd_even),
    "hillis-steele": _mirrored(hillis_steele),
}


def scan(a: Tensor, b: Tensor, h_0: Tensor | None = None, algorithm: Algorithm = "auto") -> Tensor:
    """h_t = a_t ⊙ h_{t−1} + b_t for t = 1..T; returns the states (T, B, H).

    b: (T, B, H), real or complex; a: (T, B, H), or (H,) if it is the same at every step; h_0: (B, H), zero if
    not given. The gradients are derived by hand: with g_t the whole gradient at h_t,
    g_t = dL/dh_t + ā_{t+1} g_{t+1}, a scan from the end, and then db_t = g_t, da_t = g_t h̄_{t−1}.
    algorithm: "auto" takes the fastest measured for the size; "sequential", "chunked", "odd-even" and
    "hillis-steele" by name; "loop" is autograd's, for second derivatives. All but "sequential" and "loop" form
    products of the a_t: where those overflow, so may they.
    Rounding: with positive a and b each of them errs by at most about eps · min(T, 1/(1−a)), relative to h, and
    none is always the best. In float32 over 1e5 steps with equal a_t, "auto" errs by 3e-5 at a = .99999 and
    "sequential" by 3e-6, since a^16 is rounded alike in all chunks; at a = .999 with b = 1 it is 7e-7 and 3e-5,
    since the walk rounds alike at every step. Where a_t changes from step to step there is little between them.
    Raises TypeError and ValueError that name the argument, what it was and what it should be.
    Source: Martin & Cundy 2018, Parallelizing linear recurrent neural nets over sequence length.
    """
    expect.choice("algorithm", algorithm, [*RUN, "loop"])
    a, b = _check(a, b, h_0)
    if algorithm == "loop":
        return _loop(a, b, h_0)
    return call(_Scan, a, b, h_0, RUN[algorithm])[0]


def _check(a: object, b: object, h_0: object, names: tuple[str, str, str] = ("a", "b", "h_0")) -> Element:
    """(a, b), each (T, B, H)."""
    like = b if isinstance(b, Tensor) else torch.empty(0)
    b = expect.tensor(names[1], b, [("T", None), ("B", None), ("H", None)], like)
    if not (b.is_floating_point() or b.is_complex()):
        raise TypeError(f"{names[1]} must be real or complex, got {b.dtype}; convert it with {names[1]}.float()")
    T, B, H = b.shape
    constant, whose = isinstance(a, Tensor) and a.dim() == 1, f"{names[1]}'s"
    a = expect.tensor(names[0], a, [("H", H)] if constant else [("T", T), ("B", B), ("H", H)], like=b, whose=whose)
    if h_0 is not None:
        expect.tensor(names[2], h_0, [("B", B), ("H", H)], like=b, whose=whose)
    return a.expand_as(b), b


def _loop(a: Tensor, b: Tensor, h_0: Tensor | None) -> Tensor:
    h, states = (torch.zeros_like(b[:1]).sum(0) if h_0 is None else h_0), []
    for a_t, b_t in zip(a, b, strict=True):
        h = torch.addcmul(b_t, a_t, h)
        states.append(h)
    return torch.stack(states) if states else b.clone()


def with_start(a: Tensor, b: Tensor, h_0: Tensor | None) -> Element:
    """The factors between neighbours, and the increments: h_0 becomes the first of them."""
    return (a[1:], b) if h_0 is None else (a, torch.cat((h_0[None], b)))


class _Scan(HandDerived):
    """The states, and the gradients by the same algorithm from the end."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, h_0: Tensor | None, run: Any) -> tuple[Tensor]:
        ctx.starts, ctx.run = h_0 is not None, run
        h: Tensor = run(*with_start(a, b, h_0), False)
        ctx.save_for_backward(a, h)
        return (h[1:] if ctx.starts else h,)

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (d_h,), (a, h) = d_outputs, ctx.saved_tensors
        if ctx.starts:
            d_h = torch.cat((torch.zeros_like(h[:1]), d_h))
        c = a if ctx.starts else a[1:]
        g = ctx.run(c.conj(), d_h, True)
        da = None
        if ctx.needs_input_grad[0]:
            da = torch.zeros_like(a, memory_format=torch.contiguous_format)
            torch.mul(g[1:], h[:-1].conj(), out=da[len(a) - len(c) :])
        return da, (g[1:] if ctx.starts else g), (g[0] if ctx.starts else None), None


def scan_log(log_a: Tensor, log_b: Tensor, log_h_0: Tensor | None = None) -> Tensor:
    """log h_t of h_t = a_t ⊙ h_{t−1} + b_t with positive a, b and h_0, from their logarithms.

    With A_t = log a_1 + … + log a_t: log h_t = A_t + log Σ_{s≤t} exp(log b_s − A_s), a running logsumexp, so
    that nothing overflows or vanishes however long the sequence; the rounding of A_t, which grows with T,
    remains. Shapes and errors as in `scan`. The gradients are derived by hand: with w_t = a_t h_{t−1} / h_t,
    the share of the past, g_t = dL/dlog h_t + w_{t+1} g_{t+1}, dlog a_t = w_t g_t, dlog b_t = (1−w_t) g_t.
    Source: Heinsen 2023, Efficient parallelization of a ubiquitous sequential computation.
    """
    log_a, log_b = _check(log_a, log_b, log_h_0, ("log_a", "log_b", "log_h_0"))
    if log_b.is_complex():
        raise TypeError("log_b must be real, got a complex dtype; use scan")
    return call(_ScanLog, log_a, log_b, log_h_0)[0]


class _ScanLog(HandDerived):
    @staticmethod
    def forward(ctx: Any, log_a: Tensor, log_b: Tensor, log_h_0: Tensor | None) -> tuple[Tensor]:
        ctx.starts = log_h_0 is not None
        c, b = with_start(log_a, log_b, log_h_0)
        total = torch.cat((torch.zeros_like(b[:1]), c)).cumsum(0)
        log_h = total + torch.logcumsumexp(b - total, 0) if len(b) > 0 else b.clone()
        ctx.save_for_backward(log_a, b, log_h)
        return (log_h[1:] if ctx.starts else log_h,)

    @staticmethod
    def gradients(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (d_h,), (log_a, b, log_h) = d_outputs, ctx.saved_tensors
        if ctx.starts:
            d_h = torch.cat((torch.zeros_like(log_h[:1]), d_h))
        c = log_a if ctx.starts else log_a[1:]
        w = (c + log_h[:-1] - log_h[1:]).exp()
        g = _auto(w, d_h, True)
        da = torch.zeros_like(log_a, memory_format=torch.contiguous_format)
        torch.mul(w, g[1:], out=da[len(log_a) - len(c) :])
        db = (b - log_h).exp() * g
        return da, (db[1:] if ctx.starts else db), (db[0] if ctx.starts else None)
