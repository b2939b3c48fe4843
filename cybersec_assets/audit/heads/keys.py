"""The keys that sign heads, and the keys that a verifier trusts.

Where the environment names no key, one is created once in `CYBERSEC_HOME/audit`. Its public half is added there to
`trusted-keys`, which is never stored beside the heads. Keys that were used before stay in that list.
"""

import base64
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.home.audit_folder import KEY_BYTES, claim_audit_folder, decode_key, public_half
from cybersec_assets.redaction import learn

SIGNING_KEY = "audit/signing-key"
TRUSTED_KEYS = "audit/trusted-keys"


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
        _create_key(file)
    text = file.read_text(errors="replace")
    learn(text)
    key = Ed25519PrivateKey.from_private_bytes(decode_key(text, str(file)))
    _trust(home / TRUSTED_KEYS, public_half(key))
    return key


def has_signing_key(home: Path, given: str | None) -> bool:
    """Return whether a signing key exists, without creating one."""
    return bool(given) or (home / SIGNING_KEY).exists()


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


def _create_key(file: Path) -> None:
    """Write a new key atomically. If two processes create one, the first is kept."""
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
