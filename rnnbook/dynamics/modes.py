"""Eigenmodes of h_t = W h_{t−1}: time scales, frequencies, and how much of its input a linear state remembers.

Derived in the chapter varma. W^n is a power here, never a transpose. Everything is float64.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rnnbook import _expect as expect

F64 = torch.float64
Numbers = Tensor | npt.ArrayLike


class Modes(NamedTuple):
    """One entry per eigenvalue, all (n,): the slowest first."""

    mu: Tensor
    tau: Tensor
    frequency: Tensor


def double(name: str, value: Numbers) -> Tensor:
    """`value` (a tensor, an array, numbers) as a finite float64 tensor; gradients of a tensor pass.

    Raises TypeError for what does not hold real numbers, ValueError for NaN, inf and a tensor without data.
    """
    if not isinstance(value, Tensor):
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{name} must be a tensor, an array or numbers in rows of one length") from None
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold real numbers, got {value!r:.60}")
        value = torch.tensor(array, dtype=F64)
    if value.is_complex() or value.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers, got {value.dtype}")
    if value.is_meta:
        raise ValueError(f"{name} must hold data, got a tensor on the device meta")
    return expect.finite(name, value.to(F64))


def matrix(name: str, W: Tensor) -> Tensor:
    """W: (n, n), real or complex, in double precision; TypeError or ValueError unless it is square and finite."""
    if isinstance(W, Tensor) and W.is_complex():
        expect.finite(name, expect.square(name, W.real) + W.imag)
        return W.to(torch.complex128)
    return expect.square(name, W).to(F64)


def eigenvalues(name: str, W: Tensor) -> Tensor:
    """The eigenvalues of W: (n, n), complex (n,). The one way to LAPACK's, which ends the process on a NaN."""
    values: Tensor = torch.linalg.eigvals(matrix(name, W))
    return values


def spectral_radius(W: Tensor, name: str = "W") -> float:
    """ρ(W) = max |μ_i|, for W: (n, n), real or complex; 0 where n = 0.

    Raises TypeError and ValueError for what is not a square matrix of finite numbers.
    """
    return max(eigenvalues(name, W.detach() if isinstance(W, Tensor) else W).abs().tolist(), default=0.0)


def largest(roots: Tensor) -> str:
    """The root of largest modulus as an error message writes it: 1.02, or 0.3+0.9j."""
    z = complex(roots[roots.abs().argmax()].item())
    return f"{z.real:.6g}" if abs(z.imag) < 1e-12 else f"{z.real:.6g}{z.imag:+.6g}j"


def require_stable(letter: str, W: Tensor) -> None:
    """ValueError that names the spectral radius and the pole unless every |μ_i| of W is below 1."""
    radius = spectral_radius(W, letter)
    if not radius < 1:
        pole = largest(eigenvalues(letter, W.detach()))
        raise ValueError(f"{letter} must have a spectral radius below 1, got {radius:.6g} (pole {pole})")


def modes(W: Numbers, dt: float = 1.0) -> Modes:
    """The eigenvalues μ_i of W: (n, n), with τ_i = −Δt / ln|μ_i| and the frequency |arg μ_i| / (2πΔt).

    dt: the duration Δt of a step in seconds; τ is then in seconds and the frequency in hertz. A mode decays as
    e^{−t/τ}: τ is 0 for μ = 0, infinite for |μ| = 1, and negative for a mode that grows, where −τ is its
    time of growth by e. The two of a complex pair share one frequency. Where W lacks eigenvectors, powers of t
    multiply the exponentials, which these numbers do not show.
    Raises TypeError and ValueError for a W that is not square, real and finite, and a dt that is not positive.
    """
    dt = expect.number("dt", dt, above=0)
    mu = eigenvalues("W", double("W", W))
    mu = mu[mu.abs().argsort(descending=True, stable=True)]
    # 0 − 0 is +0: the undamped mode has τ = +∞.
    return Modes(mu, dt / (0 - mu.abs().log()), mu.angle().abs() / (2 * torch.pi * dt))


def _square_root(W: Tensor, U: Tensor) -> Tensor:
    """R: (n, n) with R'R = Σ_k W^k U U' W'^k, by doubling the number of terms through QR decompositions.

    The small singular values of R keep the precision that those of the sum, their squares, would lose.
    """
    R: Tensor = torch.linalg.qr(torch.cat((U.T, U.new_zeros(W.shape)))).R
    power = W
    # Each state is held to its own size: its unit may be another than its neighbour's.
    while bool(((R @ power.T).abs().amax(0) > 1e-17 * R.abs().amax(0)).any()):
        R = torch.linalg.qr(torch.cat((R, R @ power.T))).R
        power = power @ power
    return R


def memory_capacity(W: Numbers, U: Numbers, delays: int) -> Tensor:
    """MC_k = tr (W^k U)' Σ_h⁻¹ (W^k U), Σ_h = Σ_k W^k U U' W'^k, for the delays k = 0..delays−1: (delays,).

    W: (n, n), U: (n, I). MC_k is the share of the variance of x_{t−k} that the best linear read-out of h_t
    explains for white x, summed over the I inputs. Over all k the sum is the rank of Σ_h, at most n, and n if
    the input reaches every unit. Directions of Σ_h that rounding has lost are left out.
    Raises ValueError for an unstable W, whose state has no stationary covariance Σ_h; TypeError and ValueError
    for what does not fit.
    Source: Jaeger 2002, Short term memory in echo state networks.
    """
    W, U = expect.square("W", double("W", W)), double("U", U)
    n = len(W)
    expect.tensor("U", U, [("n", n), ("I", None)], like=W)
    delays = expect.positive("delays", delays)
    require_stable("W", W)
    blocks = [U.T]
    for _ in range(delays - 1):
        blocks.append(blocks[-1] @ W.T)
    # The rows are the states after each impulse, then all later ones in n rows. Their left singular vectors give
    # the shares without Σ_h, whose condition is the square of theirs.
    later = _square_root(W, U) @ torch.linalg.matrix_power(W.T, delays)
    states = torch.cat((*blocks, later))
    # The shares do not depend on the states' units, so neither may the rank: every state gets a unit of its own.
    size = torch.linalg.vector_norm(states, dim=0)
    left, s, _ = torch.linalg.svd(states / torch.where(size > 0, size, 1), full_matrices=False)
    kept = s > 10 * n * torch.finfo(F64).eps * s.max()
    shares: Tensor = left[: delays * U.shape[1], kept].square().sum(1)
    return shares.reshape(delays, -1).sum(1)
