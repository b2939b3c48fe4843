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
from cybersec_assets.home.folders import claim, holds_only, is_regular, require_own
from cybersec_assets.redaction import decode_base64, learn

KEY_BYTES = 32
AUDIT_FOLDER = "audit"
SIGNING_KEY = "audit/signing-key"
TRUSTED_KEYS = "audit/trusted-keys"
EARLIER_FILES = re.compile(
    r"signing-key|trusted-keys|(looks|tried-servers)\.json"
    r"|\.signing-key\.[0-9a-f]+|\.(looks|tried-servers)\.json\.\d+|\.cybersec-assets\.[0-9a-f]{16}"
)
"""The files of a release without markers, and of a process that was killed while it wrote one of them."""
NAMED_FILES = ("signing-key", "trusted-keys", "looks.json", "tried-servers.json")
ONLY_OURS = (
    f"Move files other than {', '.join(NAMED_FILES)} elsewhere if the folder is yours, "
    "or set CYBERSEC_HOME to another folder"
)


def signing_key(home: Path, given: str | None) -> Ed25519PrivateKey:
    """Return the key that signs heads.

    Args:
        home: `CYBERSEC_HOME`.
        given: `AUDIT_SIGNING_KEY`. Without it, the home's own key is used, and created where it is missing.

    Raises:
        SettingsError: The key is invalid, or `audit` in the home holds files that cybersec-assets did not make.
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
    """Return whether a signing key exists, without creating one."""
    return bool(given) or (home / SIGNING_KEY).exists()


def claim_audit_folder(home: Path) -> Path:
    """Return the home's folder for keys and notes, creating it where it is missing.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    return claim(home / AUDIT_FOLDER, _is_earlier, ONLY_OURS)


def require_audit_folder(home: Path) -> None:
    """Refuse a home whose folder for keys and notes holds files of another program, without creating anything.

    Raises:
        SettingsError: The folder holds files that cybersec-assets did not make.
    """
    require_own(home / AUDIT_FOLDER, _is_earlier, ONLY_OURS)


def _is_earlier(folder: Path) -> bool:
    """Return whether a release without markers made a folder.

    Either all names are those of that release, or the signing key is valid and its public half is trusted: then other
    files may lie there as well. The files that this release changes must have the expected form in both cases.
    """
    named = [folder / name for name in NAMED_FILES if os.path.lexists(folder / name)]
    if not all(is_regular(file) for file in named):
        return False
    try:
        trusted = folder / "trusted-keys"
        keys = trusted.read_text(errors="replace").split() if trusted in named else []
        for key in keys:
            decode_key(key, str(trusted))
        notes = [file for file in named if file.suffix == ".json"]
        if not all(isinstance(json.loads(file.read_bytes()), dict) for file in notes):
            return False
        return holds_only(folder, EARLIER_FILES) or (bool(keys) and _public_half_of(folder / "signing-key") in keys)
    except (SettingsError, ValueError, OSError):
        return False


def _public_half_of(file: Path) -> str:
    """Return the public half of the key in a file."""
    private = decode_key(file.read_text(errors="replace"), str(file))
    return public_half(Ed25519PrivateKey.from_private_bytes(private))


def trusted_keys(home: Path, given: str | None, signing: str | None) -> list[str]:
    """Return the public keys that a verifier trusts.

    Args:
        home: `CYBERSEC_HOME`.
        given: `AUDIT_TRUSTED_KEYS`, separated by commas or blanks. Where it is set, no other key is trusted.
        signing: `AUDIT_SIGNING_KEY`. Its public half is trusted otherwise, beside the home's list.

    Raises:
        SettingsError: One of the keys is invalid.
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
    """Return the public key in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def decode_key(text: str, source: str) -> bytes:
    """Return the 32 bytes of a key.

    Raises:
        SettingsError: The text is not 32 bytes in base64. The message does not contain the text.
    """
    raw = decode_base64(text.strip())
    if len(raw) != KEY_BYTES:
        raise SettingsError(
            f"{source} holds no Ed25519 key of {KEY_BYTES} bytes in base64", "Make one with `openssl rand -base64 32`"
        )
    return raw


def _make_key(file: Path) -> None:
    """Write a key whole or not at all. If two processes write one, the first is kept."""
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
        # An editor may have saved the last line without a line break.
        with file.open("a") as stream:
            stream.write("\n" * (listed[-1:] not in {"", "\n"}) + key + "\n")
