"""Pseudonyms for addresses, which preserve prefixes. The same address and key give the same pseudonym.

The scheme is Crypto-PAn (J. Xu, J. Fan, M. H. Ammar, S. B. Moon: "Prefix-Preserving IP Address Anonymization",
IEEE ICNP 2002, https://doi.org/10.1109/ICNP.2002.1181415), for IPv6 over 128 bits. The pseudonyms of two addresses
share as many leading bits as the addresses. Anyone who knows the key, or some of the addresses, can learn about the
others: the key is a secret, and pseudonyms are still personal data.

`privacy` applies pseudonyms to the columns of records.
"""

from ipaddress import IPv6Address

import numpy as np
import numpy.typing as npt
import polars as pl
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from cybersec_assets.errors import SettingsError
from cybersec_assets.flows.parsing.addresses import IPV4
from cybersec_assets.redaction import decode_base64

KEY_BYTES = 32
BLOCK_BYTES = 16
BATCH_SIZE = 4_096
"""How many addresses are encrypted at once. Each IPv6 address needs 2 KiB, and small batches fit the cache."""
NAME_DIGITS = 16


def read_key(text: str) -> bytes:
    """Return the key that `FLOWS_PSEUDONYM_KEY` contains.

    Raises:
        SettingsError: The text is not 32 bytes in base64. The message does not contain the text.
    """
    key = decode_base64(text.strip())
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"FLOWS_PSEUDONYM_KEY is not a key of {KEY_BYTES} bytes in base64",
            "Make one with `openssl rand -base64 32`",
        )
    return key


class Pseudonyms:
    """The pseudonyms of one key.

    Args:
        key: 32 bytes. The first half is the AES-128 key; the second half, encrypted, is the pad.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(AES(key[:BLOCK_BYTES]), ECB())  # noqa: S305 - the scheme encrypts one independent block per bit
        self._pad = self._encrypted(key[BLOCK_BYTES:])
        self._key = key

    def __reduce__(self) -> tuple[type["Pseudonyms"], tuple[bytes]]:
        """Pickle the key, because a cipher cannot be pickled."""
        return Pseudonyms, (self._key,)

    def of(self, addresses: pl.Series) -> pl.Series:
        """Return the pseudonyms of addresses.

        Args:
            addresses: Strings.

        Returns:
            As many strings. The pseudonym of an IPv4 or IPv6 address is an address of the same kind, as `ipaddress`
            writes it. Any other text, and the zone of an IPv6 address, becomes `name-` and 16 hexadecimal digits.
            Nulls stay null.
        """
        clear = addresses.drop_nulls().unique()
        # At least one batch, so that there is a table even without addresses.
        parts = [self._batch(clear.slice(start, BATCH_SIZE)) for start in range(0, len(clear) or 1, BATCH_SIZE)]
        known = pl.concat(parts)
        return addresses.replace_strict(known["clear"], known["pseudonym"], return_dtype=pl.String)

    def _batch(self, clear: pl.Series) -> pl.DataFrame:
        """Return a table of `clear` and `pseudonym`, in any order."""
        is_v4 = clear.str.contains(IPV4)
        v4 = clear.filter(is_v4)
        others = clear.filter(~is_v4)
        pseudonyms = pl.concat([self._of_v4(v4), self._of_others(others.to_list())])
        return pl.DataFrame({"clear": pl.concat([v4, others]), "pseudonym": pseudonyms})

    def _of_v4(self, addresses: pl.Series) -> pl.Series:
        octets = addresses.str.split_exact(".", 3).struct.unnest().cast(pl.UInt8).to_numpy(order="c")
        mapped = pl.DataFrame(octets ^ self._flips(octets), orient="row")
        return mapped.select(pl.concat_str(pl.all(), separator=".")).to_series()

    def _of_others(self, texts: list[str]) -> pl.Series:
        packed = [_packed(text) for text in texts]
        clear = np.frombuffer(b"".join(packed), np.uint8).reshape(-1, 16)
        mapped = iter(clear ^ self._flips(clear))
        return pl.Series(
            [
                str(IPv6Address(next(mapped).tobytes())) + self._zone(text) if address else self._name(text)
                for text, address in zip(texts, packed, strict=True)
            ],
            dtype=pl.String,
        )

    def _flips(self, clear: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the bits to flip.

        Bit i is the first bit of an encrypted block, which consists of the i bits before it and the rest of the pad.

        Args:
            clear: Addresses, each a row of bytes.
        """
        count, size = clear.shape
        before = np.packbits(np.tri(8 * size, 8 * BLOCK_BYTES, k=-1, dtype=bool), axis=1)
        blocks = np.pad(clear, [(0, 0), (0, BLOCK_BYTES - size)])
        # Working on eight bytes at once takes NumPy two thirds of the time.
        kept = blocks.view(np.uint64)[:, None, :] & before.view(np.uint64)
        encrypted = self._encrypted((kept | (self._pad & ~before).view(np.uint64)).view(np.uint8).data)
        return np.packbits((encrypted[::BLOCK_BYTES] >> 7).reshape(count, 8 * size), axis=1)

    def _encrypted(self, blocks: bytes | memoryview) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self._cipher.encryptor().update(blocks), np.uint8)

    def _zone(self, address: str) -> str:
        """Return the pseudonym of an IPv6 zone (RFC 4007), which may contain a hardware address."""
        _, mark, zone = address.partition("%")
        return mark and f"%{self._name(zone)}"

    def _name(self, text: str) -> str:
        mac = HMAC(self._key, SHA256())
        mac.update(text.encode())
        return f"name-{mac.finalize().hex()[:NAME_DIGITS]}"


def _packed(text: str) -> bytes:
    """Return the 16 bytes of an IPv6 address, or no bytes if the text is not one."""
    try:
        return IPv6Address(text).packed
    except ValueError:
        return b""
