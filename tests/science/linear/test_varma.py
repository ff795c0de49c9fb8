"""The laws of VARMA models as linear RNNs: three forms, one output; the way back; one-step prediction."""

import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from drawn import F64, gap, randn, random_rnn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.arima_process import ArmaProcess
from statsmodels.tsa.statespace.varmax import VARMAX

from rnnbook.dynamics.modes import modes
from rnnbook.layers.cells import Elman
from rnnbook.layers.recurrent import Recurrent
from rnnbook.linear.innovations import predictor
from rnnbook.linear.realisation import (
    LinearRNN,
    degree,
    equivalent,
    from_elman,
    hankel,
    minimal,
    smallest,
    to_elman,
    units,
)
from rnnbook.linear.varma import (
    VARMA,
    final_form,
    harvey,
    history,
    innovations_form,
    leverrier_faddeev,
    to_varma,
)


def scaled(X, radius):
    """X_i · s^i with the s that gives the companion of X this spectral radius."""
    if len(X) == 0:
        return X
    s = radius / VARMA(X).poles.abs().max()
    return X * s ** torch.arange(1, len(X) + 1)[:, None, None]


def random_varma(k, p, q, radius=0.9):
    """Poles of modulus up to `radius` and zeros up to 0.8 of it, so that none cancel."""
    A, M = scaled(randn(p, k, k), radius), -scaled(randn(q, k, k), 0.8 * radius)
    return VARMA(A, M, torch.eye(k))


def impulse(model, count):
    """Ψ_j = M_j + Σ_{i=1}^j A_i Ψ_{j−i}, Ψ_0 = I."""
    psi = [torch.eye(model.k, dtype=F64)]
    for j in range(1, count):
        total = model.M[j - 1] if j <= len(model.M) else torch.zeros(model.k, model.k, dtype=F64)
        for i in range(1, min(j, len(model.A)) + 1):
            total = total + model.A[i - 1] @ psi[j - i]
        psi.append(total)
    return torch.stack(psi)


def test_one_varma_is_three_different_networks():
    model, e = random_varma(2, 2, 1), randn(200, 3, 2)
    y = model.simulate(e)
    assert gap(y[1], e[1] + y[0] @ model.A[0].T + e[0] @ model.M[0].T) < 1e-14
    first, second, third = harvey(model), history(model), innovations_form(model).rnn_of_same_size()
    assert (first.n, second.n, third.n) == (4, 6, 4)
    for rnn in (first, second, third, innovations_form(model), innovations_form(model).rnn()):
        assert gap(rnn(e)[0], y) < 1e-12
    assert not first.D.any()
    assert not second.D.any()
    assert third.D.any()
    assert gap(first.W @ first.U, third.W @ third.U) > 0.01
    assert degree(second) == 4
    assert equivalent(first, second)
    cell, V = to_elman(first)
    assert gap(Recurrent(cell)(e)[0] @ V.T, y) < 1e-12


def test_the_history_is_what_its_state_holds():
    model, e = random_varma(2, 2, 2), randn(9, 1, 2)
    y, h = history(model)(e)
    assert gap(h[0], torch.cat((y[-1, 0], y[-2, 0], e[-1, 0], e[-2, 0]))) < 1e-13


