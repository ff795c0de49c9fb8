"""A time limit for the reader's code that no `except` can swallow for long.

In the main thread of a system with SIGALRM a timer interrupts the code, and
from then on every call and every step of a loop does, until it ends.
Elsewhere (Windows, another thread) a second thread does, through CPython's
PyThreadState_SetAsyncExc: a bare `except` within a loop may resist it. Nothing
interrupts a single call into compiled code before it returns, nor an import: a
module of which half is loaded would stay so until the kernel restarts. A
browser's Python has neither signals nor threads: there the code has the time it
takes, and whoever started the interpreter ends it.
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
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return False
        frame = frame.f_back
    return False


class _Again:
    """`again.strike` sends the signal to where the interpreter next looks for one: a call, or a step of a loop.

    An attribute, because the interpreter looks for signals after each function that it calls, but not after this.
    """

    strike = property(ctypes.pythonapi.PyErr_SetInterruptEx)

    def __init__(self) -> None:
        self._as_parameter_ = int(signal.SIGALRM)


def _with_signal(work: Callable[[], T], seconds: float) -> T:
    struck = False
    again = _Again()

    def strike(signum: int, frame: FrameType | None) -> None:
        nonlocal struck
        if _runs_reader_code(frame):
            struck = True
            error = TimeUp()
            again.strike  # noqa: B018  # a bare `except` may catch this strike, but not all that follow
            raise error

    handler = signal.signal(signal.SIGALRM, strike)
    # Again and again: deep in a recursion there may be no room for a handler.
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 0.002)
    try:
        return _shielded(work)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
        if struck:  # whatever the code made of that
            raise TimeUp from None


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
    if not _started(threading.Thread(target=watch, daemon=True)):
        return work()
    struck = False
    try:
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


def _started(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:  # there are no threads here
        return False
    return True
