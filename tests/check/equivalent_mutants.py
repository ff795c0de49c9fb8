"""Mutants that are no mistakes: for each exercise, the change and why it changes nothing.

`pytest tests/test_exercises.py` prints the changes in the form in which they stand here.
"""

EQUIVALENT: dict[str, dict[str, str]] = {
    "why-3": {
        "h = np.zeros((x.shape[1], len(b))) -> h = np.zeros((x.shape[1], len(W_x)))": "b and W_x have H rows",
    },
    "forward-6": {
        "return ((o.squeeze(axis=2) - y.T) ** 2).mean(axis=1)"
        " -> return ((y.T - o.squeeze(axis=2)) ** 2).mean(axis=1)": "(a - b)² = (b - a)²",
    },
    "varma-2": {
        "if abs(m) < 1: -> if abs(m) <= 1:": "m = ±1 is its own inverse, and m² = 1",
    },
    "gru-1": {
        "return tuple(converted) -> return converted": "a list of three arrays is as good as a tuple",
    },
    "gru-4": {
        "for a_t, b_t in zip(a, b, strict=True): -> for a_t, b_t in zip(a, b):": "both have T rows",
        "for a_t, b_t in zip(a, b, strict=True): -> for a_t, b_t in zip(a, b, strict=False):": "both have T rows",
    },
    "lstm-2": {
        "if np.allclose(h, np.tanh(c)): -> if np.allclose(np.tanh(c), h):": "equality has no order",
        "if np.allclose(c, c_old + i * g): -> if np.allclose(c_old + i * g, c):": "equality has no order",
        "if np.allclose(c, f * c_old + g): -> if np.allclose(f * c_old + g, c):": "equality has no order",
    },
    "lstm-6": {
        "W_x = np.array([[0, -1.0], [1.0, 1.0]]) -> W_x = np.array([[0, -2.0], [1.0, 1.0]])": "erases as well",
    },
    "craft-2": {
        "share = c / norm if norm > c else 1.0 -> share = c / norm if norm >= c else 1.0": "c / c = 1",
    },
    "craft-5": {
        "return np.array([whole @ part / size(whole) / size(part) for part in (window, chunks)])"
        " -> return np.array([part @ whole / size(whole) / size(part) for part in (window, chunks)])": "u·v = v·u",
    },
    "flow-3": {
        "if radius > 1: -> if radius >= 1:": "the task excludes a spectral radius of 1",
    },
    "memory-2": {
        "return max(free // per_step, 0) -> return max(0, free // per_step)": "the larger of two has no order",
        "per_step = 4 * B * (I + n * H + max(H, 3 * O))"
        " -> per_step = 4 * B * (I + n * H + max(3 * O, H))": "the larger of two has no order",
    },
}
