"""Powers of one matrix: what its eigenvalues say, and what they hide where its eigenvectors are not orthogonal.

Derived in the chapter flow. Gelfand's limit, Henrici's distance from normality, transient growth, the Kreiss
constant, and the step size at which Euler's method is stable. All norms are spectral norms.
"""

import math
from numbers import Number

import torch
from torch import Tensor

from rnnbook import _expect as expect
from rnnbook.dynamics.modes import eigenvalues, matrix, spectral_radius

LONGEST = 100_000  # powers that `transient_peak` tries; 100 000 steps suffice up to a spectral radius near 0.9999
CELLS = 200_000  # rectangles that `kreiss` looks at before it gives up


def power_norms(W: Tensor, n: int) -> Tensor:
    """‖W^k‖ for k = 0..n: (n+1,), in float64."""
    return _log_power_norms(W, n).exp()


def gelfand(W: Tensor, n: int) -> Tensor:
    """‖W^k‖^{1/k} for k = 1..n: (n,), in float64; it tends to ρ(W), and is nowhere below it.

    Computed from logarithms, so that no power overflows or is lost. Source: Gelfand 1941, Normierte Ringe.
    """
    logs = _log_power_norms(W, expect.positive("n", n))[1:]
    return (logs / torch.arange(1, n + 1, dtype=logs.dtype, device=logs.device)).exp()


def _log_power_norms(W: Tensor, n: int) -> Tensor:
    """log ‖W^k‖ for k = 0..n, −∞ from where the power is zero."""
    W = _filled("W", W)
    n = expect.whole("n", n)
    unit = float(W.abs().max())  # W may be so large that its square is beyond all numbers
    if unit > 0:
        W = W / unit
    logs = torch.full((n + 1,), -math.inf, dtype=torch.float64, device=W.device)
    logs[0], scale = 0.0, 0.0
    power = torch.eye(len(W), dtype=W.dtype, device=W.device)
    for k in range(1, n + 1):
        power = W @ power
        norm = float(torch.linalg.matrix_norm(power, 2))
        if norm == 0:
            break
        scale += math.log(norm) + math.log(unit)
        power = power / norm
        logs[k] = scale
    return logs


def transient_peak(W: Tensor) -> tuple[int, float]:
    """(n, ‖W^n‖) where ‖W^n‖, n = 0, 1, …, is largest; the first such n.

    Once ‖W^m‖ < 1 no later power exceeds all of the first m, for ‖W^{m+j}‖ ≤ ‖W^m‖ ‖W^j‖: the peak is found
    for certain. A normal W with ρ < 1 has (0, 1). Raises ValueError where ρ(W) ≥ 1, since then no power is
    below 1, and where LONGEST powers are too few; `power_norms` gives as many as are asked for.
    """
    W = _filled("W", W)
    rho = spectral_radius(W)
    if rho >= 1:
        raise ValueError(f"W must have a spectral radius below 1 for its powers to have a peak, got {rho:.6g}")
    best, where = 1.0, 0
    power = torch.eye(len(W), dtype=W.dtype, device=W.device)
    for n in range(1, LONGEST + 1):
        power = expect.finite("the power of W", W @ power)
        norm = float(torch.linalg.matrix_norm(power, 2))
        if norm < 1:
            return where, best
        if norm > best:
            best, where = norm, n
    raise ValueError(f"the first {LONGEST} powers of W stay above 1, its spectral radius is {rho:.6g}; use power_norms")


def henrici(W: Tensor) -> float:
    """Distance from normality √(‖W‖_F² − Σ |λ|²): the Frobenius norm of the strict upper part of a Schur form of W.

    0 for normal matrices and only for them; as a difference it is accurate to about 1e-8 ‖W‖_F.
    Source: Henrici 1962, Bounds for iterates, inverses, spectral variation and fields of values of non-normal
    matrices.
    """
    W = _filled("W", W)
    unit = float(W.abs().max()) or 1.0  # the squares of very small and very large entries are beyond all numbers
    squares = eigenvalues("W", W / unit).abs().square().sum()
    return unit * math.sqrt(max(0.0, float((W / unit).abs().square().sum() - squares)))


def kreiss(W: Tensor, *, tolerance: float = 0.05) -> float:
    """The Kreiss constant K = sup_{|z|>1} (|z| − 1) ‖(zI − W)^{−1}‖, of W: (n, n).

    K ≤ sup_n ‖W^n‖ ≤ e n K with n the size of W (Kreiss's matrix theorem): it measures how far powers rise
    before they fall. K = 1 where ‖W‖ ≤ 1, and ∞ where ρ(W) > 1.

    With z = e^{iθ}/s it is the largest f(s, θ) = (1 − s) ‖(e^{iθ}I − sW)^{−1}‖, 0 ≤ s ≤ 1. This rectangle is
    divided until no part can hold a value above (1 + tolerance) times the largest one found, which is then
    refined to ten digits. So the result is never too large, and exact unless another peak within the tolerance
    is higher. Raises ValueError for a tolerance outside 0..1 and where W is too close to an
    unstable matrix for the search to end.
    Source: Kreiss 1962, Über die Stabilitätsdefinition für Differenzengleichungen die partielle
    Differentialgleichungen approximieren; Trefethen & Embree 2005, Spectra and pseudospectra.
    """
    tolerance = expect.number("tolerance", tolerance)
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be within 0 < tolerance < 1, got {tolerance}")
    W = _filled("W", W)
    if float(torch.linalg.matrix_norm(W, 2)) <= 1 + 1e-12:
        return 1.0
    rho = spectral_radius(W)
    if rho > 1:
        return math.inf
    # A real W has the same values at θ and −θ, so that 0 ≤ θ ≤ π is enough.
    half = torch.tensor([0.5, math.pi if W.is_complex() else math.pi / 2], dtype=torch.float64, device=W.device)
    signs = torch.tensor([-1.0, 1.0], dtype=half.dtype, device=W.device)
    corners = torch.cartesian_prod(signs, signs)
    middle, best, at, width, seen = half[None], 1.0, half, half, 0
    while len(middle) > 0:
        seen += len(middle)
        if seen > CELLS:
            raise ValueError(
                f"the search for K does not end: W, with spectral radius {rho:.9g}, is too close to an unstable "
                "matrix; a larger tolerance may help"
            )
        values, ceilings = _values_and_ceilings(W, middle, half)
        if float(values.max()) > best:
            best, at, width = float(values.max()), middle[values.argmax()], half
        half = half / 2
        middle = (middle[ceilings > (1 + tolerance) * best, None] + corners * half).flatten(0, 1)
    return max(best, _refine(W, at, width))


