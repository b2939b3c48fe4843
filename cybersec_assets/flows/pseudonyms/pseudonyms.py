"""Addresses replaced by pseudonyms: the same for the same address and key, in the same subnets as before.

The scheme is Crypto-PAn (J. Xu, J. Fan, M. H. Ammar, S. B. Moon: "Prefix-Preserving IP Address Anonymization",
IEEE ICNP 2002, https://doi.org/10.1109/ICNP.2002.1181415), for IPv6 over 128 bits: two addresses share as many
leading bits after it as before. Who knows the key, or some of the addresses, learns about the others: pseudonyms are
still personal data, and the key is a secret.

What does not belong here: which columns hold addresses, and whether anybody wants pseudonyms.
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
AT_ONCE = 4_096
"""Addresses that are encrypted together: IPv6 takes 2 KiB of blocks for each, and what fits the cache is faster."""
NAME_DIGITS = 16


def read_key(text: str) -> bytes:
    """Read the key from the text that `FLOWS_PSEUDONYM_KEY` holds.

    Raises:
        SettingsError: It is not 32 bytes in base64; the key itself is not told.
    """
    key = decode_base64(text.strip())
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"FLOWS_PSEUDONYM_KEY holds no key of {KEY_BYTES} bytes in base64",
            "Make one with `openssl rand -base64 32`",
        )
    return key


class Pseudonyms:
    """What stands for addresses under one key.

    Args:
        key: 32 bytes; the first half is the AES-128 key, the second half, encrypted, is the pad.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(AES(key[:BLOCK_BYTES]), ECB())  # noqa: S305 - the scheme is one block a bit, none chained
        self._pad = self._encrypted(key[BLOCK_BYTES:])
        self._key = key

    def __reduce__(self) -> tuple[type["Pseudonyms"], tuple[bytes]]:
        """Go to another process as the key: a cipher cannot."""
        return Pseudonyms, (self._key,)

    def of(self, addresses: pl.Series) -> pl.Series:
        """Give the pseudonyms of addresses.

        Args:
            addresses: Strings.

        Returns:
            As many strings. An IPv4 or IPv6 address gives one of its kind in the spelling of `ipaddress`; any other
            text, an IPv6 address's zone too, gives `name-` and 16 hexadecimal digits; nulls stay null.
        """
        clear = addresses.drop_nulls().unique()
        # One batch at least, so that there is a table where there are no addresses.
        parts = [self._batch(clear.slice(start, AT_ONCE)) for start in range(0, len(clear) or 1, AT_ONCE)]
        known = pl.concat(parts)
        return addresses.replace_strict(known["clear"], known["pseudonym"], return_dtype=pl.String)

    def _batch(self, clear: pl.Series) -> pl.DataFrame:
        """Give a table of `clear` and `pseudonym`, in any order."""
        dotted = clear.str.contains(IPV4)
        v4, others = clear.filter(dotted), clear.filter(~dotted)
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
        """Give the bits to flip: bit i is the first of the encrypted block of the i bits before it and the pad's rest.

        Args:
            clear: Addresses, a row of bytes each.
        """
        count, size = clear.shape
        before = np.packbits(np.tri(8 * size, 8 * BLOCK_BYTES, k=-1, dtype=bool), axis=1)
        blocks = np.pad(clear, [(0, 0), (0, BLOCK_BYTES - size)])
        # Numpy takes two thirds of the time for eight bytes at once.
        kept = blocks.view(np.uint64)[:, None, :] & before.view(np.uint64)
        encrypted = self._encrypted((kept | (self._pad & ~before).view(np.uint64)).view(np.uint8).data)
        return np.packbits((encrypted[::BLOCK_BYTES] >> 7).reshape(count, 8 * size), axis=1)

    def _encrypted(self, blocks: bytes | memoryview) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self._cipher.encryptor().update(blocks), np.uint8)

    def _zone(self, address: str) -> str:
        """Give a pseudonym of what an IPv6 address has behind its `%` (RFC 4007), which may hold a hardware address."""
        _, mark, zone = address.partition("%")
        return mark and f"%{self._name(zone)}"

    def _name(self, text: str) -> str:
        mac = HMAC(self._key, SHA256())
        mac.update(text.encode())
        return f"name-{mac.finalize().hex()[:NAME_DIGITS]}"


def _packed(text: str) -> bytes:
    """Give an IPv6 address's 16 bytes, none where the text is no such address."""
    try:
        return IPv6Address(text).packed
    except ValueError:
        return b""
