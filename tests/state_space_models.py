"""Models, data and exact answers that the tests of filters and smoothers share."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from drawn import F64
from statsmodels.api import datasets
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

from rnnbook.filters.statespace import StateSpace, autoregression

MISSING = ["none", "anywhere", "together", "in groups"]
NILE = torch.from_numpy(datasets.nile.load_pandas().data["volume"].to_numpy().astype(float).copy())[:, None, None]
PUBLISHED = {"q": 1469.1, "r": 15099.0}  # Durbin & Koopman 2012, section 2.10


def nile(missing):
    y = NILE.clone()
    if missing:
        y[20:40] = y[60:80] = torch.nan
    return y


def with_statsmodels(model, y):
    """Of one series (T, p): the results of statsmodels without its shortcut to the steady state."""
    theirs = KalmanSmoother(k_endog=model.p, k_states=model.n, k_posdef=model.n, tolerance=0)
    theirs["design"], theirs["obs_cov"] = model.C.numpy(), model.R.numpy()
    theirs["transition"], theirs["state_cov"] = model.A.numpy(), model.Q.numpy()
    theirs["selection"] = np.eye(model.n)
    theirs.initialize_known(model.m.numpy(), model.P.numpy())
    theirs.bind(np.ascontiguousarray(y.numpy()))
    return theirs.smooth()


E1 = torch.eye(1, dtype=F64)
GOOD = {"A": E1, "C": E1, "Q": E1, "R": E1, "m": torch.zeros(1, dtype=F64), "P": E1}


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


def trend(step, q, P, dtype=F64):
    """A straight line whose level and slope are kicked with variance q; P: the variance of both at the start."""
    eye = torch.eye(2, dtype=dtype)
    A = torch.tensor([[1.0, step], [0.0, 1.0]], dtype=dtype)
    return StateSpace(A, eye[:1], q * eye, torch.ones(1, 1, dtype=dtype), torch.zeros(2, dtype=dtype), P * eye)


def hard_models(seed, B, n, p, dtype=F64, T=12):
    """B models with priors from 1e-6 to 1e12, Q and P of any rank, and y with gaps, up to three steps of them first.

    In float32 as in float64 Q and P are turned: what makes them singular are whole numbers, which rounding spares.
    """
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=F64)

    def chance(*shape):
        return torch.rand(*shape, generator=draw, dtype=F64)

    def covariance(share, least, most, *shape):
        root = normal(*shape, n, n) if dtype == F64 else torch.randint(-9, 10, (*shape, n, n), generator=draw).to(F64)
        root = root * (chance(*shape, 1, n) < share)
        size = 10 ** (least + (most - least) * chance(*shape, 1, 1))
        return (root @ root.mT + (root @ root.mT).mT) * 2.0 ** size.log2().round()

    R = normal(1, B, p, p)
    R = (R @ R.mT + (R @ R.mT).mT) / 2 + 0.1 * torch.eye(p, dtype=F64)
    A, C = 0.7 * normal(1, B, n, n), normal(1, B, p, n)
    given = (A, C, covariance(0.7, -2, 2, 1, B), R, normal(B, n), covariance(0.8, -6, 12, B))
    y = normal(T, B, p)
    y[chance(T, B, p) < 0.3] = torch.nan
    silent = torch.randint(0, 4, (B,), generator=draw)
    for t in range(3):
        y[t, silent > t] = torch.nan
    return StateSpace(*(X.to(dtype) for X in given)), y.to(dtype)


def model_of(model, b):
    """The constant model of one of many series."""
    own = {name: getattr(model, name)[0, b] for name in "ACQR"}
    return StateSpace(**own, m=model.m[b], P=model.P[b])


def least_eigenvalues(P):
    """The smallest eigenvalue of each covariance (..., n, n), scaled to a unit diagonal; below 0 if a variance is."""
    P = P.double()
    variances = P.diagonal(dim1=-2, dim2=-1)
    size = torch.where(variances > 0, variances, 1.0).sqrt()
    unit = P / size[..., None] / size[..., None, :]
    return torch.minimum(torch.linalg.eigvalsh((unit + unit.mT) / 2)[..., 0], variances.amin(-1))


def rescaled(model, y, D, E):
    """The same model and data with the states in other units, D s, and the measurements, E y."""
    A, C = D[:, None] * model.A / D, E[:, None] * model.C / D
    Q, R, P = (u[:, None] * X * u for u, X in ((D, model.Q), (E, model.R), (D, model.P)))
    return StateSpace(A, C, Q, R, D * model.m, P), E * y


def exactly(model, y):
    """Smoothed means (T, n) and covariances (T, n, n) of one series (T,), p = 1, by conditioning in exact fractions."""

    def exact(X):
        return np.vectorize(Fraction, otypes=[object])(X.numpy())

    A, C, Q, R, mean, P = (exact(getattr(model, name)) for name in "ACQRmP")
    n, T = model.n, len(y)
    Z = np.full((n, n), Fraction(0))
    means, cov = [mean], [[P]]
    for _ in range(1, T):
        means.append(A @ means[-1])
        cov.append([A @ X for X in cov[-1]] + [A @ cov[-1][-1] @ A.T + Q])
    cov = np.block([[cov[t][u] if u <= t else cov[u][t].T for u in range(T)] for t in range(T)])
    mean = np.concatenate(means)
    for t in range(T):  # one measurement after the other
        if not torch.isnan(y[t]):
            row = np.concatenate([C[0] if u == t else Z[0] for u in range(T)])
            told = cov @ row
            S = row @ told + R[0, 0]
            mean = mean + told * ((Fraction(y[t].item()) - row @ mean) / S)
            cov = cov - np.outer(told, told) / S
    m, P = (torch.from_numpy(X.astype(float)) for X in (mean, cov))
    t = torch.arange(T)
    return m.view(T, n), P.view(T, n, T, n).permute(0, 2, 1, 3)[t, t]
