"""Models, data and exact answers that the tests of filters and smoothers share."""

from dataclasses import replace

import torch
from drawn import F64

from rnnbook.filters.statespace import StateSpace, autoregression


def random_model(n, p, seed=0, radius=0.95):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=F64)

    A = normal(n, n)
    A = A * radius / torch.linalg.eigvals(A).abs().max()
    root, noise, prior = normal(n, n), normal(p, p), normal(n, n)
    Q, R, P = root @ root.T / n, noise @ noise.T + 0.3 * torch.eye(p), prior @ prior.T + 0.1 * torch.eye(n)
    return StateSpace(A, normal(p, n), Q, R, normal(n), P)


def varying_model(n, p, T, B):
    """Every matrix varies in time; Q and R by series too, as do m and P."""
    several = [random_model(n, p, seed) for seed in range(T)]
    A, C, Q, R = (torch.stack([getattr(one, name) for one in several]) for name in "ACQR")
    scale = torch.linspace(0.5, 2, B, dtype=F64)[None, :, None, None]
    m = torch.stack([one.m for one in several])[:B]
    P = torch.stack([one.P for one in several])[:B]
    return StateSpace(A, C, Q[:, None] * scale, R[:, None] * scale, m, P)


def alone(model, t, b):
    """A_t, C_t, Q_t and R_t of one series."""

    def pick(X):
        if X.dim() == 2:
            return X
        if X.dim() == 3:
            return X[t if X.shape[0] > 1 else 0]
        return X[t if X.shape[0] > 1 else 0, b if X.shape[1] > 1 else 0]

    return [pick(getattr(model, name)) for name in "ACQR"]


def data(T, B, p, missing="none", seed=1):
    draw = torch.Generator().manual_seed(seed)
    y = torch.randn(T, B, p, generator=draw, dtype=F64)
    if missing == "anywhere":
        y[torch.rand(T, B, p, generator=draw) < 0.3] = torch.nan
    elif missing == "together":
        y[2:4] = torch.nan
        y[5, :, 0] = torch.nan
    elif missing == "in groups":
        y[2:4, ::2] = torch.nan
        y[5, 1::2, 0] = torch.nan
    return y


def conditioned(model, y, b):
    """By conditioning one large Gaussian: smoothed means, covariances, lag-one covariances, log-likelihood.

    y: (T, p) of series b. This is the definition; it knows no recursion.
    """
    T, p = y.shape
    n = model.n
    m = model.m if model.m.dim() == 1 else model.m[b]
    P = model.P if model.P.dim() == 2 else model.P[b]
    means, cov = [m], torch.zeros(T, T, n, n, dtype=F64)
    H, noise = torch.zeros(T * p, T * n, dtype=F64), torch.zeros(T * p, T * p, dtype=F64)
    for t in range(T):
        A, C, Q, R = alone(model, t, b)
        if t == 0:
            cov[0, 0] = P
        else:
            means.append(A @ means[-1])
            cov[t, :t] = A @ cov[t - 1, :t]
            cov[:t, t] = cov[t, :t].mT
            cov[t, t] = A @ cov[t - 1, t - 1] @ A.T + Q
        H[t * p : (t + 1) * p, t * n : (t + 1) * n] = C
        noise[t * p : (t + 1) * p, t * p : (t + 1) * p] = R
    mean = torch.cat(means)
    joint = cov.permute(0, 2, 1, 3).reshape(T * n, T * n)
    seen = ~y.flatten().isnan()
    H, noise, told = H[seen], noise[seen][:, seen], y.flatten()[seen]
    S = H @ joint @ H.T + noise
    gain = torch.linalg.solve(S, H @ joint).T
    e = told - H @ mean
    after = (joint - gain @ H @ joint).view(T, n, T, n).permute(0, 2, 1, 3)
    log_p = -0.5 * (e @ torch.linalg.solve(S, e) + torch.logdet(2 * torch.pi * S)) if len(e) > 0 else 0 * e.sum()
    t = torch.arange(T)
    return (mean + gain @ e).view(T, n), after[t, t], after[t[1:], t[:-1]], log_p


def cut(model, T):
    """The model of the first T steps."""
    own = {name: getattr(model, name) for name in "ACQR"}
    return replace(model, **{name: X[:T] for name, X in own.items() if X.dim() > 2 and X.shape[0] > 1})


def one_state(a, q, r):
    return autoregression(float(a), q, r, P=1.0)


def integrator(n, k):
    """White noise of variance k, summed n times, in noise of variance 1."""
    A = torch.eye(n, dtype=F64) + torch.diag(torch.ones(n - 1, dtype=F64), 1)
    C, Q = torch.zeros(1, n, dtype=F64), torch.zeros(n, n, dtype=F64)
    C[0, 0], Q[-1, -1] = 1, k
    return StateSpace(A, C, Q, torch.eye(1, dtype=F64), torch.zeros(n, dtype=F64), torch.eye(n, dtype=F64))


def in_units(model, states, outputs):
    """The model with state i counted in units of 1/states[i], measurement j in units of 1/outputs[j]."""
    x, y = states[:, None], outputs[:, None]
    return StateSpace(
        x * model.A / states,
        y * model.C / states,
        x * model.Q * states,
        y * model.R * outputs,
        model.m * states,
        x * model.P * states,
    )
