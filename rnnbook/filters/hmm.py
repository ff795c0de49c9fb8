"""Hidden Markov models: forward and backward, in log space. Derived in the chapter smoothing.

A chain of K states is the discrete sister of `rnnbook.filters.statespace`: the filter is a finite recurrence that
is exact, and the smoother joins it with one from the future.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnbook import _expect as expect


@dataclass(frozen=True)
class MarkovChain:
    """P(s_1 = i) = prior[i], P(s_t = j | s_{t−1} = i) = transition[i, j]; prior: (K,), transition: (K, K).

    Raises TypeError and ValueError: probabilities are at least 0, and prior and every row of transition sum to 1.
    """

    prior: Tensor
    transition: Tensor

    def __post_init__(self) -> None:
        for name, X, axes in (("prior", self.prior, 1), ("transition", self.transition, 2)):
            if not isinstance(X, Tensor) or not X.is_floating_point():
                got = X.dtype if isinstance(X, Tensor) else type(X).__name__
                raise TypeError(f"{name} must be a floating-point torch.Tensor, got {got}")
            expect.tensor(name, X, [("K", len(self.prior))] * axes, like=self.prior)
            if bool((X < 0).any()):
                raise ValueError(f"{name} must hold probabilities of at least 0, got {X.min().item():.6g}")
            off = (X.sum(-1) - 1).detach().abs()
            if bool((off > 100 * torch.finfo(X.dtype).eps * len(X)).any()):
                worst = X.sum(-1).flatten()[int(off.argmax())].item()
                raise ValueError(f"{name} must sum to 1 along its last axis, got {worst:.6g}")


@dataclass(frozen=True)
class Posterior:
    """filtered: (T, B, K), P(s_t | y_1..y_t); smoothed: (T, B, K), P(s_t | y_1..y_T); log_likelihood: (B,).

    pairs: (T−1, B, K, K), P(s_t = i, s_{t+1} = j | y_1..y_T) at index t−1.
    """

    filtered: Tensor
    smoothed: Tensor
    pairs: Tensor
    log_likelihood: Tensor


def forward_backward(chain: MarkovChain, log_b: Tensor) -> Posterior:
    """What the measurements tell of every state; log_b: (T, B, K) holds log p(y_t | s_t = k).

    log α_t(j) = log b_t(j) + log Σ_i exp(log α_{t−1}(i) + log a_ij),
    log β_t(i) = log Σ_j exp(log a_ij + log b_{t+1}(j) + log β_{t+1}(j)),  P(s_t | y_1..y_T) ∝ α_t β_t.
    Both are kept as distributions over the states, and sums of exponentials are taken about their largest term,
    so that nothing underflows and no digits are lost however long the series; −∞ marks the impossible. Zeros in
    log_b say nothing, which is how a missing measurement is written.
    Raises ValueError where a series is impossible under the chain. Source: Rabiner 1989, A tutorial on hidden
    Markov models and selected applications in speech recognition.
    """
    expect.tensor("log_b", log_b, [("T", None), ("B", None), ("K", len(chain.prior))], like=chain.prior)
    if len(log_b) == 0:
        raise ValueError("log_b must have at least one step, got T=0")
    log_a = chain.transition.log()
    # α and β are kept as distributions over the states: sums that grow with T would lose digits.
    alpha, told = [], []
    ahead = chain.prior.log().expand(log_b.shape[1], -1)
    for b_t in log_b:
        joint = b_t + ahead
        told.append(joint.logsumexp(1))
        alpha.append(joint - told[-1][:, None])
        ahead = _logsumexp(alpha[-1][:, :, None] + log_a, 1)
    log_likelihood = torch.stack(told).sum(0)
    impossible = (~log_likelihood.detach().isfinite()).nonzero()
    if len(impossible) > 0:
        raise ValueError(f"log_b of series {int(impossible[0])} has probability 0 under the chain, or is not finite")
    beta = [torch.zeros_like(log_b[0])]
    for b_t in log_b[1:].flip(0):
        beta.append(_logsumexp(log_a + (b_t + beta[-1]).log_softmax(1)[:, None, :], 2))
    log_alpha, log_beta = torch.stack(alpha), torch.stack(beta[::-1])
    joint = log_alpha[:-1, :, :, None] + log_a + (log_b[1:] + log_beta[1:])[:, :, None, :]
    pairs = joint.flatten(2).softmax(2).view_as(joint)
    return Posterior(log_alpha.exp(), (log_alpha + log_beta).softmax(2), pairs, log_likelihood)


def _logsumexp(x: Tensor, dim: int) -> Tensor:
    """x.logsumexp(dim), −∞ with gradient 0 where all of x is −∞: a state that cannot be reached has no say."""
    dead = (x == -math.inf).all(dim, keepdim=True)
    return x.masked_fill(dead, 0.0).logsumexp(dim).masked_fill(dead.squeeze(dim), -math.inf)


def viterbi(chain: MarkovChain, log_b: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest path of states, (T, B), and the logarithm of its joint probability with the data, (B,).

    log_b as for `forward_backward`; of equally likely states the first is taken.
    Source: Rabiner 1989, A tutorial on hidden Markov models and selected applications in speech recognition.
    """
    expect.tensor("log_b", log_b, [("T", None), ("B", None), ("K", len(chain.prior))], like=chain.prior)
    if len(log_b) == 0:
        raise ValueError("log_b must have at least one step, got T=0")
    log_a = chain.transition.log()
    best, came_from = chain.prior.log() + log_b[0], []
    for b_t in log_b[1:]:
        best, origin = (best[:, :, None] + log_a).max(1)
        best = best + b_t
        came_from.append(origin)
    score, state = best.max(-1)
    path = [state]
    for origin in reversed(came_from):
        path.append(origin.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1]), score