def _pencil(W: Tensor, points: Tensor) -> Tensor:
    """M = e^{iθ}I − sW at the points (s, θ): (k, n, n)."""
    z = torch.polar(torch.ones_like(points[:, 1]), points[:, 1])[:, None, None]
    return z * torch.eye(len(W), dtype=z.dtype, device=W.device) - points[:, :1, None] * W


def _values_and_ceilings(W: Tensor, middle: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """f in the middle of rectangles of (s, θ), and a bound of f in the whole of each: (k,), (k,).

    Near s = 0 the bound is Weyl's: σ_min(M) changes by at most |Δθ| + ‖W‖ |Δs|. Else, for |z − z_0| ≤ d and
    R = (z_0 I − W)^{−1}, Neumann's series in groups of m terms:
    ‖(zI − W)^{−1}‖ ≤ Σ_{k<m} d^k ‖R^{k+1}‖/(1 − d^m ‖R^m‖),
    which is close also where W is so far from normal that ‖R^m‖ is far below ‖R‖^m.
    """
    s, largest = middle[:, 0], 1 - middle[:, 0] + half[0]
    low = s - half[0]
    d = (half[0] / low + half[1]) / s
    parts = torch.split(middle, max(1, 2**18 // W.numel()))
    norms = torch.cat([_norms_of_powers(part[:, :1, None] * torch.linalg.inv(_pencil(W, part))) for part in parts])
    m = norms.shape[1]
    least = s / norms[:, 0] - half[1] - torch.linalg.matrix_norm(W, 2) * half[0]
    weyl = torch.where(least > 0, largest / least, math.inf)
    series = (norms * d[:, None] ** torch.arange(m, device=W.device)).sum(1)
    rest = 1 - d**m * norms[:, -1]
    neumann = torch.where((low > 0) & (rest > 0), largest / low * series / rest, math.inf)
    return (1 - s) / s * norms[:, 0], torch.minimum(weyl, neumann)


def _norms_of_powers(R: Tensor) -> Tensor:
    """‖R‖, ‖R²‖, …, ‖R^m‖, m = 2..8: (k, m); from the third on Frobenius norms, which are no less and cheap."""
    power = R @ R
    norms = [torch.linalg.matrix_norm(R, 2), torch.linalg.matrix_norm(power, 2)]
    for _ in range(2, min(8, R.shape[-1])):
        power = power @ R
        norms.append(torch.linalg.matrix_norm(power))
    return torch.stack(norms, 1)


def _refine(W: Tensor, at: Tensor, half: Tensor) -> float:
    """The largest f near a point (s, θ): a grid of 5 × 5 around the best so far, ever finer."""
    ticks = torch.linspace(-1, 1, 5, dtype=half.dtype, device=half.device)
    grid, best = torch.cartesian_prod(ticks, ticks), 1.0
    for _ in range(60):
        points = at + grid * half
        points[:, 0] = points[:, 0].clamp(0, 1)
        values = (1 - points[:, 0]) / torch.linalg.svdvals(_pencil(W, points))[:, -1]
        best, at = max(best, float(values.max())), points[values.argmax()]
        half = half * 0.6
    return best


def euler_limit(A: Tensor | complex) -> float:
    """The step Δt below which Euler's h_{n+1} = h_n + Δt A h_n decays: min over λ of −2 Re λ/|λ|².

    |1 + Δt λ| < 1 for every eigenvalue λ of A, for 0 < Δt < limit, in the time unit of A. 0 where some
    Re λ ≥ 0: then no step is small enough, and for Re λ = 0 the method grows though h' = Ah does not.
    A: (n, n), or one number λ.
    """
    if not isinstance(A, Tensor):
        if isinstance(A, bool) or not isinstance(A, Number):
            raise TypeError(f"A must be a torch.Tensor or one number, got {type(A).__name__}")
        A = torch.tensor([[complex(A)]], dtype=torch.complex128)
    rates = eigenvalues("A", _filled("A", A))
    if bool((rates.real >= 0).any()):
        return 0.0
    # A unit keeps |λ|² within the numbers there are.
    unit = rates.abs().max()
    rates = rates / unit
    return float((-2 * rates.real / rates.abs().square()).min() / unit)


def _filled(name: str, W: Tensor) -> Tensor:
    """W in double precision, if it is a finite square matrix of at least one row."""
    W = matrix(name, W)
    if len(W) == 0:
        raise ValueError(f"{name} must have at least one row, got none")
    return W.detach()
