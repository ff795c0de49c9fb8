"""The laws of hidden Markov models: everything equals a sum over all paths, and nothing underflows."""

from itertools import product

import pytest
import torch
from drawn import F64

from rnnbook.filters.hmm import MarkovChain, forward_backward, noisy_chain, noisy_chain_model, viterbi


def random_chain(K, zeros=False):
    transition = torch.rand(K, K, dtype=F64)
    if zeros:
        transition[0, 1:] = 0
    return MarkovChain(torch.rand(K, dtype=F64).softmax(0), transition / transition.sum(1, keepdim=True))


def enumerated(chain, log_b):
    """Of one series (T, K): the probability of every path with the data."""
    T, K = log_b.shape
    paths = {}
    for path in product(range(K), repeat=T):
        p = chain.prior[path[0]] * log_b[0, path[0]].exp()
        for t in range(1, T):
            p = p * chain.transition[path[t - 1], path[t]] * log_b[t, path[t]].exp()
        paths[path] = p.item()
    return paths


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(("T", "K"), [(1, 3), (2, 2), (5, 3), (7, 2)])
def test_every_posterior_is_a_sum_over_paths(T, K, zeros):
    chain, log_b = random_chain(K, zeros), torch.randn(T, 2, K, dtype=F64)
    found = forward_backward(chain, log_b)
    for b in range(2):
        paths = enumerated(chain, log_b[:, b])
        total = sum(paths.values())
        assert found.log_likelihood[b].exp().item() == pytest.approx(total, rel=1e-12)
        for t in range(T):
            prefix = enumerated(chain, log_b[: t + 1, b])
            for k in range(K):
                share = sum(p for path, p in paths.items() if path[t] == k) / total
                assert found.smoothed[t, b, k].item() == pytest.approx(share, abs=1e-12)
                so_far = sum(p for path, p in prefix.items() if path[t] == k) / sum(prefix.values())
                assert found.filtered[t, b, k].item() == pytest.approx(so_far, abs=1e-12)
        for t in range(T - 1):
            for i, j in product(range(K), repeat=2):
                share = sum(p for path, p in paths.items() if path[t : t + 2] == (i, j)) / total
                assert found.pairs[t, b, i, j].item() == pytest.approx(share, abs=1e-12)
        path, score = viterbi(chain, log_b)
        best = max(paths, key=lambda path: paths[path])
        assert tuple(path[:, b].tolist()) == best
        assert score[b].exp().item() == pytest.approx(paths[best], rel=1e-12)


def test_the_filter_is_a_finite_recurrence():
    """p_t ∝ b(y_t) ⊙ (T' p_{t−1}): a recurrent network whose state is K probabilities."""
    chain, log_b = random_chain(3), torch.randn(20, 4, 3, dtype=F64)
    found = forward_backward(chain, log_b)
    p = chain.prior * log_b[0].exp()
    for t in range(20):
        if t > 0:
            p = log_b[t].exp() * (p @ chain.transition)
        p = p / p.sum(1, keepdim=True)
        assert (found.filtered[t] - p).abs().max() < 1e-12


def test_nothing_underflows_in_a_long_series():
    chain, log_b = random_chain(3), torch.randn(3_000, 1, 3, dtype=F64) - 50
    found = forward_backward(chain, log_b)
    assert found.log_likelihood.item() < -1.4e5
    assert (found.smoothed.sum(2) - 1).abs().max() < 1e-12
    assert (found.smoothed[-1] - found.filtered[-1]).abs().max() < 1e-12


def test_pairs_sum_to_the_states_on_both_sides():
    chain, log_b = random_chain(4), torch.randn(30, 3, 4, dtype=F64)
    found = forward_backward(chain, log_b)
    assert (found.pairs.sum(3) - found.smoothed[:-1]).abs().max() < 1e-12
    assert (found.pairs.sum(2) - found.smoothed[1:]).abs().max() < 1e-12


def test_a_missing_measurement_leaves_the_prediction():
    chain, log_b = random_chain(3), torch.randn(6, 2, 3, dtype=F64)
    log_b[4] = 0
    found = forward_backward(chain, log_b)
    assert (found.filtered[4] - found.filtered[3] @ chain.transition).abs().max() < 1e-12


def test_the_gradient_of_the_likelihood_is_the_posterior():
    """∂ log p(y) / ∂ log b_t(k) = P(s_t = k | y_1..y_T): backpropagation is the backward pass."""
    chain = random_chain(3)
    log_b = torch.randn(8, 2, 3, dtype=F64, requires_grad=True)
    found = forward_backward(chain, log_b)
    (gradient,) = torch.autograd.grad(found.log_likelihood.sum(), log_b)
    assert (gradient - found.smoothed).abs().max() < 1e-12


