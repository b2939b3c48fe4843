"""The folder `CYBERSEC_HOME/audit`: the home's own keys, and files of small facts that save work.

Keys are Ed25519 keys (RFC 8032): 32 bytes in base64, private and public alike.
"""

import base64
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.errors import SettingsError
from cybersec_assets.home.folders import claim, holds_only, is_regular, require_own
from cybersec_assets.redaction import decode_base64

KEY_BYTES = 32
AUDIT_FOLDER = "audit"
NAMED_FILES = ("signing-key", "trusted-keys", "lock-probes.json", "looks.json", "tried-servers.json")
"""`looks.json` is what earlier releases called `lock-probes.json`."""
EARLIER_FILES = re.compile(
    r"signing-key|trusted-keys|(looks|tried-servers)\.json"
    r"|\.signing-key\.[0-9a-f]+|\.(looks|tried-servers)\.json\.\d+|\.cybersec-assets\.[0-9a-f]{16}"
)
"""The files of a release without markers, and of a process that was killed while it wrote one of them."""
ONLY_OURS = (
    f"Move files other than {', '.join(NAMED_FILES)} elsewhere if the folder is yours, "
    "or set CYBERSEC_HOME to another folder"
)


def claim_audit_folder(home: Path) -> Path:
    """Return the home's audit folder, creating it where it is missing.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    return claim(home / AUDIT_FOLDER, _is_earlier, ONLY_OURS)


def require_audit_folder(home: Path) -> None:
    """Require that `claim_audit_folder` would accept the home's audit folder, without creating anything.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    require_own(home / AUDIT_FOLDER, _is_earlier, ONLY_OURS)


def read_times(file: Path) -> dict[str, float]:
    """Return the times in a file of the audit folder, by name; a missing or damaged file has none."""
    try:
        return {str(name): float(time) for name, time in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_times(file: Path, times: Mapping[str, float]) -> None:
    """Replace a file of the audit folder, unless the home is read-only or the folder holds foreign files."""
    with suppress(OSError, SettingsError):
        claim_audit_folder(file.parents[1])
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        aside.write_text(json.dumps(times))
        aside.replace(file)


def decode_key(text: str, source: str) -> bytes:
    """Return the 32 bytes of a key.

    Raises:
        SettingsError: The text is not 32 bytes in base64. The message does not contain the text.
    """
    raw = decode_base64(text.strip())
    if len(raw) != KEY_BYTES:
        raise SettingsError(
            f"{source} is not an Ed25519 key of {KEY_BYTES} bytes in base64", "Make one with `openssl rand -base64 32`"
        )
    return raw


def public_half(key: Ed25519PrivateKey) -> str:
    """Return the public key in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _is_earlier(folder: Path) -> bool:
    """Return whether a release without markers made a folder.

    Either all names are those of that release, or the signing key is valid and its public half is trusted. In the
    second case there may be other files as well. In both cases the files that this release changes must be valid.
    """
    named = [folder / name for name in NAMED_FILES if os.path.lexists(folder / name)]
    if not all(is_regular(file) for file in named):
        return False
    try:
        trusted = folder / "trusted-keys"
        keys = trusted.read_text(errors="replace").split() if trusted in named else []
        for key in keys:
            decode_key(key, str(trusted))
        documents = [json.loads(file.read_bytes()) for file in named if file.suffix == ".json"]
        if not all(isinstance(document, dict) for document in documents):
            return False
        return holds_only(folder, EARLIER_FILES) or (bool(keys) and _public_half_of(folder / "signing-key") in keys)
    except (SettingsError, ValueError, OSError):
        return False


def _public_half_of(file: Path) -> str:
    private = decode_key(file.read_text(errors="replace"), str(file))
    return public_half(Ed25519PrivateKey.from_private_bytes(private))
