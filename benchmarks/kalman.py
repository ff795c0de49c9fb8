"""The Kalman filter and smoother against statsmodels, filterpy, simdkalman and dynamax, on the same data in one run.

`python -m benchmarks.kalman` prints tables and writes rnnbook/records/kalman.json. Each contestant filters and
smooths every series, with the log-likelihood where it offers one, in float64; one process, one thread, CPU time,
the contestants in turn, the slow ones in three rounds only, medians. Every contestant's smoothed means are compared
with ours first. filterpy takes so long that it is given a part of the series and its time is scaled up. What is not
installed is left out and named; `make bench` installs all of them.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch

from rnnbook import records
from rnnbook.filters import kalman
from rnnbook.filters.smoother import smooth
from rnnbook.filters.statespace import StateSpace

Array = Any
Run = Callable[[Array], Array]  # (T, B, p) to smoothed means (T, B, n)

# (n, p, T) for 1000 series, and for one.
SHAPES = [(2, 1, 200), (4, 1, 200), (4, 2, 200), (8, 2, 200), (4, 1, 1000)]
ONE_SERIES = [(1, 1, 1000), (2, 1, 1000), (4, 1, 1000)]
SERIES, PART, MISSING = 1000, 20, 0.1
RIVALS = ("statsmodels", "filterpy", "simdkalman", "dynamax")


def target(n: int, rival: str, missing: bool, series: int) -> float | None:
    """The least number of times that ours must be faster than a rival."""
    if series == 1:
        return 0.5 if rival == "statsmodels" and not missing else None
    if rival == "statsmodels":
        return None if missing else 25.0
    if rival == "simdkalman" and missing:
        return 3.0 if n <= 4 else 1.0
    return 0.5 if rival == "dynamax" and not missing else None


def random_model(n: int, p: int, seed: int = 0) -> StateSpace:
    """A stable model with all its modes in view: ρ(A) = 0.95, every entry drawn."""
    draw = np.random.default_rng(seed)
    A = draw.normal(size=(n, n))
    A *= 0.95 / np.abs(np.linalg.eigvals(A)).max()
    root, noise = draw.normal(size=(n, n)), draw.normal(size=(p, p))
    Q, R = root @ root.T / n, noise @ noise.T / p + 0.5 * np.eye(p)
    given = (A, draw.normal(size=(p, n)), Q, R, np.zeros(n), np.eye(n))
    return StateSpace(*(torch.from_numpy(X.copy()) for X in given))


def measurements(model: StateSpace, T: int, B: int, missing: bool) -> Array:
    """(T, B, p) drawn from the model; with `missing`, a tenth of all measurements of all series is NaN."""
    draw = np.random.default_rng(1)
    A, C, Q, R = (X.numpy() for X in (model.A, model.C, model.Q, model.R))
    root_Q, root_R = np.linalg.cholesky(Q), np.linalg.cholesky(R)
    s, y = draw.normal(size=(B, model.n)), np.empty((T, B, model.p))
    for t in range(T):
        y[t] = s @ C.T + draw.normal(size=(B, model.p)) @ root_R.T
        s = s @ A.T + draw.normal(size=(B, model.n)) @ root_Q.T
    if missing:
        y[draw.random((T, B)) < MISSING] = np.nan
    return y


def ours(model: StateSpace) -> Run:
    def run(y: Array) -> Array:
        with torch.no_grad():
            smoothed = smooth(kalman.filter(model, torch.from_numpy(y)))
        return smoothed.m.numpy()

    return run


def with_statsmodels(model: StateSpace) -> Run:
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    def run(y: Array) -> Array:
        means = np.empty((*y.shape[:2], model.n))
        for b in range(y.shape[1]):
            # One per series: bound to other data, a smoother still gives the results of the first.
            smoother = KalmanSmoother(k_endog=model.p, k_states=model.n, k_posdef=model.n)
            smoother["design"], smoother["obs_cov"] = model.C.numpy(), model.R.numpy()
            smoother["transition"], smoother["state_cov"] = model.A.numpy(), model.Q.numpy()
            smoother["selection"] = np.eye(model.n)
            smoother.initialize_known(model.m.numpy(), model.P.numpy())
            smoother.bind(np.ascontiguousarray(y[:, b]))
            means[:, b] = smoother.smooth().smoothed_state.T
        return means

    return run


def with_filterpy(model: StateSpace) -> Run:
    KalmanFilter = import_module("filterpy.kalman").KalmanFilter
    A, C, Q, R = (X.numpy() for X in (model.A, model.C, model.Q, model.R))

    def run(y: Array) -> Array:
        means = np.empty((*y.shape[:2], model.n))
        for b in range(y.shape[1]):
            filter = KalmanFilter(dim_x=model.n, dim_z=model.p)
            filter.F, filter.H, filter.Q, filter.R = A, C, Q, R
            filter.x, filter.P = model.m.numpy()[:, None].copy(), model.P.numpy().copy()
            given = [None if np.isnan(y_t).any() else y_t[:, None] for y_t in y[:, b]]
            m, P, _, _ = filter.batch_filter(given, update_first=True)
            means[:, b] = filter.rts_smoother(m, P)[0][:, :, 0]
        return means

    return run


def with_simdkalman(model: StateSpace) -> Run:
    A, C, Q, R = (X.numpy() for X in (model.A, model.C, model.Q, model.R))
    smoother = import_module("simdkalman").KalmanFilter(A, Q, C, R)

    def run(y: Array) -> Array:
        given = np.ascontiguousarray(y.transpose(1, 0, 2))
        found = smoother.compute(
            given[:, :, 0] if model.p == 1 else given,
            0,
            initial_value=model.m.numpy(),
            initial_covariance=model.P.numpy(),
            smoothed=True,
            observations=False,
            log_likelihood=True,
        )
        means: Array = found.smoothed.states.mean.transpose(1, 0, 2)
        return means

    return run


def with_dynamax(model: StateSpace) -> Run:
    """Compiled before it is timed. It does not take missing data."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    jax, dynamax = import_module("jax"), import_module("dynamax.linear_gaussian_ssm.inference")
    jax.config.update("jax_enable_x64", True)
    given = (jax.numpy.asarray(X.numpy()) for X in (model.m, model.P, model.A, model.Q, model.C, model.R))
    parameters = dynamax.make_lgssm_params(*given)

    def one(y: Array) -> Array:
        found = dynamax.lgssm_smoother(parameters, y)
        return found.smoothed_means, found.smoothed_covariances, found.marginal_loglik

    smoothed = jax.jit(jax.vmap(one, in_axes=1))

    def run(y: Array) -> Array:
        means, *_ = jax.block_until_ready(smoothed(y))
        return np.asarray(means).transpose(1, 0, 2)

    return run