HALF = torch.full((2,), 0.5, dtype=F64)
EYE = torch.eye(2, dtype=F64)


@pytest.mark.parametrize(
    ("prior", "transition", "error", "words"),
    [
        ([0.5, 0.5], EYE, TypeError, r"prior must be a torch\.Tensor, got list"),
        (HALF, EYE[:1], ValueError, r"transition must have shape \(K, K\) = \(2, 2\), got \(1, 2\)"),
        (HALF, 0.9 * EYE, ValueError, "transition must sum to 1 along its last axis, got 0.9"),
        (HALF, torch.tensor([[1.5, -0.5], [0, 1]], dtype=F64), ValueError, "transition must hold .* got -0.5"),
        (HALF, EYE.float(), TypeError, "transition must have the parameters' dtype"),
    ],
)
def test_a_wrong_chain_is_named(prior, transition, error, words):
    with pytest.raises(error, match=words):
        MarkovChain(prior, transition)


def test_wrong_data_are_named():
    chain = MarkovChain(HALF, EYE)
    with pytest.raises(ValueError, match=r"log_b must have shape \(T, B, K\) = \(T, B, 2\), got \(5, 2\)"):
        forward_backward(chain, torch.zeros(5, 2, dtype=F64))
    for function in (forward_backward, viterbi):
        with pytest.raises(ValueError, match="log_b must have at least one step, got T=0"):
            function(chain, torch.zeros(0, 1, 2, dtype=F64))
    impossible = torch.tensor([[[0.0, -torch.inf]], [[-torch.inf, 0.0]]], dtype=F64)
    with pytest.raises(ValueError, match="log_b of series 0 has probability 0 under the chain"):
        forward_backward(chain, impossible)


def test_a_noisy_chain_stays_jumps_and_is_seen_as_said():
    x, s = noisy_chain(20_000, 12, K=4, stay=0.7, spread=0.5, dtype=F64)
    assert x.shape == (12, 20_000, 1)
    assert s.min() == 0
    assert s.max() == 3
    counts = torch.zeros(4, 4, dtype=F64)
    counts.index_put_((s[:-1].flatten(), s[1:].flatten()), torch.ones((), dtype=F64), accumulate=True)
    chain, log_b = noisy_chain_model(x, K=4, stay=0.7, spread=0.5)
    assert (counts / counts.sum(1, keepdim=True) - chain.transition).abs().max() < 0.01
    assert (torch.bincount(s[0], minlength=4) / 20_000 - 0.25).abs().max() < 0.015
    noise = x[..., 0] - s + 1.5
    assert noise.mean().abs() < 0.01
    assert (noise.std() - 0.5).abs() < 0.01
    normal = torch.distributions.Normal(s - 1.5, torch.tensor(0.5, dtype=F64))
    assert (log_b.gather(2, s[..., None])[..., 0] - normal.log_prob(x[..., 0])).abs().max() < 1e-12


def test_posteriors_of_a_noisy_chain_are_calibrated():
    """The mean of P(s_t | y) over many series at the true state is the mean of its squares summed over the states."""
    x, s = noisy_chain(20_000, 10, dtype=F64)
    found = forward_backward(*noisy_chain_model(x))
    for p in (found.filtered, found.smoothed):
        at_truth = p.gather(2, s[..., None]).mean()
        assert (at_truth - p.square().sum(2).mean()).abs() < 0.005


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"K": 1}, "K must be at least 2, got 1"),
        ({"stay": 1.5}, "stay is a probability and must be within 0..1, got 1.5"),
        ({"spread": 0.0}, "spread is a standard deviation and must be above 0 and finite, got 0.0"),
    ],
)
def test_wrong_settings_of_a_noisy_chain_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        noisy_chain(2, 3, **settings)


def test_states_that_cannot_be_reached_leave_the_gradient_alone():
    """∂ log-likelihood / ∂ log b_t(j) is the smoothed probability, also where it is 0."""
    chain = MarkovChain(
        torch.tensor([1.0, 0, 0], dtype=F64), torch.tensor([[0.9, 0.1, 0], [0, 0.9, 0.1], [0, 0, 1]], dtype=F64)
    )
    log_b = torch.randn(5, 2, 3, dtype=F64, requires_grad=True)
    found = forward_backward(chain, log_b)
    (slope,) = torch.autograd.grad(found.log_likelihood.sum(), log_b)
    assert (slope - found.smoothed).abs().max() < 1e-14


def likelihood(prior, transition, log_b):
    """log p(y_1..y_T) of each series through plain probabilities."""
    p = prior * log_b[0].exp()
    for b_t in log_b[1:]:
        p = (p @ transition) * b_t.exp()
    return p.sum(1).log()


