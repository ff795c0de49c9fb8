"""Recurrent layers: cells, what unrolls them, their backward passes derived by hand, and scans."""

from rnnbook.layers import recurrent, torch_nn

recurrent.KERNELS["torch"] = torch_nn
