"""Predict, then see: what a reader commits to before the figure shows it.

Explorer(..., guess=Guess(
    ("How high does the norm rise?", "范数会升到多高？"),
    Slider(("your guess", "你的猜测"), np.arange(1, 11)),
    truth="largest", hides=("norm", "largest"), mark="y",
))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rnnbook.explore import controls, words
from rnnbook.explore.controls import Choice, Control, Slider
from rnnbook.explore.scale import Scale
from rnnbook.explore.words import Text

# What the script says: on its two buttons, in place of the alternative text, before guess, truth and difference.
WORDS: tuple[Text, ...] = (
    ("See the result", "看结果"),
    ("Just show me", "直接看"),
    ("Part of the figure appears after your guess.", "猜过之后，图的其余部分才会出现。"),
    ("Your guess", "你的猜测"),
    ("In truth", "实际"),
    ("Difference", "相差"),
)
# What stands for the difference where options were chosen between.
RIGHT, OTHER = ("as you said ✓", "猜对了 ✓"), ("not this time", "这次没猜中")


@dataclass(frozen=True)
class Guess:
    """A question about the figure at its first settings, and what stays hidden until it is answered.

    question: what is asked, in both languages; it names the settings, where they matter.
    control:  a Slider or a Choice with the guesses that can be made.
    truth:    the readout that a Slider's guess is held against, or the key of a Choice's right option.
    hides:    the series and readouts that would give it away.
    mark:     "x" or "y", the axis on which a Slider's guess is drawn as a line; "" for no line.

    Without a script, on paper and in `live()` all is shown. The page remembers what was guessed.
    Errors: ValueError for a mark without a Slider and an empty `hides`; the Explorer names what it does not have.
    """

    question: Text
    control: Control
    truth: str
    hides: Sequence[str]
    mark: Literal["", "x", "y"] = ""

    def __post_init__(self) -> None:
        words.checked(self.question, "the question of a Guess")
        if self.mark not in ("", "x", "y") or (self.mark and not isinstance(self.control, Slider)):
            raise ValueError(f'the mark of a Guess is "x", "y" or "", and only a Slider has one; got {self.mark!r}')
        if isinstance(self.hides, str) or not self.hides:
            raise ValueError(f"a Guess hides a row of names of series and readouts, got {self.hides!r}")


def specification(
    guess: Guess, series: Sequence[str], readout: Mapping[str, float], axes: Mapping[str, Scale]
) -> dict[str, Any]:
    """A guess as the script reads it; readout: the numbers at the first settings."""
    known = (*series, *readout)
    for name in guess.hides:
        if name not in known:
            raise ValueError(f"a Guess hides {name!r}, which is neither a series nor a readout: {', '.join(known)}")
    control = guess.control
    truth: Text
    off: list[Text]
    if isinstance(control, Choice):
        if guess.truth not in control.points:
            raise ValueError(f"the truth {guess.truth!r} is none of the options {', '.join(control.points)}")
        right = control.points.index(guess.truth)
        truth, off = control.labels()[right], [OTHER] * len(control.points)
        off[right] = RIGHT
    else:
        if guess.truth not in readout or guess.truth not in guess.hides:
            raise ValueError(f"the truth of a Slider's Guess is a readout that it hides, got {guess.truth!r}")
        value = readout[guess.truth]
        truth, off = words.number(value), [words.number(abs(point - value)) for point in control.points]
    at = axes[guess.mark].axis.place(control.points) if guess.mark else ()
    return {
        "question": guess.question,
        "control": controls.specification(control),
        "series": [k for k, name in enumerate(series) if name in guess.hides],
        "numbers": [k for k, name in enumerate(readout) if name in guess.hides],
        "mark": guess.mark,
        "at": [float(f"{place:.6g}") for place in at],
        "truth": truth,
        "off": off,
        "words": WORDS if isinstance(control, Slider) else [*WORDS[:5], ""],
    }
