"""Where a digest or a page goes: by mail, and to the chat channel of whoever has one.

`webhooks.json` in the profile's folder names channels as `addresses.json` names mail boxes:
`{"Performance Office": "https://hooks.slack.com/services/…"}`. Such an address is a secret: no message and no file of
ours repeats it.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cityperf.config import Settings
from cityperf.handin import division_key, mail
from cityperf.handin.receipt import put

WEBHOOKS: Final = "webhooks.json"
PATIENCE: Final = 10.0  # seconds for the chat server to answer
UNSENT: Final = ".unsent.json"
LOCAL: Final = ("127.0.0.1", "localhost", "::1")


def send(
    settings: Settings,
    night: date,
    to: str,
    name: str,
    subject: str,
    text: str,
    chat: str,
    html: str | None = None,
) -> list[Path]:
    """Tell one recipient, once a night and `name`; returns the records, `.unsent` where it could not be told.

    A repeat sends what could not be sent before and nothing else, whatever the text says by then.
    """
    sent = [mail.send(settings, night, to, name, subject, text, html=html, once=True)]
    channel = _post_once(settings, night, to, name, chat)
    return [*sent, channel] if channel else sent


def _post_once(settings: Settings, night: date, to: str, name: str, chat: str) -> Path | None:
    """Post to the recipient's channel; None where it has none."""
    try:
        url = webhooks(settings).get(to)
    except ValueError:
        url = ""  # told in the record below, as an address that is none
    if url is None:
        return None
    folder = settings.base / "digests" / night.isoformat() / "chat"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{division_key(to)}_{name}.json"
    if path.is_file():
        return path
    message = {"text": chat}
    problem = _post(url, message) if settings.profile == "live" else None
    unsent = path.with_suffix(UNSENT)
    told = message if problem is None else {"not_sent": problem, **message}
    put(path if problem is None else unsent, json.dumps(told, ensure_ascii=False, indent=1).encode())
    if problem is None:
        unsent.unlink(missing_ok=True)
        return path
    return unsent


def _post(url: str, message: dict[str, str]) -> str | None:
    """Why the message could not be posted, or None when it was."""
    import requests

    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOCAL:
        return f"expected an https address in {WEBHOOKS}, found none"
    try:
        answer = requests.post(url, json=message, timeout=PATIENCE, allow_redirects=False)
    except requests.RequestException as failure:
        return f"{parts.hostname} could not be reached ({type(failure).__name__})"
    return (
        None if answer.status_code == 200 else f"{parts.hostname} answered with status {answer.status_code}"
    )


def webhooks(settings: Settings) -> dict[str, str]:
    """Channels by name of steward; empty where nobody wrote any down. Raises ValueError for a file that is no JSON."""
    path = settings.base / WEBHOOKS
    return {str(k): str(v) for k, v in json.loads(path.read_text()).items()} if path.is_file() else {}
