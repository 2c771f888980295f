"""Named connections: a contract names one, its address and secret stand in the environment.

`connection: workforce` means the variable CITYPERF_CONNECTION_WORKFORCE. What is in it goes to the driver and
nowhere else: not into landing, the registry, a message or a log.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field

from cityperf.extract.refusal import Refused

# A URL does not fit this pattern, so nobody writes a password into a contract.
ConnectionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def variable(name: str) -> str:
    """The environment variable that a connection's secret stands in."""
    return f"CITYPERF_CONNECTION_{name.upper()}"


def secret(name: str) -> str | None:
    """What the variable holds; None when it is not set or empty."""
    return os.environ.get(variable(name)) or None


def lacking(name: str, example: str) -> Refused:
    """The refusal for a connection without its variable."""
    return Refused(
        f"an address in {variable(name)}",
        "no such variable",
        f"connection {name!r}",
        f"set it where the stack is started, such as {example}, then ./cityperf down and up",
    )


def hidden(text: str, *secrets: str | None) -> str:
    """`text` on one line of at most 300 characters, with every secret, plain or percent-encoded, as ***."""
    for each in sorted(filter(None, secrets), key=len, reverse=True):
        for shape in (each, quote(each, safe=""), quote(each)):
            text = text.replace(shape, "***")
    return " ".join(text.split())[:300]


@dataclass(frozen=True)
class Login:
    """A user with a password or a private key in OpenSSH's or PEM's text form."""

    user: str
    password: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)


def login(name: str) -> Login:
    """The login of an SFTP connection: `sftp://user:password@` or JSON with user and password or key.

    Raises Refused, without the variable's content, when it is missing or is neither.
    """
    text = secret(name)
    example = 'sftp://USER:PASSWORD@ or {"user": "USER", "key": "-----BEGIN ..."}'
    if text is None:
        raise lacking(name, example)
    said: dict[str, Any] = {}
    try:
        if text.lstrip().startswith("{"):
            said = json.loads(text)
        else:
            parts = urlsplit(text)
            if parts.scheme == "sftp" and parts.username and parts.password:
                said = {"user": unquote(parts.username), "password": unquote(parts.password)}
        return _login(said)
    except (ValueError, TypeError, KeyError):
        raise Refused(
            f"a login in {variable(name)}", "something else", f"connection {name!r}", f"write {example}"
        ) from None


def _login(said: dict[str, Any]) -> Login:
    if not said.get("password") and not said.get("key"):
        raise ValueError
    if not all(isinstance(value, str) for value in said.values()):
        raise TypeError
    return Login(**({"user": said["user"]} | said))
