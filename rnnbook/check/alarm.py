"""A time limit for the reader's code that no `except` can swallow for long.

In the main thread of a system with SIGALRM a timer interrupts the code again
and again until it ends; from Python 3.12 on, so does every line of it.
Elsewhere (Windows, another thread) a second thread does, through CPython's
PyThreadState_SetAsyncExc: a bare `except` within a loop may resist it. Nothing
interrupts a single call into compiled code before it returns.
"""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class TimeUp(BaseException):
    """The reader's code ran too long. Not an Exception, so that `except Exception` lets it pass."""


class _SlowTimeUp(TimeUp):
    """Takes the interpreter 100 microseconds to make: the other thread strikes again meanwhile."""

    __init__ = staticmethod(partial(set[int]().update, range(5_000)))


def limited(work: Callable[[], T], seconds: float) -> T:
    """Return work(), or raise TimeUp when it has not returned after so many seconds."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _with_signal(work, seconds)
    return _with_thread(work, seconds)


def _shielded(work: Callable[[], T]) -> T:
    """Mark the stack: only what runs below this frame may be interrupted by the signal."""
    return work()


def _runs_reader_code(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is _shielded.__code__:
            return True
        frame = frame.f_back
    return False


if sys.version_info >= (3, 12):
    _TOOL = 4  # debuggers, coverage and profilers have other numbers

    def _strike_every_line(reader: int) -> None:
        """From now on each line that the thread starts below _shielded raises TimeUp."""
        monitoring = sys.monitoring

        def strike(code: object, line: int) -> None:
            if threading.get_ident() == reader and _runs_reader_code(sys._getframe(1)):
                raise TimeUp

        if monitoring.get_tool(_TOOL) is None:
            monitoring.use_tool_id(_TOOL, __name__)
            monitoring.register_callback(_TOOL, monitoring.events.LINE, strike)
            monitoring.set_events(_TOOL, monitoring.events.LINE)

    def _spare_lines() -> None:
        monitoring = sys.monitoring
        if monitoring.get_tool(_TOOL) == __name__:
            monitoring.set_events(_TOOL, 0)
            monitoring.register_callback(_TOOL, monitoring.events.LINE, None)
            monitoring.free_tool_id(_TOOL)

else:

    def _strike_every_line(reader: int) -> None:
        pass

    def _spare_lines() -> None:
        pass


def _with_signal(work: Callable[[], T], seconds: float) -> T:
    reader = threading.get_ident()

    def strike(signum: int, frame: FrameType | None) -> None:
        if not _runs_reader_code(frame):
            return
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        _strike_every_line(reader)
        # If a bare `except` catches this strike, the next must come before the code is inside its `try`
        # again. Whoever drops the exception frees this frame, and with it a list that takes the
        # interpreter longer to free than the pause until the next signal.
        slow_to_free = [object() for _ in range(10_000)]
        signal.setitimer(signal.ITIMER_REAL, 2e-5, 0.02)
        raise TimeUp(slow_to_free)

    handler = signal.signal(signal.SIGALRM, strike)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 0.02)
    try:
        return _shielded(work)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        _spare_lines()
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _with_thread(work: Callable[[], T], seconds: float) -> T:
    reader = threading.get_ident()
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    switch_interval = sys.getswitchinterval()
    deadline = time.monotonic() + seconds
    ready = done = watching = False  # plain variables: a strike inside a lock's methods could leave it locked

    def watch() -> None:
        nonlocal watching
        while not done and not (ready and time.monotonic() > deadline):
            time.sleep(0.002)
        if not done:
            # Threads must now take turns quickly, so that a strike also falls outside the reader's `try`.
            sys.setswitchinterval(1e-6)
            while not done:
                if _runs_reader_code(sys._current_frames().get(reader)):
                    raise_in(ctypes.c_ulong(reader), ctypes.py_object(_SlowTimeUp))
        watching = False

    watching = True
    struck = False
    try:
        threading.Thread(target=watch, daemon=True).start()
        ready = True
        return _shielded(work)
    finally:
        # One strike may still be under way and fall into this clean-up: then it begins again.
        while True:
            try:
                done = True
                while watching:
                    time.sleep(0.0005)
                raise_in(ctypes.c_ulong(reader), None)
                sys.setswitchinterval(switch_interval)
                break
            except TimeUp:
                struck = True
        if struck:
            raise TimeUp
