"""Every exception that the project raises on purpose.

    CybersecError                 what went wrong, and what to do next
    ├── SettingsError             an environment variable or option has a value that cannot be used
    ├── InputError                the day's logs cannot be read
    │   ├── NoFlowLogsError       nothing matches FLOWS_URI for the day
    │   ├── UnreadableLogError    a file is empty, cut off, of an unknown kind, or lacks a column
    │   └── DamagedLogError       more lines than allowed do not parse
    ├── QualityError              the data breaks a rule that must hold before anything is stored
    ├── StoreError                the object store refused or cannot be reached
    │   ├── UnsafeStoreError      the object store would let one writer overwrite another's object
    │   ├── ObjectMissingError    an object that the audit names is gone
    │   └── ObjectChangedError    an object's bytes are not those that the audit recorded
    ├── AuditError                the audit database refused or cannot be reached
    │   ├── AuditLostError        it went away, and did not come back in time
    │   ├── PhaseTakenError       the phase is in other hands
    │   └── NoRecordError         the audit has no successful phase to read from
    ├── LostLinesError            the program did not account for every line that it read
    ├── RunInProgressError        another run of the day works
    ├── RunInterruptedError       somebody or something stopped the run
    └── ModelError                a model does not fit the flows it is asked to score

Somebody who reads only the message knows which file, value or service is meant and what to do about it.
"""

from typing import ClassVar

from cybersec_assets.redaction import redact

QUOTED_CHARS = 80
"""The longest value that a message quotes whole."""
LINE_CHARS = 480
"""The longest message. With the prefix of a shell or a log it still fits into 500 characters."""
REMEDY_CHARS = 280
"""The longest remedy. It leaves the problem at least as much as a path and a value need."""


class CybersecError(Exception):
    """Say what went wrong and what to do next, on one line of at most 480 characters.

    Args:
        problem: What went wrong, naming the file, value or service.
        remedy: What the reader does next, as an imperative.
    """

    exit_status: ClassVar[int] = 2

    def __init__(self, problem: str, remedy: str) -> None:
        """Join both halves. Line breaks and control characters of a quoted value are folded or escaped."""
        self.remedy = shortened(remedy, REMEDY_CHARS)
        # Both halves are joined by a full stop and a blank, and end with a full stop.
        self.problem = shortened(problem.rstrip(".?! "), LINE_CHARS - len(self.remedy) - 3)
        super().__init__(f"{self.problem}. {self.remedy}.")


class SettingsError(CybersecError):
    """An environment variable or option has a value that cannot be used."""


class InputError(CybersecError):
    """The day's logs cannot be read."""

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str]]:
        """Come back with both halves from a process that read apart."""
        return type(self), (self.problem, self.remedy)


class NoFlowLogsError(InputError):
    """Nothing matches FLOWS_URI for the day."""


class UnreadableLogError(InputError):
    """A file is empty, cut off, of an unknown kind, or lacks a column."""


class DamagedLogError(InputError):
    """More lines than allowed do not parse."""

    exit_status = 1


class QualityError(CybersecError):
    """The data breaks a rule that must hold before anything is stored."""

    exit_status = 1


class StoreError(CybersecError):
    """The object store refused or cannot be reached."""


class UnsafeStoreError(StoreError):
    """The object store would let one writer overwrite another's object."""


class ObjectMissingError(StoreError):
    """An object that the audit names is gone."""


class ObjectChangedError(StoreError):
    """An object's bytes are not those that the audit recorded."""

    exit_status = 1


class AuditError(CybersecError):
    """The audit database refused or cannot be reached."""


class AuditLostError(AuditError):
    """The audit database went away, and did not come back in time."""


class PhaseTakenError(AuditError):
    """The phase is in other hands: somebody took its worker for dead and ended it, or its worker lives."""

    def __init__(self, said: str) -> None:
        """Name the only way on."""
        super().__init__(f"the phase is in other hands: {said}", "Run the day again")


class NoRecordError(AuditError):
    """The audit has no successful phase to read from."""


class LostLinesError(CybersecError):
    """The program did not account for every line that it read."""

    def __init__(self, files: str, lines: int, accounted: int) -> None:
        """Name the files and both numbers."""
        super().__init__(
            f"{lines:,} lines were read of {files}, and {accounted:,} are accounted for",
            "Report this: it is a fault of cybersec-assets, and the day is not stored",
        )


class RunInProgressError(CybersecError):
    """Another run of the day works.

    Args:
        day: The partition's key.
        run_id: The run, empty where it is not known yet.
    """

    def __init__(self, day: str, run_id: str) -> None:
        """Name the run, so that a person finds it in the UI."""
        which = f" ({run_id})" if run_id else ""
        super().__init__(f"a run of {day} is in progress{which}", "Wait for its end, or stop it")


class RunInterruptedError(CybersecError):
    """Somebody or something stopped the run."""

    exit_status = 130

    def __init__(self) -> None:
        """Say the same in the audit and in the shell."""
        super().__init__("the run was interrupted", "Run it again")


class ModelError(CybersecError):
    """A model does not fit the flows it is asked to score."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, shortened, or the name of its type where it has no text."""
    lines = redact(str(error)).strip().splitlines()
    return shortened(lines[0]) if lines else type(error).__name__


def quoted(value: object) -> str:
    """Return a value in quotes without secrets, its unprintable characters escaped, cut to 80 characters.

    The length of a value that was cut follows it: `'AAAA…' (200,000 characters)`.
    """
    # Before the cut, which could leave a part of a secret that nobody recognizes any more.
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

    White space becomes single blanks, characters that a terminal or a database cannot take are escaped, and the
    middle of a text that is too long is cut out, since paths and messages differ at their ends.
    """
    text = redact(text)
    # Only the ends of a very long text can show.
    if len(text) > 4 * limit:
        text = f"{text[: 2 * limit]}…{text[-2 * limit :]}"
    line = "".join(_printable(character) for character in " ".join(text.split()))
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[head + 1 - limit :]}"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
