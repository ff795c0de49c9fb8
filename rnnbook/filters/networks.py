"""Filters and smoothers as linear recurrent networks, with weights that are known. Derived in the chapter smoothing.

Once the start is forgotten a Kalman filter is an Elman network without its tanh, and a smoother is a
bidirectional one with a skip. Constant weights are exact in the steady state only: near the ends of a series
the optimal gains still change.
"""

import torch
from torch import Tensor, nn

from rnnbook import _expect as expect
from rnnbook.filters.statespace import StateSpace
from rnnbook.filters.steady import require_definite, steady
from rnnbook.layers.cells import Elman
from rnnbook.layers.recurrent import Bidirectional, Recurrent
from rnnbook.linear.realisation import Delayed, degree


def filter_network(model: StateSpace) -> Recurrent:
    """The steady-state filter: h_t = (I − KC) A h_{t−1} + K y_t is the mean of s_t given y_1..y_t.

    A linear `Recurrent` with n units, from (T, B, p) to (T, B, n); begin it at h_0 = the mean of s_0.
    Raises ValueError where the model has no steady state.
    """
    found = steady(model)
    keep = torch.eye(model.n).to(model.A) - found.K @ model.C
    return _linear(keep @ model.A, found.K)


class SmootherNetwork(nn.Module):
    """m_t = V [h→_t, h←_t] + D x_t with two linear recurrent layers; without a skip, D = 0.

    `network(y)` maps (T, B, p) to (T, B, n).
    """

    def __init__(self, layers: Bidirectional, V: Tensor, D: Tensor) -> None:
        super().__init__()
        self.layers, self.V, self.D = layers, nn.Parameter(V), nn.Parameter(D)

    def forward(self, y: Tensor) -> Tensor:
        h, _ = self.layers(y)
        m: Tensor = h @ self.V.T + y @ self.D.T
        return m


def smoother_network(model: StateSpace, skip: bool = True) -> SmootherNetwork:
    """The steady-state smoother, exact in the interior of a long series: n + n units and a skip, or 2n + 2n without.

    h→ is the filter. h← is what y_T..y_t tell of s_t, in information form. Both contain y_t, which must count
    once: with a skip it is subtracted, and without one n further units hold what h← was before y_t.
    For one state the two have the same pole λ, and the estimate is Σ_k (P_s/r) λ^|k| y_{t+k}.
    Raises ValueError where the model has no steady state or R is singular.
    """
    expect.flag("skip", skip)
    found = steady(model)
    n, p = model.n, model.p
    eye = torch.eye(n).to(model.A)
    require_definite("R", model.R, "its inverse is what a measurement from the future tells; make R larger")
    # In units of the measurements' own noise, so that one that is far louder costs no digits.
    loud = model.R.diagonal().sqrt()
    read = torch.linalg.solve(model.R / loud[:, None] / loud, model.C / loud[:, None]).T / loud
    inclusive = found.information + read @ model.C
    back = torch.linalg.solve(eye + model.Q @ inclusive, model.A).T
    join = torch.linalg.inv(eye + found.P_f @ found.information)
    ahead = filter_network(model)
    if skip:
        layers = Bidirectional(ahead, _linear(back, read))
        V = torch.cat((join, join @ found.P_f), 1)
        return SmootherNetwork(layers, V, -join @ found.P_f @ read)
    zeros = torch.zeros_like(eye)
    W_h = torch.cat((torch.cat((back, zeros), 1), torch.cat((back, zeros), 1)))
    W_x = torch.cat((read, torch.zeros_like(read)))
    assert isinstance(ahead.cell, Elman)
    W_h_ahead = torch.cat((torch.cat((ahead.cell.W_h.detach(), zeros), 1), torch.cat((zeros, zeros), 1)))
    W_x_ahead = torch.cat((ahead.cell.W_x.detach(), torch.zeros_like(read)))
    layers = Bidirectional(_linear(W_h_ahead, W_x_ahead), _linear(W_h, W_x))
    V = torch.cat((join, zeros, zeros, join @ found.P_f), 1)
    return SmootherNetwork(layers, V, V.new_zeros(n, p))


def _linear(W_h: Tensor, W_x: Tensor) -> Recurrent:
    return Recurrent(Elman.from_weights(W_x, W_h, phi="identity"))


def units(model: StateSpace, tolerance: float = 1e-8) -> int:
    """How many linear units a network needs to predict y_{t+1} as the steady-state filter of this model does.

    The predictor is z_{t+1} = A (I − KC) z_t + A K y_t, ŷ_t = C z_t, and this is its McMillan degree: what can be
    reached from y and seen in ŷ. Parts of the state that no noise moves, or that C never sees, cost nothing.
    Singular values below `tolerance` of the largest count as zero. Raises ValueError where there is no steady state.
    """
    found = steady(model)
    F, G, H = (X.double() for X in (found.closed, model.A @ found.K, model.C))
    return degree(Delayed(F, G, H, H.new_zeros(model.p, model.p)), tolerance)
