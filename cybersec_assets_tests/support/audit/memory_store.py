"""A store in memory that counts what it is asked, and heads that need no keeper."""

from bisect import bisect_right
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.heads.head import head_name, make_head, signed
from cybersec_assets.audit.heads.writer import HeadWriter
from cybersec_assets.errors import ObjectMissingError
from cybersec_assets.stores.base import StoredObject, utc_now

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
PREFIX, BUCKET = "test", "test-eval"
HASH = "ab" * 32
MOST_QUESTIONS = 500


class MemoryStore:
    """One bucket of objects; whoever asks without end is stopped."""

    def __init__(self, objects=()):
        """Begin with some objects, by their names."""
        self.objects = dict(objects)
        self.questions = 0

    def create(self, bucket, name, file, _fingerprint):
        """Take a file under a name that is free."""
        assert bucket == BUCKET
        if name in self.objects:
            return False
        self.objects[name] = file.read_bytes()
        return True

    def chunks(self, bucket, name):
        """Give an object in two pieces."""
        assert bucket == BUCKET
        if name not in self.objects:
            raise ObjectMissingError(f"{name} is gone", "Restore it")
        content = self.objects[name]
        yield from (content[:7], content[7:])

    def entries(self, bucket, prefix="", *, after="", limit=None):
        """List names."""
        assert bucket == BUCKET
        self.questions += 1
        assert self.questions < MOST_QUESTIONS, "the store is asked without end"
        names = sorted(name for name in self.objects if name.startswith(prefix))
        found = islice(names, bisect_right(names, after), None)
        return (StoredObject(name, utc_now()) for name in islice(found, limit))


def make_keeper(store):
    """Give a keeper for a store."""
    return HeadWriter(store, PREFIX, KEY)


def head_of(number, count, key=KEY):
    """Write a head as its object's bytes."""
    return signed(make_head(number, count, HASH), key)


def heads_of(counts):
    """Write heads by their numbers, as a store holds them."""
    return {head_name(number): head_of(number, count) for number, count in counts.items()}
