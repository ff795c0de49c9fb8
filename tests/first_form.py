"""The chapters that still stand in their first form. This list may only shrink."""

FIRST_FORM = ("bptt", "flow", "gru", "smoothing", "timescale", "varma")
