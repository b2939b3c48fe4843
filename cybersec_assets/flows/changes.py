"""Detect whether the files of a day have changed since the day was made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cybersec_assets.artifact import fingerprint_of_chunks
from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.sources.base import SourceFile

READ_BYTES = 1 << 20


def changes(recorded: Sequence[Mapping[str, Any]], now: Sequence[SourceFile]) -> Iterator[str]:
    """Yield a short description of each file that is new or has changed since a day was made.

    A file that is gone is not a change, because logs are archived. If none of the recorded files is left, the logs
    have moved, and nothing is reported.

    Args:
        recorded: The files of the day: `file`, `size`, `mtime` (ISO 8601, where it is known) and `sha256` of each.
        now: The files that match now.

    Raises:
        UnreadableLogError: A file that seems to have changed cannot be read.
    """
    before = {entry["file"]: entry for entry in recorded}
    if not any(file.name in before for file in now):
        return
    for file in now:
        entry = before.get(file.name)
        if entry is None:
            yield f"{file.name} is new"
        elif not _has_same_state(file, entry) and _sha256(file) != entry["sha256"]:
            yield f"{file.name} has changed: {entry['size']:,} bytes then, {file.size:,} now"


def _has_same_state(file: SourceFile, entry: Mapping[str, Any]) -> bool:
    return (file.size, file.modified.isoformat()) == (entry["size"], entry.get("mtime"))


def _sha256(file: SourceFile) -> str:
    try:
        with file.open() as stream:
            return fingerprint_of_chunks(iter(lambda: stream.read(READ_BYTES), b"")).sha256
    except OSError as error:
        raise UnreadableLogError(f"{file.name} cannot be read: {error}", "Restore the file or remove it") from error
