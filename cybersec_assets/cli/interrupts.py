"""What Ctrl-C does to a command: one line and exit status 130, whatever the process is doing.

While modules are imported there is nothing to clean up, and an interrupt would end in a traceback of whichever
library is being loaded: the process ends at once. After that an interrupt is a KeyboardInterrupt, so that servers
are stopped and phases are closed.
"""

import os
import signal
import sys

# Importing `typing` would take longer than everything else here, with interrupts still ending in a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType

EXIT_STATUS = 130
LINE = "error: interrupted. Run it again."
_seen: list[int] = []


def end_at_once() -> None:
    """End the process on an interrupt, unless interrupts are ignored, as those of a shell's background job are."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def raise_from_now() -> None:
    """Raise KeyboardInterrupt on an interrupt where the process would have ended at once."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _raise)
        sys.excepthook = _report
        sys.unraisablehook = _ignore_interrupt


def were_seen() -> bool:
    """Return whether an interrupt was raised; libraries may have turned it into another error since."""
    return bool(_seen)


def forget() -> None:
    """Forget an interrupt that the command has handled and reported itself."""
    _seen.clear()


def _end(*_: object) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{LINE}\n".encode())
    os._exit(EXIT_STATUS)


def _raise(number: int, _frame: "FrameType | None") -> None:
    _seen.append(number)
    raise KeyboardInterrupt


def _report(kind: type[BaseException], error: BaseException, trace: "TracebackType | None") -> None:
    if not _seen:
        sys.__excepthook__(kind, error, trace)


def _ignore_interrupt(unraisable: "sys.UnraisableHookArgs") -> None:
    """Print nothing about an interrupt that reached a finalizer, which Python passes over."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
