"""All drawings of the book, by name."""

from collections.abc import Callable

from rnnbook.explore import drawings
from rnnbook.explore.wiring import Drawing

ALL: dict[str, Callable[[], Drawing]] = {
    "loop": drawings.loop,
    "kept": drawings.kept,
    "switch": drawings.switch,
    "padded": drawings.padded,
    "shapes": drawings.shapes,
    "elman": drawings.elman,
    "two-steps": drawings.two_steps,
    "last-word": drawings.last_word,
    "lstm": drawings.lstm,
    "lstm-belt": drawings.lstm_belt,
    "lstm-unit": drawings.lstm_unit,
    "gru": drawings.gru,
    "gru-sources": lambda: drawings.gru("sources"),
    "mingru": drawings.mingru,
    "bidirectional": drawings.bidirectional,
    "bptt": drawings.bptt,
    "residual": drawings.residual,
    "truncated": drawings.truncated,
    "encoder-decoder": drawings.encoder_decoder,
    "attention": drawings.attention,
    "cone": drawings.cone,
    "kalman": drawings.kalman,
    "checkpoints": drawings.checkpoints,
    "stream": drawings.stream,
    "legend": drawings.legend,
}