@pytest.mark.parametrize(("p", "q"), [(0, 0), (0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize("k", [1, 2])
def test_sizes_and_outputs_of_every_order(k, p, q):
    model, e = random_varma(k, p, q), randn(40, 2, k)
    y = model.simulate(e)
    forms = harvey(model), history(model), innovations_form(model), innovations_form(model).rnn()
    sizes = k * max(p, q + 1), k * (max(p, 1) + q), k * max(p, q), k * max(p, q) + k
    for form, n in zip(forms, sizes, strict=True):
        assert form.n == n
        assert gap(form(e)[0], y) < 1e-12
    assert degree(harvey(model)) == k * max(p, q)
    # Where q > p the companion loses k dimensions, and each costs one unit more.
    assert units(harvey(model)) == k * (max(p, q) + (q > p))


def _spread(psi, n):
    """The largest over the n-th singular value of the Hankel matrix of psi."""
    if n == 0:
        return 1.0
    s = torch.linalg.svdvals(hankel(psi, n, n))
    return (s[0] / s[n - 1]).item() if s[n - 1] > 0 else math.inf


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    shape=st.sampled_from(
        [(k, p, q) for k in (1, 2, 3) for p in range(5) for q in range(5) if 0 < k * max(p, q + 1) <= 8]
    ),
    radius=st.floats(0.2, 0.97),
    seed=st.integers(0, 10**6),
)
def test_varma_to_network_to_markov_parameters(shape, radius, seed):
    torch.manual_seed(seed)
    k, p, q = shape
    model = random_varma(k, p, q, radius)
    psi = impulse(model, 30)
    # Bound on conditioning: coefficients up to 1e3 in size.
    size = psi.abs().max().item()
    assume(size < 1e3)
    form = innovations_form(model)
    for rnn in (harvey(model), history(model), form, form.rnn()):
        assert gap(rnn.markov(30), psi) < 1e-10
    # For the realisations: Hankel singular values over at most six orders of magnitude.
    n, least = form.n, k * (max(p, q) + (q > p))
    if _spread(psi[1:], n) < 1e6:
        assert gap(minimal(form).markov(30), psi) < 1e-10 * max(1, size)
        small = smallest(form)
        if _spread(torch.cat(((small.C @ small.U)[None], psi[1:])), least) < 1e6:
            assert small.n == least
            assert gap(small.markov(30), psi) < 1e-10 * max(1, size)
    if k == 1:
        assert gap(impulse(to_varma(harvey(model)), 30), psi) < 1e-10 * max(1, size)


def test_the_skip_of_arma_1_1():
    phi, theta = 0.7, 0.4
    rnn = innovations_form(VARMA([phi], [theta])).rnn_of_same_size()
    assert (rnn.n, rnn.W.item(), rnn.U.item()) == (1, phi, pytest.approx(phi + theta))
    assert (rnn.C @ rnn.U).item() == pytest.approx((phi + theta) / phi)
    assert rnn.D.item() == pytest.approx(-theta / phi)


def test_ma_1_has_degree_one_and_needs_two_units():
    model = VARMA([], [0.5])
    assert innovations_form(model).n == degree(harvey(model)) == 1
    assert harvey(model).n == units(harvey(model)) == smallest(innovations_form(model)).n == 2
    with pytest.raises(ValueError, match="F is singular, rank 0 of 1"):
        innovations_form(model).rnn_of_same_size()


def test_a_common_factor_lowers_the_degree():
    assert degree(harvey(VARMA([0.5], [-0.5]))) == 0
    assert degree(harvey(VARMA([0.9, -0.2], [-0.4]))) == 1
    assert gap(minimal(innovations_form(VARMA([0.9, -0.2], [-0.4]))).F, torch.tensor([[0.5]])) < 1e-12


@pytest.mark.parametrize("n", range(1, 9))
def test_leverrier_faddeev_is_the_characteristic_polynomial(n):
    W, identity = random_rnn(n).W, torch.eye(n, dtype=F64)
    c, B = leverrier_faddeev(W)
    assert np.abs(c.numpy() - np.poly(W.numpy())).max() < 1e-12
    assert (W @ B[-1] + c[-1] * identity).abs().max() < 1e-12
    z = 1.7
    inverse = sum(B_k * z ** (n - 1 - k) for k, B_k in enumerate(B)) / sum(
        c_i * z ** (n - i) for i, c_i in enumerate(c)
    )
    assert gap(inverse @ (z * identity - W), identity) < 1e-12


@pytest.mark.parametrize(("n", "I", "O"), [(1, 1, 1), (4, 1, 1), (5, 2, 3), (8, 2, 1)])
def test_back_from_the_network_with_and_without_a_state_to_begin_with(n, I, O):
    rnn, x, h_0 = random_rnn(n, I, O), randn(60, 3, I), randn(3, n)
    assert gap(final_form(rnn, B=3).simulate(x), rnn(x)[0]) < 1e-11
    form = final_form(rnn, h_0)
    y = rnn(x, h_0)[0]
    assert gap(form.simulate(x), y) < 1e-11
    # Without s_t the equation is wrong in the first n steps and right from t = n + 1 on.
    for t in range(n + 12):
        rest = sum(form.c[i] * y[t - i] for i in range(min(t, n) + 1))
        rest = rest - sum(x[t - j] @ form.N[j].T for j in range(min(t, n) + 1))
        assert gap(rest, form.s[t] if t < n else torch.zeros(3, O)) < 1e-11
    assert form.s.abs().amax((1, 2)).min() > 1e-6


def test_the_last_trace_of_the_beginning():
    rnn, h_0 = random_rnn(3), randn(1, 3)
    form = final_form(rnn, h_0)
    assert gap(form.s[0], h_0 @ (rnn.C @ rnn.W).T) < 1e-13
    assert gap(form.s[-1], -form.c[-1] * h_0 @ rnn.C.T) < 1e-13


def test_there_and_back_gives_the_coefficients():
    model = VARMA([0.5, -0.3], [0.4, 0.2], 2.5)
    back = to_varma(harvey(model), model.variance)
    assert back.A.flatten().tolist() == pytest.approx([0.5, -0.3, 0])
    assert back.M.flatten().tolist() == pytest.approx([0.4, 0.2])
    assert back.variance.item() == pytest.approx(2.5)
    rnn = random_rnn(4)
    other = to_varma(rnn, 0.5)
    x = randn(50, 2, 1)
    Theta = rnn.markov(1)[0]
    assert gap(other.simulate(x @ Theta.T), rnn(x)[0]) < 1e-11
    assert other.variance.item() == pytest.approx(0.5 * Theta.item() ** 2)
    assert (len(other.A), len(other.M)) == (4, 4)
    several = random_rnn(3, 2, 2)
    x = randn(50, 2, 2)
    Theta, variance = several.markov(1)[0], torch.diag(torch.tensor([0.5, 2.0], dtype=F64))
    assert gap(to_varma(several).simulate(x @ Theta.T), several(x)[0]) < 1e-10
    assert gap(to_varma(several, variance).variance, Theta @ variance @ Theta.T) < 1e-12


def test_what_has_no_varma_in_its_own_input_is_named():
    with pytest.raises(ValueError, match=r"CU \+ D must be square and invertible, got 1 by 1 .* value 0; use innov"):
        to_varma(LinearRNN([[0.5, 0.0], [1.0, 0.0]], [[1.0], [0.0]], [[0.0, 1.0]], [[0.0]]))
    with pytest.raises(ValueError, match=r"must be square and invertible, got 1 by 2 .* use innovations\.spectral"):
        to_varma(random_rnn(2, 2, 1))


def test_poles_and_zeros():
    model = VARMA([1.1, -0.3], [2.0])
    assert sorted(model.poles.real.tolist()) == pytest.approx([0.5, 0.6])
    assert model.zeros.tolist() == [-2]
    assert model.stable
    assert not model.invertible
    assert not VARMA([1.01]).stable
    assert VARMA([], [0.99]).invertible
    assert VARMA([], [0.99]).stable


def test_arma_agrees_with_statsmodels():
    A, M = [0.6, -0.4, 0.2], [0.5, 0.3]
    theirs = ArmaProcess(np.r_[1, -np.array(A)], np.r_[1, M])
    psi = harvey(VARMA(A, M)).markov(40).flatten().numpy()
    assert np.abs(psi - theirs.impulse_response(40)).max() < 1e-12
    assert np.sort(np.abs(1 / theirs.arroots)) == pytest.approx(np.sort(VARMA(A, M).poles.abs().numpy()))


def test_varma_agrees_with_statsmodels():
    model = random_varma(2, 2, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = VARMAX(np.zeros((30, 2)), order=(2, 1), trend="n")
    value = {"sqrt.var.y1": 1.0, "sqrt.cov.y1.y2": 0.0, "sqrt.var.y2": 1.0}
    for to in (0, 1):
        for of in (0, 1):
            value |= {f"L{i + 1}.y{of + 1}.y{to + 1}": model.A[i, to, of].item() for i in (0, 1)}
            value[f"L1.e(y{of + 1}).y{to + 1}"] = model.M[0, to, of].item()
    params = [value[name] for name in theirs.param_names]
    psi = history(model).markov(12)
    for shock in (0, 1):
        responses = theirs.impulse_responses(params, steps=11, impulse=shock)
        assert np.abs(np.asarray(responses) - psi[:, :, shock].numpy()).max() < 1e-12


def test_a_trained_linear_network_has_the_markov_parameters_of_the_predictor():
    model = VARMA([1.2, -0.5], [0.4])
    e = randn(400, 100, 1)
    y = model.simulate(e)[50:]
    cell = Elman(1, 2, "identity", dtype=F64)
    V = torch.nn.Parameter(randn(1, 2) * 0.5)
    with torch.no_grad():
        cell.b.zero_()
    cell.b.requires_grad_(False)
    layer = Recurrent(cell)
    optimiser = torch.optim.LBFGS([cell.W_h, cell.W_x, V], max_iter=60, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = (y[1:] - layer(y[:-1])[0] @ V.T)[20:].square().mean()
        value.backward()
        return value

    optimiser.step(loss)
    best = predictor(model)
    found = from_elman(cell, V.detach())
    assert loss().item() == pytest.approx(e[71:].square().mean().item(), rel=1e-3)
    assert gap(found.markov(6), best.markov(6)) < 0.05
    assert gap(found.W, best.W) > 0.05


def test_sunspots_as_a_network():
    data = sm.datasets.sunspots.load_pandas().data
    years, numbers = data["YEAR"].to_numpy(), data["SUNACTIVITY"].to_numpy()
    # Yule 1927 fitted 1749–1924 and found 1.34254 and −0.65504, a period of 10.6 years.
    y = numbers[(years >= 1749) & (years <= 1924)]
    y = torch.from_numpy(y - y.mean())
    columns = torch.stack((y[1:-1], y[:-2]), 1)
    A = torch.linalg.lstsq(columns, y[2:, None]).solution.flatten()
    assert A.tolist() == pytest.approx([1.343, -0.655], abs=0.01)
    model = VARMA(A.tolist())
    fit = AutoReg(y.numpy(), 2, trend="n").fit()
    assert A.tolist() == pytest.approx(fit.params.tolist())
    predicted, _ = predictor(model)(y[:, None, None])
    assert np.abs(predicted[1:-1, 0, 0].numpy() - fit.fittedvalues).max() < 1e-10
    mode = modes(harvey(model).W, dt=1.0)
    assert 1 / mode.frequency[0].item() == pytest.approx(10.6, abs=0.1)
    assert mode.tau[0].item() == pytest.approx(-2 / math.log(-A[1].item()))
    e = (y[2:] - predicted[1:-1, 0, 0])[:, None, None]
    h_0 = torch.stack((y[1], A[1] * y[0]))[None]
    assert gap(harvey(model)(e, h_0)[0][:, 0, 0], y[2:]) < 1e-9


def test_wrong_coefficients_are_named():
    with pytest.raises(ValueError, match=r"M must have shape \(q, k, k\) = \(q, 2, 2\), got \(1, 1, 1\)"):
        VARMA([torch.eye(2)], [0.5])
    with pytest.raises(ValueError, match=r"variance must have shape \(k, k\) = \(1, 1\)"):
        VARMA([0.5], [], torch.eye(2))
    with pytest.raises(ValueError, match=r"variance must be symmetric, got 0.5 at .0, 1. and 0 in its mirror"):
        VARMA([], [], [[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"e must have shape \(T, B, k\) = \(T, B, 1\)"):
        VARMA([0.5]).simulate(randn(4, 1, 2))


def test_gradients_reach_the_coefficients():
    A, M = (0.3 * randn(2, 2, 2)).requires_grad_(), (0.3 * randn(1, 2, 2)).requires_grad_()
    for form in (harvey, history, innovations_form):
        assert torch.autograd.gradcheck(lambda A, M, form=form: form(VARMA(A, M)).markov(5), (A, M))
    assert torch.autograd.gradcheck(lambda A, M: to_varma(harvey(VARMA(A, M))).M, (A, M))
