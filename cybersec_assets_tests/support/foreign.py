"""Write files of another program, and compare them before and after."""

import hashlib
from pathlib import Path
from typing import Any


def plant(path: Path, content: Any) -> None:
    """Write a tree: a dict is a folder, a text a file, and `("link", target)` a symbolic link."""
    if isinstance(content, dict):
        path.mkdir(parents=True, exist_ok=True)
        for name, child in content.items():
            plant(path / name, child)
    elif isinstance(content, tuple):
        path.symlink_to(content[1])
    else:
        path.write_text(content)


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return the content, mode, owner and times of everything below a folder, by relative path."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = "folder"
        # The time of a folder changes when a file is created in it.
        times = () if path.is_dir() and not path.is_symlink() else (status.st_mtime_ns,)
        found[str(path.relative_to(root))] = (content, status.st_mode, status.st_uid, status.st_gid, *times)
    return found
