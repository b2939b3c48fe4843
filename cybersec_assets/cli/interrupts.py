"""Handle Ctrl-C: print one line and exit with 130.

While modules are imported there is nothing to clean up, and an interrupt would print a traceback of the library that is
being loaded, so the process exits at once. Later an interrupt raises KeyboardInterrupt, so that servers are stopped and
phases are closed.
"""

import os
import signal
import sys

# Importing `typing` would take longer than the rest of this module, and an interrupt would print a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType

EXIT_STATUS = 130
LINE = "error: interrupted. Run it again."
_seen: list[int] = []


def exit_at_once() -> None:
    """Exit on an interrupt, unless interrupts are ignored, as in a background job of a shell."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _exit)


def raise_from_now() -> None:
    """Raise KeyboardInterrupt on an interrupt, if the process would have exited at once until now."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, _raise)
        sys.excepthook = _report
        sys.unraisablehook = _ignore_interrupt


def were_seen() -> bool:
    """Return whether an interrupt was raised. A library may have turned it into another error."""
    return bool(_seen)


def forget() -> None:
    """Forget an interrupt that the command has handled itself."""
    _seen.clear()


def _exit(*_: object) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{LINE}\n".encode())
    os._exit(EXIT_STATUS)


def _raise(number: int, _frame: "FrameType | None") -> None:
    _seen.append(number)
    raise KeyboardInterrupt


def _report(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> None:
    if not _seen:
        sys.__excepthook__(kind, error, trace)


def _ignore_interrupt(unraisable: "sys.UnraisableHookArgs") -> None:
    """Print nothing about an interrupt in a finalizer, which Python ignores."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
