"""A store in memory that counts its requests, and heads that no writer signed."""

from bisect import bisect_right
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.heads.head import head_name, make_head, signed
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.errors import ObjectMissingError
from cybersec_assets.stores.base import StoredObject, utc_now

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
PREFIX = "test"
BUCKET = "test-eval"
HASH = "ab" * 32


class MemoryStore:
    """One bucket of objects.

    Attributes:
        objects: The objects' bytes by their names.
        listed: How many names listings have returned.
        reads: How many objects were read.
    """

    def __init__(self, objects=()):
        self.objects = dict(objects)
        self.listed = 0
        self.reads = 0

    def create(self, bucket, name, file, _fingerprint):
        """Store a file under a name that is free."""
        assert bucket == BUCKET
        if name in self.objects:
            return False
        self.objects[name] = file.read_bytes()
        return True

    def chunks(self, bucket, name):
        """Yield an object in two chunks."""
        assert bucket == BUCKET
        self.reads += 1
        if name not in self.objects:
            raise ObjectMissingError(f"{name} is gone", "Restore it")
        content = self.objects[name]
        yield from (content[:7], content[7:])

    def entries(self, bucket, prefix="", *, after="", limit=None):
        """List objects by name."""
        assert bucket == BUCKET
        names = sorted(name for name in self.objects if name.startswith(prefix))
        for name in islice(names[bisect_right(names, after) :], limit):
            self.listed += 1
            yield StoredObject(name, utc_now())


def make_writer(store):
    """Return a writer for a store."""
    return HeadWriter(store, PREFIX, KEY)


def head_of(number, count, key=KEY):
    """Return a head as its object's bytes."""
    return signed(make_head(number, count, HASH), key)


def heads_of(counts):
    """Return heads as a store has them, by their counts."""
    return {head_name(number): head_of(number, count) for number, count in counts.items()}