LEFT_RIGHT = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.6, 0.4], [0.0, 0.0, 1.0]], dtype=F64)
STILL = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]], dtype=F64)


@pytest.mark.parametrize("prior", [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5]])
@pytest.mark.parametrize("transition", [LEFT_RIGHT, STILL, LEFT_RIGHT.flip(0, 1)])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("T", [1, 6])
def test_slopes_at_zero_are_those_of_plain_probabilities(prior, transition, missing, T):
    log_b = torch.randn(T, 3, 3, dtype=F64)
    if missing:
        log_b[T // 2, 1, 1] = -torch.inf
    given = [X.clone().requires_grad_() for X in (torch.tensor(prior, dtype=F64), transition, log_b)]
    expected = torch.autograd.grad(likelihood(*given).sum(), given, allow_unused=True)
    posterior = forward_backward(MarkovChain(*given[:2]), given[2])
    found = torch.autograd.grad(posterior.log_likelihood.sum(), given, retain_graph=True, allow_unused=True)
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine is None) == (theirs is None) or not mine.any()
        if theirs is not None:
            assert (mine - theirs).abs().max() < 1e-11 * theirs.abs().max().clamp(min=1)
    for output in (posterior.filtered, posterior.smoothed, posterior.pairs):
        for slope in torch.autograd.grad(output.square().sum(), given, retain_graph=True, allow_unused=True):
            assert slope is None or slope.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_forbidden_step_stays_forbidden_under_a_softmax(dtype):
    logits = torch.tensor([[0.0, 0.0], [-torch.inf, 0.0]], dtype=dtype, requires_grad=True)
    log_b = torch.tensor([[-1.0, -2.0], [-0.5, -1.5], [-2.0, -0.1]], dtype=dtype)[:, None]
    chain = MarkovChain(torch.tensor([0.5, 0.5], dtype=dtype), logits.softmax(1))
    (slope,) = torch.autograd.grad(forward_backward(chain, log_b).log_likelihood.sum(), logits)
    expected = torch.tensor([[-0.08996, 0.08996], [0.0, 0.0]], dtype=dtype)
    assert (slope - expected).abs().max() < 1e-5


def test_a_slope_beyond_all_numbers_spoils_nothing():
    """Data that would take the forbidden step back at any price."""
    logits = torch.tensor([[0.0, 0.0], [-torch.inf, 0.0]], requires_grad=True)
    chain = MarkovChain(torch.tensor([0.5, 0.5]), logits.softmax(1))
    log_b = torch.tensor([[-1e4, 0.0], [0.0, -1e4]]).repeat(4, 1)[:, None].expand(8, 3, 2)
    found = forward_backward(chain, log_b)
    (slope,) = torch.autograd.grad(found.log_likelihood.sum(), logits)
    assert slope.isfinite().all()
    assert slope[1].tolist() == [0, 0]


SERIES = torch.zeros(4, 3, 2, dtype=F64)
REFUSED = [
    ((1, 2, 0), torch.nan, r"log_b must hold log densities below inf, got nan at \(1, 2, 0\)"),
    ((3, 0, 1), torch.inf, r"log_b must hold log densities below inf, got inf at \(3, 0, 1\)"),
    ((2, 1), -torch.inf, "log_b of series 1 has probability 0 under the chain from t=3 on"),
    ((slice(None), 2), -torch.inf, "log_b of series 2 has probability 0 under the chain from t=1 on"),
]


@pytest.mark.parametrize("function", [forward_backward, viterbi])
@pytest.mark.parametrize(("place", "value", "words"), REFUSED)
def test_both_algorithms_refuse_the_same(function, place, value, words):
    log_b = SERIES.clone()
    log_b[place] = value
    with pytest.raises(ValueError, match=words):
        function(MarkovChain(HALF, torch.full((2, 2), 0.5, dtype=F64)), log_b)


@pytest.mark.parametrize("function", [forward_backward, viterbi])
def test_a_path_that_the_chain_forbids_is_refused(function):
    log_b = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]], dtype=F64)[:, None]
    with pytest.raises(ValueError, match="series 0 has probability 0 under the chain from t=2 on"):
        function(MarkovChain(HALF, EYE), log_b)


def test_the_best_path_of_a_long_series_is_the_same_in_single_precision():
    """A level of −300 a step says nothing about the path; its sum must not cost the digits that do."""
    chain = random_chain(3)
    log_b = torch.randn(3_000, 2, 3, dtype=F64)
    path, score = viterbi(chain, log_b)
    single = MarkovChain(chain.prior.float() / chain.prior.float().sum(), chain.transition.float())
    other, lower = viterbi(single, (log_b - 300).float())
    assert torch.equal(other, path)
    assert ((lower.double() + 900_000 - score).abs() < 1e-6 * 900_000).all()
