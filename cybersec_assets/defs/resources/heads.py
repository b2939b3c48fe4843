"""Signed heads as a Dagster resource: the signing key, and the store of the heads."""

import dagster as dg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.audit.journal.journal import JournalEntry
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.errors import CybersecError, first_line
from cybersec_assets.failpoints import Point, hit
from cybersec_assets.settings import AuditSettings, reveal


class HeadsResource:
    """Sign the journal's heads."""

    def __init__(self, settings: AuditSettings, store: ObjectStoreResource) -> None:
        self.settings = settings
        self.store = store
        self._key: Ed25519PrivateKey | None = None
        self._writer: HeadWriter | None = None

    @property
    def signing_key(self) -> str | None:
        """The key from the environment, if it has one."""
        return reveal(self.settings.signing_key)

    def key(self) -> Ed25519PrivateKey:
        """Return the key, which is loaded at the first call.

        Raises:
            SettingsError: The key is invalid.
        """
        self._key = self._key or signing_key(self.settings.home, self.signing_key)
        return self._key

    def append(self, entry: JournalEntry) -> None:
        """Sign the journal's last entry.

        The entry itself is in the database, so a store that cannot be reached causes a warning and no error.
        """
        try:
            if self._writer is None:
                self._writer = HeadWriter(self.store.open(), self.store.bucket_prefix, self.key())
            self._writer.append(entry.seq, entry.hash)
        except (CybersecError, OSError) as error:
            dg.get_dagster_logger().warning(f"the audit's entry {entry.seq} is not signed yet: {first_line(error)}")
        else:
            hit(Point.HEAD_WRITTEN)