def noisy_chain(
    B: int,
    T: int,
    *,
    K: int = 3,
    stay: float = 0.9,
    spread: float = 0.8,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """A chain of K states in noise, a task for `rnnbook.training.tasks.batches`: which state is it at each step?

    s_1 is uniform on 0..K−1; s_t = s_{t−1} with probability `stay`, else one of the others, each as likely.
    x_t = s_t − (K−1)/2 + v_t, v_t ~ N(0, spread²). Returns x: (T, B, 1) and the states s: (T, B).
    Baseline (cross-entropy): of who sees x_t alone. Floors: of `forward_backward` with `noisy_chain_model`.
    """
    _check_chain(K, stay, spread)
    jumps = torch.rand(expect.positive("T", T), expect.positive("B", B), generator=generator) >= stay
    moves = torch.where(jumps, torch.randint(1, K, (T, B), generator=generator), 0)
    moves[0] = torch.randint(K, (B,), generator=generator)
    s = moves.cumsum(0) % K
    v = spread * torch.randn(T, B, 1, generator=generator, dtype=torch.float64)
    return (s[:, :, None] - (K - 1) / 2 + v).to(device, dtype), s.to(device)


def noisy_chain_model(x: Tensor, *, K: int = 3, stay: float = 0.9, spread: float = 0.8) -> tuple[MarkovChain, Tensor]:
    """The chain of `noisy_chain` and log_b: (T, B, K) of its data x: (T, B, 1), as `forward_backward` wants them."""
    _check_chain(K, stay, spread)
    expect.tensor("x", x, [("T", None), ("B", None), ("I", 1)], like=x)
    transition = x.new_full((K, K), (1 - stay) / (K - 1)).fill_diagonal_(stay)
    means = torch.arange(K).to(x) - (K - 1) / 2
    log_b = -(((x - means) / spread) ** 2) / 2 - math.log(spread * math.sqrt(2 * math.pi))
    return MarkovChain(x.new_full((K,), 1 / K), transition), log_b


def _check_chain(K: int, stay: float, spread: float) -> None:
    if expect.positive("K", K) < 2:
        raise ValueError(f"K must be at least 2, got {K}")
    if not 0 <= stay <= 1:
        raise ValueError(f"stay is a probability and must be within 0..1, got {stay}")
    if not 0 < spread < math.inf:
        raise ValueError(f"spread is a standard deviation and must be above 0 and finite, got {spread}")
