"""Whether the files that fed a day are still the ones that fed it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.sources.local import SourceFile

CHUNK_BYTES = 1 << 20


def changes(recorded: Sequence[Mapping[str, Any]], now: Sequence[SourceFile]) -> Iterator[str]:
    """Say which files came or changed since a day was made.

    A file that is gone is none of them: logs are archived. Where none of a day's files is left, those that are there
    now lie in another place, and say nothing.

    Args:
        recorded: What fed the day: `file`, `size`, `mtime` (ISO 8601, where it is known) and `sha256` of each.
        now: The files that would feed it now.

    Yields:
        A few words for each, with the file's name.

    Raises:
        UnreadableLogError: A file that looks changed cannot be read.
    """
    before = {entry["file"]: entry for entry in recorded}
    if not any(file.name in before for file in now):
        return
    for file in now:
        if file.name not in before:
            yield f"{file.name} is new"
        elif not _looks_the_same(file, before[file.name]) and _sha256(file) != before[file.name]["sha256"]:
            yield f"{file.name} has changed: {before[file.name]['size']:,} bytes then, {file.size:,} now"


def _looks_the_same(file: SourceFile, entry: Mapping[str, Any]) -> bool:
    return (file.size, file.modified.isoformat()) == (entry["size"], entry.get("mtime"))


def _sha256(file: SourceFile) -> str:
    digest = hashlib.sha256()
    try:
        with file.open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise UnreadableLogError(f"{file.name} cannot be read: {error}", "Restore the file or take it out") from error
    return digest.hexdigest()
