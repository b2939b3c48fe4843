"""Damage to objects and signed heads in the store."""

import base64
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cybersec_assets.audit.heads.head import PURPOSE, make_head, signed
from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets_tests.support.verify.scene import apart, table_of


def a_missing_object(scene, rng):
    """Delete an object."""
    entry = rng.choice(scene.entries("SUCCESS"))
    scene.put(scene.object_of(entry), None)
    return [("object-missing", *apart(entry)[1:])]


def a_changed_object(scene, rng):
    """Change one byte of an object, truncate it, append to it or empty it."""
    entry = rng.choice(scene.entries("SUCCESS"))
    file = scene.object_of(entry)
    content = file.read_bytes()
    place = rng.randrange(len(content))
    flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    scene.put(file, rng.choice([flipped, content[:place], content + b"\0", b""]))
    return [_changed(entry)]


def missing_rejected_lines(scene, rng):
    """Delete the quarantine object of a phase, whether it failed or not."""
    entry = rng.choice(scene.with_rejected_lines())
    scene.put(scene.quarantine_of(entry), None)
    return [("object-missing", *apart(entry)[1:])]


def changed_rejected_lines(scene, rng):
    """Change a quarantine object, and for some also remove it from the row."""
    entry = rng.choice(scene.with_rejected_lines())
    scene.put(scene.quarantine_of(entry), b"other lines")
    if rng.randrange(2):
        return [_changed(entry)]
    scene.sql(f"UPDATE public.ingestion_events SET rejected = NULL WHERE journal_seq = {entry.seq}")
    return [apart(entry), _changed(entry)]


def swapped_objects(scene, rng):
    """Swap the names of two objects."""
    a, b = rng.sample(scene.entries("SUCCESS"), 2)
    bytes_of_a = scene.object_of(a).read_bytes()
    bytes_of_b = scene.object_of(b).read_bytes()
    scene.put(scene.object_of(a), bytes_of_b)
    scene.put(scene.object_of(b), bytes_of_a)
    return [_changed(a), _changed(b)]


def an_object_and_its_row(scene, rng):
    """Change an object, and its size and hash in the row."""
    entry = rng.choice(scene.entries("SUCCESS"))
    scene.put(scene.object_of(entry), b"other bytes")
    scene.sql(
        f"UPDATE public.{table_of(entry)} SET size_bytes = 11, sha256 = encode(sha256('other bytes'), 'hex') "
        f"WHERE journal_seq = {entry.seq}"
    )
    return [apart(entry), _changed(entry)]


def a_missing_head(scene, rng):
    """Delete a head that is not the last."""
    number = rng.choice(_numbers(scene)[:-1])
    scene.put(scene.head(number), None)
    return [("head-missing", "audit-heads", number)]


def missing_heads(scene, rng):
    """Delete some heads."""
    numbers = _numbers(scene)[:-1]
    begin = rng.randrange(len(numbers) - 2)
    gone = numbers[begin : begin + 3]
    for number in gone:
        scene.put(scene.head(number), None)
    return [("head-missing", "audit-heads", number) for number in gone]


def a_changed_head(scene, rng):
    """Change a head's count, hash or time."""
    number = rng.choice(_numbers(scene))
    document = json.loads(scene.head(number).read_bytes())
    head = json.loads(document["head"])
    change = rng.choice([{"count": head["count"] + 1}, {"hash": "0" * 64}, {"time": "2020-01-01T00:00:00+00:00"}])
    scene.put(scene.head(number), json.dumps(document | {"head": json.dumps(head | change)}).encode())
    return [_signature(number)]


def a_changed_signature(scene, rng):
    """Change a byte of a signature."""
    number = rng.choice(_numbers(scene))
    document = json.loads(scene.head(number).read_bytes())
    raw = bytearray(base64.b64decode(document["signature"]))
    raw[rng.randrange(len(raw))] ^= 1
    scene.put(scene.head(number), json.dumps(document | {"signature": base64.b64encode(raw).decode()}).encode())
    return [_signature(number)]


def a_spoilt_head(scene, rng):
    """Replace a head by something else."""
    number = rng.choice(_numbers(scene))
    whole = scene.head(number).read_bytes()
    other_types = json.dumps(json.loads(whole) | {"head": 1}).encode()
    spoilt = [b"", whole[:-9], b"\xff\xfe", b"[]", b"null", b'{"head": "{}"}', other_types]
    scene.put(scene.head(number), rng.choice(spoilt))
    return [_signature(number)]


def a_copied_head(scene, rng):
    """Overwrite a head with another one."""
    to, source = rng.sample(_numbers(scene), 2)
    scene.put(scene.head(to), scene.head(source).read_bytes())
    return [_signature(to)]


def swapped_heads(scene, rng):
    """Swap the numbers of two heads."""
    a, b = rng.sample(_numbers(scene), 2)
    bytes_of_a = scene.head(a).read_bytes()
    bytes_of_b = scene.head(b).read_bytes()
    scene.put(scene.head(a), bytes_of_b)
    scene.put(scene.head(b), bytes_of_a)
    return [_signature(a), _signature(b)]


def a_head_by_an_unknown_key(scene, rng):
    """Sign a head with another key."""
    number = rng.choice(_numbers(scene))
    scene.put(scene.head(number), _signed_by_another_key(scene, number))
    return [("head-key", "audit-heads", number)]


def a_head_with_a_false_key_name(scene, rng):
    """Sign a head with another key under the name of the trusted one."""
    number = rng.choice(_numbers(scene))
    known = json.loads(scene.head(number).read_bytes())["key"]
    forged = json.loads(_signed_by_another_key(scene, number)) | {"key": known}
    scene.put(scene.head(number), json.dumps(forged).encode())
    return [_signature(number)]


def a_signature_for_another_purpose(scene, rng):
    """Replace a signature by one that the trusted key made for another purpose."""
    number = rng.choice(_numbers(scene))
    document = json.loads(scene.head(number).read_bytes())
    key = signing_key(scene.home, None)
    assert not document["head"].startswith(PURPOSE.decode())
    forged = base64.b64encode(key.sign(document["head"].encode())).decode()
    scene.put(scene.head(number), json.dumps(document | {"signature": forged}).encode())
    return [_signature(number)]


def no_heads(scene, rng):
    """Delete all heads."""
    for number in sorted(_numbers(scene), key=lambda _: rng.random()):
        scene.put(scene.head(number), None)
    return [("head-missing", "audit-heads", 1)]


def _numbers(scene):
    """Return the heads that a check reads from the scene's first entry on."""
    return [number for number, count in scene.counts().items() if count >= scene.first]


def _signed_by_another_key(scene, number):
    head = json.loads(json.loads(scene.head(number).read_bytes())["head"])
    return signed(make_head(number, head["count"], head["hash"]), Ed25519PrivateKey.generate())


def _changed(entry):
    return ("object-changed", *apart(entry)[1:])


def _signature(number):
    return ("head-signature", "audit-heads", number)


OBJECTS = (
    *(a_missing_object, a_changed_object, swapped_objects, an_object_and_its_row),
    *(missing_rejected_lines, changed_rejected_lines),
)
HEADS = (
    *(a_missing_head, missing_heads, a_changed_head, a_changed_signature, a_spoilt_head, a_copied_head),
    *(swapped_heads, a_head_by_an_unknown_key, a_head_with_a_false_key_name, a_signature_for_another_purpose),
)
