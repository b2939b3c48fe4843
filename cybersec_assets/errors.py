"""Every exception that the project raises on purpose.

    CybersecError                 what went wrong, and what to do next
    ├── SettingsError             an environment variable or option has a value that cannot be used
    ├── InputError                the day's logs cannot be read
    │   ├── NoFlowLogsError       nothing matches FLOWS_URI for the day
    │   ├── UnreadableLogError    a file is empty, cut off, of an unknown kind, or lacks a column
    │   └── DamagedLogError       more lines than allowed do not parse
    ├── QualityError              the data breaks a rule that must hold before anything is stored
    ├── StoreError                the object store refused or cannot be reached
    │   ├── ObjectMissingError    an object that the audit names is gone
    │   └── ObjectChangedError    an object's bytes are not those that the audit recorded
    ├── AuditError                the audit database refused or cannot be reached
    │   ├── AuditLostError        it went away, and did not come back in time
    │   ├── PhaseTakenError       the phase is in other hands
    │   └── NoRecordError         the audit has no successful phase to read from
    ├── RunInterruptedError       somebody or something stopped the run
    └── ModelError                a model does not fit the flows it is asked to score

Somebody who reads only the message knows which file, value or service is meant and what to do about it.
"""

from typing import ClassVar


class CybersecError(Exception):
    """Say what went wrong and what to do next, on one line.

    Args:
        problem: What went wrong, naming the file, value or service.
        remedy: What the reader does next, as an imperative.
    """

    exit_status: ClassVar[int] = 2

    def __init__(self, problem: str, remedy: str) -> None:
        """Join both halves, folding line breaks that came in with a quoted value."""
        self.problem = _plain(problem).rstrip(".?! ")
        self.remedy = _plain(remedy)
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


class RunInterruptedError(CybersecError):
    """Somebody or something stopped the run."""

    exit_status = 130

    def __init__(self) -> None:
        """Say the same in the audit and in the shell."""
        super().__init__("the run was interrupted", "Run it again")


class ModelError(CybersecError):
    """A model does not fit the flows it is asked to score."""


def first_line(error: BaseException) -> str:
    """Give an error's first line, or its type's name where it has no text."""
    lines = str(error).strip().splitlines()
    return _plain(lines[0]) if lines else type(error).__name__


def _plain(text: str) -> str:
    """Write on one line what a database can hold and a terminal can show: no NUL, no half of a character."""
    return " ".join(text.split()).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
