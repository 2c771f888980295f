"""Mail to divisions and stewards: by SMTP where one is configured, and always as a file in the digests folder.

`CITYPERF_SMTP`, or `smtp.url` in the profile's folder, is `smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS` (`smtps://` for
TLS from the start); who has which address stands in `addresses.json` beside it: `{"Transportation Services": "…@…"}`. Only
the live profile sends. The file is also the record of what was sent: the same text is not sent twice.
"""

from __future__ import annotations

import json
import os
import smtplib
import ssl
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from cityperf.config import Settings
from cityperf.handin import division_key
from cityperf.handin.receipt import Receipt, put
from cityperf.handin.render import OUTCOMES, both, text

VARIABLE: Final = "CITYPERF_SMTP"
SERVER: Final = "smtp.url"
ADDRESSES: Final = "addresses.json"
PATIENCE: Final = 20.0  # seconds for the mail server to answer
UNSENT: Final = ".unsent.txt"


def send_receipt(settings: Settings, receipt: Receipt) -> Path:
    """Mail a receipt to its division, once; returns the file with its text."""
    subject = f"{both(OUTCOMES[receipt.outcome])}: {receipt.file}"
    return send(settings, receipt.night, receipt.division, f"receipt_{receipt.file}", subject, text(receipt))


def send(
    settings: Settings,
    night: date,
    to: str,
    name: str,
    subject: str,
    body: str,
    *,
    html: str | None = None,
    once: bool = False,
) -> Path:
    """Mail `body`, and `html` beside it, to a division or steward unless the same was sent on that night already; with
    `once` unless anything was sent under this `name`.

    What cannot be sent (no server, no address, a server that fails) lies there as `.unsent.txt`, with the reason in its
    first lines, and is tried again with the next call.
    """
    folder = settings.base / "digests" / night.isoformat() / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{division_key(to)}_{name}.txt"
    unsent = path.with_suffix(UNSENT)
    content = f"To: {to}\nSubject: {subject}\n\n{body}".encode()
    if path.is_file() and (once or path.read_bytes() == content):
        return path
    problem = _post(settings, to, subject, body, html) if settings.profile == "live" else None
    if problem is None:
        put(path, content)
        unsent.unlink(missing_ok=True)
        return path
    put(unsent, f"Not sent: {problem}\n".encode() + content)
    return unsent


def _post(settings: Settings, to: str, subject: str, body: str, html: str | None) -> str | None:
    """Send one mail; returns why it could not be, or None when it was."""
    url = os.environ.get(VARIABLE) or _remembered(settings)
    if not url:
        return f"no mail server is configured ({VARIABLE}, or {SERVER} in the profile's folder)"
    try:
        address = addresses(settings).get(to)
    except ValueError as broken:
        return f"expected JSON with an address for each name in {ADDRESSES}, found {broken}"
    if not address:
        return f"expected an address for {to!r} in {ADDRESSES}, found none"
    parts = urlsplit(url)
    message = EmailMessage()
    message["From"] = parse_qs(parts.query).get("from", ["cityperf@localhost"])[0]
    message["To"], message["Subject"] = address, " ".join(subject.split())
    message.set_content(body)
    if html:
        message.add_alternative(html, subtype="html")
    secure = parts.scheme == "smtps"
    try:
        kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
        with kind(
            parts.hostname or "localhost", parts.port or (465 if secure else 25), timeout=PATIENCE
        ) as server:
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                secure = True
            if parts.username and not secure:
                return f"expected a server that encrypts before a password is sent, found none at {parts.hostname}"
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as failure:
        return f"{type(failure).__name__}: {failure}"
    return None


def _remembered(settings: Settings) -> str:
    """The server of a stack that systemd or cron starts, which knows nobody's environment."""
    path = settings.base / SERVER
    return path.read_text().strip() if path.is_file() else ""


def addresses(settings: Settings) -> dict[str, str]:
    """Addresses by name of division or steward; empty where nobody wrote any down."""
    path = settings.base / ADDRESSES
    return {str(k): str(v) for k, v in json.loads(path.read_text()).items()} if path.is_file() else {}