BUILD: dict[str, Callable[[StateSpace], Run]] = {
    "statsmodels": with_statsmodels,
    "filterpy": with_filterpy,
    "simdkalman": with_simdkalman,
    "dynamax": with_dynamax,
}


def present() -> list[str]:
    return [name for name in RIVALS if importlib.util.find_spec(name) is not None]


def seconds(run: Run, y: Array) -> float:
    start = time.process_time()
    run(y)
    return time.process_time() - start


def measure(shape: tuple[int, int, int], series: int, missing: bool, rounds: int) -> dict[str, Any]:
    """Milliseconds of every contestant at one shape, and how far its smoothed means are from ours."""
    n, p, T = shape
    model = random_model(n, p)
    y = measurements(model, T, series, missing)
    names = [name for name in present() if not (missing and name == "dynamax")]
    runs = {"rnnbook": ours(model), **{name: BUILD[name](model) for name in names}}
    part = {"filterpy": max(1, series // PART)}
    reference = runs["rnnbook"](y)
    gaps = {}
    for name in names:
        B = part.get(name, series)
        gaps[name] = float(np.abs(runs[name](y[:, :B]) - reference[:, :B]).max())
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds):
        for name, run in runs.items():
            if name in ("statsmodels", "filterpy") and series > 1 and round_ >= 3:
                continue
            B = part.get(name, series)
            times[name].append(seconds(run, y[:, :B]) * series / B)
    median = {name: 1e3 * statistics.median(values) for name, values in times.items()}
    return {
        "shape": {"n": n, "p": p, "T": T, "B": series},
        "missing": missing,
        "rounds": rounds,
        "milliseconds": {name: round(value, 2) for name, value in median.items()},
        "faster": {name: round(median[name] / median["rnnbook"], 2) for name in names},
        "target": {name: target(n, name, missing, series) for name in names},
        "gap": gaps,
    }


def row(result: dict[str, Any]) -> str:
    size = ",".join(str(value) for value in result["shape"].values()) + (" NaN" if result["missing"] else "")
    cells = [f"{size:<18}{result['milliseconds']['rnnbook']:>10.1f}"]
    for name in RIVALS:
        ratio, wanted = result["faster"].get(name), result["target"].get(name)
        text = "" if ratio is None else f"{ratio:.1f}" + (f" (≥{wanted:g})" if wanted else "")
        cells.append(f"{text:>16}")
    return "".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds per row; the slow ones take part in three")
    options = parser.parse_args()
    torch.set_num_threads(1)
    about = records.machine() | {name: importlib.metadata.version(name) for name in present()}
    print(json.dumps(about, indent=1))
    print(f"{'n,p,T,B':<18}{'rnnbook ms':>10}" + "".join(f"{name:>16}" for name in RIVALS))
    results = []
    for series, shapes in ((1, ONE_SERIES), (SERIES, SHAPES)):
        for missing in (False, True):
            for shape in shapes:
                rounds = options.rounds * (5 if series == 1 else 1)
                results.append(measure(shape, series, missing, rounds))
                print(row(results[-1]), flush=True)
    left_out = [name for name in RIVALS if name not in present()]
    print(records.save("kalman", {"machine": about, "left_out": left_out, "rows": results}))
    for result in results:
        for name, wanted in result["target"].items():
            if wanted is not None and result["faster"][name] < wanted:
                print("under its target:", name, row(result), file=sys.stderr)


if __name__ == "__main__":
    main()
