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
        expect.tensor("prior", self.prior, [("K", None)], like=self.prior)
        K = len(self.prior)
        if K == 0:
            raise ValueError("prior must have at least one state, got K=0")
        for name, X, axes in (("prior", self.prior, 1), ("transition", self.transition, 2)):
            expect.finite(name, expect.real(name, expect.tensor(name, X, [("K", K)] * axes, like=self.prior)))
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
    Everything is differentiable. Where a probability of the chain is 0, the likelihood has the slope that plain
    probabilities give, at most the largest number of the dtype; the posteriors' slope there is taken as 0, which is
    right wherever a zero stays one, as behind a softmax.
    Raises ValueError for NaN and +∞ and where a series is impossible under the chain.
    Source: Rabiner 1989, A tutorial on hidden Markov models and selected applications in speech recognition.
    """
    _require_evidence(chain, log_b)
    log_prior, log_a = _log(chain.prior), _log(chain.transition)
    # α and β are kept as distributions over the states: sums that grow with T would lose digits.
    alpha, told = [], []
    ahead = log_prior.expand(log_b.shape[1], -1)
    for b_t in log_b:
        joint = b_t + ahead
        told.append(joint.logsumexp(1))
        alpha.append(joint - told[-1][:, None])
        ahead = _logsumexp(alpha[-1][:, :, None] + log_a, 1)
    _require_possible(torch.stack(told))
    beta = [torch.zeros_like(log_b[0])]
    for b_t in log_b[1:].flip(0):
        beta.append(_logsumexp(log_a + (b_t + beta[-1]).log_softmax(1)[:, None, :], 2))
    log_alpha, log_beta = torch.stack(alpha), torch.stack(beta[::-1])
    joint = log_alpha[:-1, :, :, None] + log_a + (log_b[1:] + log_beta[1:])[:, :, None, :]
    pairs = joint.flatten(2).softmax(2).view_as(joint)
    first = log_b[0] + log_beta[0]
    slopes = (first - _logsumexp(first + log_prior, 1)[:, None]).detach().exp()
    log_likelihood = torch.stack(told).sum(0) + _slope_at_zero(chain.prior, slopes)
    if len(log_b) > 1:
        joint = log_alpha[:-1, :, :, None] + (log_b[1:] + log_beta[1:])[:, :, None, :]
        slopes = (joint - (joint + log_a).flatten(2).logsumexp(2)[:, :, None, None]).detach().exp().sum(0)
        log_likelihood = log_likelihood + _slope_at_zero(chain.transition, slopes)
    return Posterior(log_alpha.exp(), (log_alpha + log_beta).softmax(2), pairs, log_likelihood)


def _require_evidence(chain: MarkovChain, log_b: Tensor) -> None:
    if not isinstance(chain, MarkovChain):
        raise TypeError(f"chain must be a MarkovChain, got {type(chain).__name__}")
    expect.tensor("log_b", log_b, [("T", None), ("B", None), ("K", len(chain.prior))], like=chain.prior)
    if len(log_b) == 0:
        raise ValueError("log_b must have at least one step, got T=0")
    wrong = (log_b.isnan() | (log_b == math.inf)).nonzero()
    if len(wrong) > 0:
        t, b, k = wrong[0].tolist()
        raise ValueError(f"log_b must hold log densities below inf, got {log_b[t, b, k].item()} at {(t, b, k)}")


def _require_possible(told: Tensor) -> None:
    """ValueError unless every step of every series has a probability; told: (T, B), log p(y_t | y_1..y_{t−1})."""
    impossible = (~told.detach().isfinite()).T.nonzero()
    if len(impossible) > 0:
        b, t = impossible[0].tolist()
        raise ValueError(f"log_b of series {b} has probability 0 under the chain from t={t + 1} on")


def _log(p: Tensor) -> Tensor:
    """log p, −∞ with gradient 0 where p is 0."""
    return p.masked_fill(p == 0, 1.0).log().masked_fill(p == 0, -math.inf)


def _slope_at_zero(p: Tensor, slopes: Tensor) -> Tensor:
    """Zeros, (B,), that have the gradient slopes: (B, …) with respect to those probabilities p: (…) which are 0."""
    largest = torch.finfo(p.dtype).max / len(slopes)
    return (torch.where(p == 0, slopes.clamp(max=largest), 0.0) * (p - p.detach())).flatten(1).sum(1)


def _logsumexp(x: Tensor, dim: int) -> Tensor:
    """x.logsumexp(dim), −∞ with gradient 0 where all of x is −∞: a state that cannot be reached has no say."""
    dead = (x == -math.inf).all(dim, keepdim=True)
    return x.masked_fill(dead, 0.0).logsumexp(dim).masked_fill(dead.squeeze(dim), -math.inf)


def viterbi(chain: MarkovChain, log_b: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest path of states, (T, B), and the logarithm of its joint probability with the data, (B,).

    log_b as for `forward_backward`, and refused where that refuses it; of equally likely states the first is taken.
    Source: Rabiner 1989, A tutorial on hidden Markov models and selected applications in speech recognition.
    """
    _require_evidence(chain, log_b)
    log_a = _log(chain.transition)
    best, came_from, told = _log(chain.prior) + log_b[0], [], []
    for b_t in log_b[1:]:
        # The best so far goes to zero: a sum that grows with T would lose the digits that tell paths apart.
        told.append(best.amax(1))
        best, origin = ((best - told[-1][:, None])[:, :, None] + log_a).max(1)
        best = best + b_t
        came_from.append(origin)
    last, state = best.max(-1)
    _require_possible(torch.stack((*told, last)))
    score = torch.stack((*told, last)).sum(0)
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
    K = _check_chain(K, stay, spread)
    T, B = expect.positive("T", T), expect.positive("B", B)
    jumps = torch.rand(T, B, generator=generator) >= stay
    moves = torch.where(jumps, torch.randint(1, K, (T, B), generator=generator), 0)
    moves[0] = torch.randint(K, (B,), generator=generator)
    s = moves.cumsum(0) % K
    v = spread * torch.randn(T, B, 1, generator=generator, dtype=torch.float64)
    return (s[:, :, None] - (K - 1) / 2 + v).to(device, dtype), s.to(device)


def noisy_chain_model(x: Tensor, *, K: int = 3, stay: float = 0.9, spread: float = 0.8) -> tuple[MarkovChain, Tensor]:
    """The chain of `noisy_chain` and log_b: (T, B, K) of its data x: (T, B, 1), as `forward_backward` wants them."""
    K = _check_chain(K, stay, spread)
    expect.finite("x", expect.real("x", expect.tensor("x", x, [("T", None), ("B", None), ("I", 1)], like=x)))
    transition = x.new_full((K, K), (1 - stay) / (K - 1)).fill_diagonal_(stay)
    means = torch.arange(K).to(x) - (K - 1) / 2
    log_b = -(((x - means) / spread) ** 2) / 2 - math.log(spread * math.sqrt(2 * math.pi))
    return MarkovChain(x.new_full((K,), 1 / K), transition), log_b


def _check_chain(K: int, stay: float, spread: float) -> int:
    K = expect.whole("K", K)
    if K < 2:
        raise ValueError(f"K must be at least 2, got {K}")
    if not 0 <= expect.number("stay", stay) <= 1:
        raise ValueError(f"stay is a probability and must be within 0..1, got {stay}")
    if not expect.number("spread", spread) > 0:
        raise ValueError(f"spread is a standard deviation and must be above 0 and finite, got {spread}")
    return K
