"""All exceptions that the project raises on purpose.

    CybersecError                 states the problem and its remedy
    ├── SettingsError             an environment variable or option has an invalid value
    ├── InputError                the day's logs cannot be read
    │   ├── NoFlowLogsError       nothing matches FLOWS_URI for the day
    │   ├── UnreadableLogError    a file is empty, truncated, of an unknown format, or lacks a column
    │   └── DamagedLogError       more lines than allowed are invalid
    ├── QualityError              the data breaks a rule that must hold before anything is stored
    ├── StoreError                the object store refused or cannot be reached
    │   ├── UnsafeStoreError      the object store would let one writer overwrite another's object
    │   ├── ObjectMissingError    an object that the audit refers to is missing
    │   └── ObjectChangedError    an object's bytes differ from what the audit recorded
    ├── AuditError                the audit database refused or cannot be reached
    │   ├── AuditLostError        the connection was lost, and reconnecting failed
    │   ├── PhaseTakenError       another process ended or owns the phase
    │   └── NoRecordError         the audit has no successful phase to read from
    ├── LostLinesError            the program did not account for every line that it read
    ├── RunInProgressError        another run of the day is in progress
    ├── RunInterruptedError       the run was stopped
    └── ModelError                a model does not fit the flows to score

Each message names the file, value or service, and says what to do.
"""

from typing import ClassVar

from cybersec_assets.redaction import redact

QUOTED_CHARS = 80
"""The longest value that a message quotes in full."""
LINE_CHARS = 480
"""The longest message. With the prefix of a shell or a log it still fits into 500 characters."""
REMEDY_CHARS = 280
"""The longest remedy. It leaves the problem enough space for a path and a value."""


class CybersecError(Exception):
    """A problem and its remedy, on one line of at most 480 characters.

    Args:
        problem: What went wrong, with the file, value or service.
        remedy: What to do next, as an imperative.
    """

    exit_status: ClassVar[int] = 2

    def __init__(self, problem: str, remedy: str) -> None:
        self.remedy = shortened(remedy, REMEDY_CHARS)
        # The message also has two full stops and a space.
        self.problem = shortened(problem.rstrip(".?! "), LINE_CHARS - len(self.remedy) - 3)
        super().__init__(f"{self.problem}. {self.remedy}.")


class SettingsError(CybersecError):
    """An environment variable or option has an invalid value."""


class InputError(CybersecError):
    """The day's logs cannot be read."""

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str]]:
        """Pickle both parts, since readers may run in another process."""
        return type(self), (self.problem, self.remedy)


class NoFlowLogsError(InputError):
    """Nothing matches FLOWS_URI for the day."""


class UnreadableLogError(InputError):
    """A file is empty, truncated, of an unknown format, or lacks a column."""


class DamagedLogError(InputError):
    """More lines than allowed are invalid."""

    exit_status = 1


class QualityError(CybersecError):
    """The data breaks a rule that must hold before anything is stored."""

    exit_status = 1


class StoreError(CybersecError):
    """The object store refused or cannot be reached."""


class UnsafeStoreError(StoreError):
    """The object store would let one writer overwrite another's object."""


class ObjectMissingError(StoreError):
    """An object that the audit refers to is missing."""


class ObjectChangedError(StoreError):
    """An object's bytes differ from what the audit recorded."""

    exit_status = 1


class AuditError(CybersecError):
    """The audit database refused or cannot be reached."""


class AuditLostError(AuditError):
    """The connection to the audit database was lost, and reconnecting failed."""


class PhaseTakenError(AuditError):
    """Another process took the phase's worker for dead and ended the phase, or the phase's worker is alive.

    Args:
        reason: The database's message.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"another process ended or owns the phase: {reason}", "Run the day again")


class NoRecordError(AuditError):
    """The audit has no successful phase to read from."""


class LostLinesError(CybersecError):
    """The program did not account for every line that it read."""

    def __init__(self, files: str, lines: int, accounted: int) -> None:
        super().__init__(
            f"{lines:,} lines were read from {files}, but {accounted:,} are accounted for",
            "Report this: it is a bug in cybersec-assets, and the day is not stored",
        )


class RunInProgressError(CybersecError):
    """Another run of the day is in progress.

    Args:
        day: The partition key.
        run_id: The run's id, empty if it is not known yet.
    """

    def __init__(self, day: str, run_id: str) -> None:
        run = f" ({run_id})" if run_id else ""
        super().__init__(f"a run of {day} is in progress{run}", "Wait for it to end, or stop it")


class RunInterruptedError(CybersecError):
    """The run was stopped."""

    exit_status = 130

    def __init__(self) -> None:
        super().__init__("the run was interrupted", "Run it again")


class ModelError(CybersecError):
    """A model does not fit the flows to score."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, shortened, or the name of its type if it has no text."""
    lines = redact(str(error)).strip().splitlines()
    return shortened(lines[0]) if lines else type(error).__name__


def quoted(value: object) -> str:
    """Return a value in quotes without secrets, with unprintable characters escaped, cut to 80 characters.

    The length follows a value that was cut: `'AAAA…' (200,000 characters)`.
    """
    # Redact before the text is cut, since a part of a secret would not be recognized.
    text = redact(str(value))
    kept = text[:QUOTED_CHARS]
    # An escape such as \x00 takes four characters, and the quotes take two.
    while len(repr(kept)) > QUOTED_CHARS + 2:
        kept = kept[:-1]
    if kept == text:
        return repr(kept)
    quote = repr(kept)[-1]
    return f"{repr(kept)[:-1]}…{quote} ({len(text):,} characters)"


def shortened(text: str, limit: int = LINE_CHARS) -> str:
    """Return a text without secrets, as one printable line of at most `limit` characters.

    White space becomes single spaces, unprintable characters are escaped, and the middle of a text that is too
    long is cut out, since paths and messages differ at their ends.
    """
    text = redact(text)
    # Only the ends of a very long text remain.
    if len(text) > 4 * limit:
        text = f"{text[: 2 * limit]}…{text[-2 * limit :]}"
    line = "".join(_printable(character) for character in " ".join(text.split()))
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[head + 1 - limit :]}"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
