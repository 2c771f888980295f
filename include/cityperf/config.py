"""Where things are: one frozen `Settings` per profile, made from the environment and remembered secrets.

Profiles share nothing: each has its own folder below `CITYPERF_HOME` (landing, database, Airflow, releases).
Only generated passwords are kept once per home, because roles belong to a database server, not to a database.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets as _secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal, NewType
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

TORONTO: Final = ZoneInfo("America/Toronto")
ROOT: Final = Path(__file__).resolve().parents[2]
PROFILES: Final = ("sample", "replay", "live")
# Linear algebra that takes every core for each of many processes makes all of them wait for one another: a night's
# forecasts then cost three times the processor. And threads that were made before a fork do not survive it.
ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
ROLES: Final = ("loader", "transformer", "publisher", "bi_reader", "airflow")
GROUPS: Final = ("division_reader", "division_window")  # roles without a login (decision 0033)

Profile = Literal["sample", "replay", "live"]
Role = Literal["loader", "transformer", "publisher", "bi_reader", "airflow", "admin"]
DivisionLogin = NewType("DivisionLogin", str)  # the role of one division; its password is kept under its name


def tonight() -> date:
    """Today's date in Toronto, for the command line and the schedule; logic takes `night` as an argument."""
    return datetime.now(TORONTO).date()


@dataclass(frozen=True)
class Settings:
    """Paths, addresses and passwords of one profile. Cheap to make: reads two small JSON files at most."""

    profile: Profile = "sample"
    home: Path = field(default_factory=lambda: ROOT / ".cityperf")
    database_url: str | None = None  # an external server (any role that may create roles and databases)
    replay_file: Path | None = None
    real_data: Path = field(default_factory=lambda: ROOT.parent / "shared" / "data")
    seed: int = 2026
    scale: float = 1.0

    @classmethod
    def from_env(cls, profile: str | None = None) -> Settings:
        """Settings from CITYPERF_* variables; an unknown profile is refused with the ones there are."""
        name = profile or os.environ.get("CITYPERF_PROFILE", "sample")
        if name not in PROFILES:
            raise ValueError(f"profile {name!r} is not known; expected one of {', '.join(PROFILES)}")
        home = Path(os.environ.get("CITYPERF_HOME") or ROOT / ".cityperf").expanduser().resolve()
        replay = os.environ.get("CITYPERF_REPLAY")
        real = os.environ.get("CITYPERF_REAL_DATA")
        return cls(
            profile=name,  # type: ignore[arg-type]  # checked against PROFILES above
            home=home,
            database_url=os.environ.get("CITYPERF_DATABASE_URL") or None,
            replay_file=Path(replay).resolve() if replay else None,
            real_data=Path(real).resolve() if real else ROOT.parent / "shared" / "data",
            seed=int(os.environ.get("CITYPERF_SEED", "2026")),
            scale=float(os.environ.get("CITYPERF_SCALE", "1")),
        )

    @property
    def base(self) -> Path:
        """The profile's own folder."""
        return self.home / self.profile

    @property
    def landing(self) -> Path:
        return self.base / "landing"

    @property
    def releases(self) -> Path:
        return self.base / "releases"

    @property
    def backup(self) -> Path:
        """Sealed rows of raw whose landed bytes were deleted after their time: a folder per data set."""
        return self.base / "backup"

    @property
    def drop(self) -> Path:
        """Where divisions drop files: one folder per data set."""
        return self.base / "drop"

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def run(self) -> Path:
        """PID files, locks and remembered ports."""
        return self.base / "run"

    @property
    def airflow_home(self) -> Path:
        return self.base / "airflow"

    @property
    def warehouse_db(self) -> str:
        return f"warehouse_{self.profile}"

    @property
    def airflow_db(self) -> str:
        return f"airflow_{self.profile}"

    # -- remembered values ---------------------------------------------------------------------------------
    def ports(self) -> dict[str, int]:
        """Ports remembered by the stack: postgres, airflow, portal (and triggerer, scheduler log servers)."""
        path = self.run / "ports.json"
        return {k: int(v) for k, v in json.loads(path.read_text()).items()} if path.exists() else {}

    def secrets(self) -> dict[str, str]:
        """Generated passwords and keys, kept in one 0600 file per home; created on first use."""
        path = self.home / "secrets.json"
        if not path.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            names = ("admin", *ROLES, "airflow_admin", "jwt", "api")
            made = {name: _secrets.token_urlsafe(24) for name in names}
            made["fernet"] = new_fernet_key()
            fd, temporary = tempfile.mkstemp(prefix="secrets.", dir=self.home)  # readable by its owner only
            with os.fdopen(fd, "w") as handle:
                json.dump(made, handle)
            try:
                os.link(temporary, path)  # first writer wins: two commands may start at once
            except FileExistsError:
                pass
            finally:
                Path(temporary).unlink()
        loaded: dict[str, str] = json.loads(path.read_text())
        return loaded

    def change_secret(self, name: str, change: Callable[[str], str]) -> str:
        """Put what `change` makes of a secret ('' if there is none yet) into the secrets file; returns it. '': taken out."""
        self.secrets()
        with (self.home / "secrets.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self.secrets()
            changed = change(known.pop(name, ""))
            if changed:
                known[name] = changed
            fd, temporary = tempfile.mkstemp(prefix="secrets.", dir=self.home)
            with os.fdopen(fd, "w") as handle:
                json.dump(known, handle)
                handle.flush()
                os.fsync(fd)  # a key that a power cut takes is a landing that nobody can read
            Path(temporary).replace(self.home / "secrets.json")
        return changed

    # -- addresses -----------------------------------------------------------------------------------------
    def dsn(self, role: Role | DivisionLogin = "bi_reader", database: str | None = None) -> str:
        """A libpq URL for a role; `admin` owns the server (embedded) or is CITYPERF_DATABASE_URL's user."""
        database = database or self.warehouse_db
        if self.database_url:
            parts = urlsplit(self.database_url)
            host = parts.hostname or "127.0.0.1"
            own = f"{role}:{quote(self.secrets()[role])}@{host}:{parts.port or 5432}"
            netloc = parts.netloc if role == "admin" else own
            return urlunsplit(("postgresql", netloc, f"/{database}", parts.query, ""))
        port = self.ports().get("postgres")
        if port is None:
            raise RuntimeError(
                f"no database is known for profile {self.profile!r}: expected {self.run / 'ports.json'}; "
                "run ./cityperf up first"
            )
        return f"postgresql://{role}:{quote(self.secrets()[role])}@127.0.0.1:{port}/{database}"

    @property
    def portal_url(self) -> str | None:
        """The portal that stands in for the internet; None in the live profile."""
        if self.profile == "live":
            return None
        override = os.environ.get("CITYPERF_PORTAL_URL")
        return override or f"http://127.0.0.1:{self.ports()['portal']}"


def new_fernet_key() -> str:
    """A key for what Airflow encrypts in its database."""
    import base64

    return base64.urlsafe_b64encode(os.urandom(32)).decode()
