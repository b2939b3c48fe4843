"""Signed heads as a Dagster resource: the key, and the store that they go to."""

from pathlib import Path

import dagster as dg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, PrivateAttr

from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.audit.journal.journal import JournalEntry
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.errors import CybersecError, first_line
from cybersec_assets.failpoints import Point, hit


class HeadsResource(dg.ConfigurableResource["HeadsResource"]):
    """Who signs the journal's heads."""

    store: dg.ResourceDependency[ObjectStoreResource]
    home: str = Field(".cybersec", description="Below which folder a key is made where none is given.")
    signing_key: str | None = Field(None, description="An Ed25519 key, 32 bytes in base64.")
    _key: Ed25519PrivateKey | None = PrivateAttr(default=None)
    _writer: HeadWriter | None = PrivateAttr(default=None)

    def key(self) -> Ed25519PrivateKey:
        """Load the key at the first call.

        Raises:
            SettingsError: The key is invalid.
        """
        self._key = self._key or signing_key(Path(self.home), self.signing_key)
        return self._key

    def append(self, entry: JournalEntry) -> None:
        """Sign the journal's end; what the entry says is in the database, so a store that is away is only warned of."""
        try:
            if self._writer is None:
                self._writer = HeadWriter(self.store.open(), self.store.bucket_prefix, self.key())
            self._writer.append(entry.seq, entry.hash)
        except (CybersecError, OSError) as error:
            dg.get_dagster_logger().warning(f"the audit's entry {entry.seq} is not signed yet: {first_line(error)}")
        else:
            hit(Point.HEAD_WRITTEN)
