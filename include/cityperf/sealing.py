"""Sealed files: streaming authenticated encryption, in chunks, under keys that can be rotated.

A sealed file is `MAGIC`, the id of its key (8 hex digits), 32 random bytes, and the content in chunks of a
megabyte, each by AES-256-GCM under a key made for this file alone (HKDF of the key, the random bytes and what the
file is). A chunk's nonce is its number and whether it is the last one: chunks cut off, left out, swapped or taken
from another file do not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from cityperf.config import Settings
from cityperf.errors import CityperfError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"cityperf sealed 1\n"
CHUNK: Final = 1 << 20  # bytes of content under one tag
TAG: Final = 16
SALT: Final = 32
KEY_ID: Final = 8
HEAD: Final = len(MAGIC) + KEY_ID + SALT
VARIABLE: Final = "CITYPERF_LANDING_KEY"
SECRET: Final = "landing"  # noqa: S105 - its name in the secrets file
RUNBOOK: Final = "docs/runbooks/landing_key.md"


class KeyMissing(CityperfError):
    """No key at hand opens the file."""


class Tampered(CityperfError):
    """A sealed file is not what was sealed: changed, cut, or under another name."""


@dataclass(frozen=True)
class Keys:
    """Keys of 32 bytes by id, the newest first: it seals, all of them open."""

    by_id: dict[str, bytes]

    @property
    def newest(self) -> str:
        return next(iter(self.by_id))


def key_id(key: bytes) -> str:
    """What a key is called: it tells nothing of the key."""
    return hashlib.sha256(b"cityperf key id" + key).hexdigest()[:KEY_ID]


def new_key() -> str:
    """A fresh key, as CITYPERF_LANDING_KEY and the secrets file write it."""
    return base64.b64encode(os.urandom(32)).decode()


def keys_of(settings: Settings) -> Keys:
    """The keys of CITYPERF_LANDING_KEY, then those of the home's secrets file; one is made if there is none at all.

    Raises KeyMissing when what stands there is no key.
    """
    listed = [(VARIABLE, each) for each in os.environ.get(VARIABLE, "").replace(",", " ").split()]
    kept = settings.secrets().get(SECRET, "")
    if not listed and not kept:
        kept = settings.change_secret(SECRET, lambda before: before or new_key())
    listed += [("the secrets file", each) for each in kept.split()]
    return Keys({key_id(key): key for key in (_decoded(text, where) for where, text in listed)})


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise KeyMissing(
            f"expected 32 bytes in base64 as a landing key, found something else in {where}; see {RUNBOOK}"
        )
    return key


def rotate(settings: Settings) -> str:
    """Add a fresh key to the home's secrets file; it seals from now on. Returns its id.

    Raises KeyMissing while CITYPERF_LANDING_KEY names the keys: then a new one belongs there, in front.
    """
    if os.environ.get(VARIABLE, "").strip():
        raise KeyMissing(
            f"expected {VARIABLE} to be empty, found a key; put a new one in front of it, with a space between: "
            f"{RUNBOOK}"
        )
    keys_of(settings)
    kept = settings.change_secret(SECRET, lambda before: f"{new_key()} {before}".strip())
    return key_id(_decoded(kept.split()[0], "the secrets file"))


def seal(keys: Keys, plain: IO[bytes], sealed: IO[bytes], what: str) -> str:
    """Seal all that `plain` still gives; returns the id of the key. `what` (a name) must be said again to open it."""
    used, salt = keys.newest, os.urandom(SALT)
    cipher = _cipher(keys.by_id[used], salt, what)
    sealed.write(MAGIC + used.encode() + salt)
    chunk, number = _full(plain, CHUNK), 0
    while True:
        following = _full(plain, CHUNK) if len(chunk) == CHUNK else b""
        sealed.write(cipher.encrypt(_nonce(number, last=not following), chunk, None))
        if not following:
            return used
        chunk, number = following, number + 1


def unsealed(keys: Keys, sealed: IO[bytes], what: str, where: str = "") -> Iterator[bytes]:
    """The content, a megabyte at a time. Take no part of it for granted before the end has come.

    Raises KeyMissing when its key is not at hand and Tampered when it is not what was sealed as `what`; `where` is
    the place to name in the message.
    """
    from cryptography.exceptions import InvalidTag

    where = where or what
    head = _full(sealed, HEAD)
    if len(head) < HEAD or not head.startswith(MAGIC):
        raise Tampered(_changed(where, "a head that is none"))
    used = head[len(MAGIC) : len(MAGIC) + KEY_ID].decode("ascii", "replace")
    if used not in keys.by_id:
        raise KeyMissing(
            f"expected the key {used}, which sealed {where}, found only {', '.join(keys.by_id)}; put it behind "
            f"the others in {VARIABLE}, or bring the home's secrets.json back from its backup: {RUNBOOK}"
        )
    cipher = _cipher(keys.by_id[used], head[-SALT:], what)
    chunk, number = _full(sealed, CHUNK + TAG), 0
    while True:
        following = _full(sealed, CHUNK + TAG) if len(chunk) == CHUNK + TAG else b""
        try:
            yield cipher.decrypt(_nonce(number, last=not following), chunk, None)
        except (InvalidTag, ValueError):
            raise Tampered(
                _changed(where, f"another content from byte {HEAD + number * (CHUNK + TAG)} on")
            ) from None
        if not following:
            return
        chunk, number = following, number + 1


def key_of(path: Path) -> str:
    """The id of the key that sealed the file. Raises Tampered when it is no sealed file."""
    with path.open("rb") as handle:
        head = handle.read(HEAD)
    if len(head) < HEAD or not head.startswith(MAGIC):
        raise Tampered(_changed(str(path), "a head that is none"))
    return head[len(MAGIC) : len(MAGIC) + KEY_ID].decode("ascii", "replace")


def _changed(where: str, found: str) -> str:
    return f"expected {where} as it was sealed, found {found}; bring it back from its backup"


def _cipher(key: bytes, salt: bytes, what: str) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt, MAGIC + what.encode()).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _full(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes, fewer only at the end: a pipe or a gzip may give less than it was asked for."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
