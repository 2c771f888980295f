"""Delivery of drop folders: what a division would have put there by a night, fetched from the portal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from cityperf.config import ROOT, Settings
from cityperf.portal import NIGHT_HEADER, REPLAY_HEADER


def deliver_drops(settings: Settings, night: date, folders: Mapping[str, str] | None = None) -> list[Path]:
    """Put the files handed in by `night` into `settings.drop/<folder>/`; returns the ones that are new or
    changed.

    `folders` maps folder to data set and is read from the contracts when not given. A file arrives whole or
    not at all, dated as the portal dates it (else the night); an unchanged file is left untouched, and a file
    that somebody put there by hand is never removed. A folder that the replay does not list is skipped. In
    the live profile people drop files themselves, so nothing is done. Raises ConnectionError or
    requests.HTTPError when the portal fails.
    """
    if settings.portal_url is None:
        return []
    delivered: list[Path] = []
    with requests.Session() as session:
        session.headers[NIGHT_HEADER] = night.isoformat()
        session.trust_env = False  # a proxy setting must never stand between us and our own loopback
        for folder in sorted(folders if folders is not None else dict(drop_folders())):
            listing = session.get(f"{settings.portal_url}/drop/{folder}/", timeout=(5, 60))
            if listing.status_code == 404 and (
                listing.headers.get(REPLAY_HEADER) or settings.profile == "sample"
            ):
                continue
            listing.raise_for_status()
            for entry in listing.json():
                path = settings.drop / folder / _plain_name(entry["name"], folder)
                if _fetch(session, settings.portal_url + entry["url"], path, night):
                    delivered.append(path)
    return delivered


def drop_folders() -> Iterator[tuple[str, str]]:
    """(folder, data set) of every contract whose connector is a drop folder."""
    for path in sorted((ROOT / "include" / "sources").glob("*/*.yml")):
        contract: Any = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)  # the safe loader, in C
        extract = contract.get("extract", {}) if isinstance(contract, dict) else {}
        if extract.get("connector") == "drop_folder":
            yield str(extract["folder"]), str(contract["dataset"])


def _fetch(session: requests.Session, url: str, path: Path, night: date) -> bool:
    """Bring one file up to date; False when it already is."""
    headers = {"If-None-Match": f'"{_sha256(path)}"'} if path.is_file() else {}
    with session.get(url, headers=headers, stream=True, timeout=(5, 300)) as response:
        if response.status_code == 304:
            return False
        response.raise_for_status()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as handle:
                for chunk in response.iter_content(1 << 20):
                    handle.write(chunk)
                handle.flush()
                os.fsync(handle.fileno())
            expected = response.headers.get("Content-Length")
            found = temporary.stat().st_size
            if (
                expected is not None
                and response.headers.get("Content-Encoding") is None
                and int(expected) != found
            ):
                raise ConnectionError(
                    f"{url}: expected {expected} bytes, got {found}; deliver the night again"
                )
            moment = _last_modified(response, night).timestamp()
            os.utime(temporary, (moment, moment))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return True


def _last_modified(response: requests.Response, night: date) -> datetime:
    text = response.headers.get("Last-Modified")
    return parsedate_to_datetime(text) if text else datetime(night.year, night.month, night.day, tzinfo=UTC)


def _sha256(path: Path) -> str:
    from cityperf.portal.answers import file_sha256

    return file_sha256(path)


def _plain_name(name: str, folder: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\\" in name or name.startswith("."):
        raise ValueError(
            f"drop folder {folder!r} lists {name!r}, which is not a plain file name; it was not fetched"
        )
    return name
