"""How the numbers of an explorable travel: sixteen bits each, and text that is safe inside HTML."""

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.uint16]

STEPS = 65532  # of a series' range; the three codes above it say what no number says
BELOW, ABOVE, MISSING = 65533, 65534, 65535


def quantise(values: Array, low: float, high: float) -> Codes:
    """Sixteen-bit codes of values: low + code · (high − low) / STEPS is the value within half a quantum.

    Values under low and over high become BELOW and ABOVE, NaN becomes MISSING.
    """
    with np.errstate(invalid="ignore"):
        codes = np.rint((values - low) / (high - low) * STEPS)
    codes = np.where(values < low, BELOW, codes)
    codes = np.where(values > high, ABOVE, codes)
    return np.where(np.isnan(values), MISSING, codes).astype(np.uint16)


def restore(codes: Codes, low: float, high: float) -> Array:
    """The values of codes; −∞ and ∞ for BELOW and ABOVE, NaN for MISSING."""
    values = low + codes.astype(float) * (high - low) / STEPS
    for code, value in ((BELOW, -np.inf), (ABOVE, np.inf), (MISSING, np.nan)):
        values[codes == code] = value
    return values


def packed(codes: Codes) -> str:
    """Codes as base64 text, least significant byte first."""
    return base64.b64encode(codes.astype("<u2").tobytes()).decode("ascii")


def unpacked(text: str) -> Codes:
    """The codes in a text that `packed` made."""
    return np.frombuffer(base64.b64decode(text), dtype="<u2").astype(np.uint16)


def safe_json(value: Any) -> str:
    """JSON that can stand in a <script> element: no character in it ends or begins anything in HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
