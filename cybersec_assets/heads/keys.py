"""Ed25519 keys (RFC 8032) for heads: 32 bytes in base64, private and public alike.

Where the environment gives none, a key is made once in `CYBERSEC_HOME/audit`. Its public half is added there to
`trusted-keys`, which is never stored beside the heads; keys that were used before stay in that list.
"""

import base64
import json
import os
import re
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.errors import SettingsError
from cybersec_assets.home import claim, holds_only, require_own
from cybersec_assets.redaction import learn

KEY_BYTES = 32
AUDIT_FOLDER = "audit"
SIGNING_KEY = "audit/signing-key"
TRUSTED_KEYS = "audit/trusted-keys"
EARLIER_FILES = re.compile(
    r"signing-key|trusted-keys|(looks|tried-servers)\.json"
    r"|\.signing-key\.[0-9a-f]+|\.(looks|tried-servers)\.json\.\d+|\.cybersec-assets\.[0-9a-f]{16}"
)
"""What a release without markers, or one that was killed while it wrote the marker, left in the folder."""


def signing_key(home: Path, given: str | None) -> Ed25519PrivateKey:
    """Give the key that signs.

    Args:
        home: `CYBERSEC_HOME`.
        given: `AUDIT_SIGNING_KEY`; the home's own where it is not given, made where it is missing.

    Raises:
        SettingsError: It is no key, or the home's folder for it holds files of somebody else.
    """
    if given:
        return Ed25519PrivateKey.from_private_bytes(decode_key(given, "AUDIT_SIGNING_KEY"))
    claim_audit_folder(home)
    file = home / SIGNING_KEY
    if not file.exists():
        _make_key(file)
    text = file.read_text(errors="replace")
    learn(text)
    key = Ed25519PrivateKey.from_private_bytes(decode_key(text, str(file)))
    _trust(home / TRUSTED_KEYS, public_half(key))
    return key


def has_signing_key(home: Path, given: str | None) -> bool:
    """Return whether there is a key that signs; none is made."""
    return bool(given) or (home / SIGNING_KEY).exists()


def claim_audit_folder(home: Path) -> Path:
    """Return the home's folder for keys and notes, made where it is missing.

    Raises:
        SettingsError: It holds files of somebody else.
    """
    return claim(home / AUDIT_FOLDER, _is_earlier)


def require_audit_folder(home: Path) -> None:
    """Refuse a home whose folder for keys and notes holds files of somebody else; nothing is made.

    Raises:
        SettingsError: It does.
    """
    require_own(home / AUDIT_FOLDER, _is_earlier)


def _is_earlier(folder: Path) -> bool:
    """Return whether a release without markers wrote all files of a folder; those that grow must be of our form."""
    if not holds_only(folder, EARLIER_FILES):
        return False
    try:
        trusted = folder / "trusted-keys"
        for key in trusted.read_text(errors="replace").split() if trusted.exists() else ():
            decode_key(key, str(trusted))
        notes = [folder / "looks.json", folder / "tried-servers.json"]
        return all(isinstance(json.loads(file.read_bytes()), dict) for file in notes if file.exists())
    except (SettingsError, ValueError):
        return False


def trusted_keys(home: Path, given: str | None, signing: str | None) -> list[str]:
    """Give the public keys that a verifier trusts.

    Args:
        home: `CYBERSEC_HOME`.
        given: `AUDIT_TRUSTED_KEYS`, divided by commas or blanks; it alone counts where it is given.
        signing: `AUDIT_SIGNING_KEY`, whose public half is trusted otherwise, beside the home's list.

    Raises:
        SettingsError: One of them is no key.
    """
    file = home / TRUSTED_KEYS
    listed = given or (file.read_text(errors="replace") if file.exists() else "")
    keys = listed.replace(",", " ").split()
    for key in keys:
        decode_key(key, "AUDIT_TRUSTED_KEYS" if given else str(file))
    if signing and not given:
        keys.append(public_half(signing_key(home, signing)))
    return keys


def public_half(key: Ed25519PrivateKey) -> str:
    """Give the public key in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def decode_key(text: str, source: str) -> bytes:
    """Read a key.

    Raises:
        SettingsError: It is not 32 bytes in base64; the key itself is not told.
    """
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise SettingsError(
            f"{source} holds no Ed25519 key of {KEY_BYTES} bytes in base64", "Make one with `openssl rand -base64 32`"
        )
    return raw


def _make_key(file: Path) -> None:
    """Make a key whole or not at all; of two processes that make one, the first's stays."""
    aside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
    try:
        file.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def _trust(file: Path, key: str) -> None:
    listed = file.read_text(errors="replace") if file.exists() else ""
    if key not in listed.split():
        # A person may have left the last line without its end.
        with file.open("a") as stream:
            stream.write("\n" * (listed[-1:] not in {"", "\n"}) + key + "\n")
