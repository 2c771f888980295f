"""Settings: what a profile shares with nobody, and what is remembered."""

from __future__ import annotations

import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from cityperf.config import PROFILES, ROLES, Settings
from pytest_socket import SocketBlockedError


def test_profiles_of_one_home_share_no_folder_and_no_database(tmp_path: Path) -> None:
    each = [Settings(profile=name, home=tmp_path) for name in PROFILES]  # type: ignore[arg-type]
    for of in (
        "base",
        "landing",
        "releases",
        "drop",
        "logs",
        "run",
        "airflow_home",
        "warehouse_db",
        "airflow_db",
    ):
        assert len({getattr(settings, of) for settings in each}) == len(PROFILES), of


def test_an_unknown_profile_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYPERF_PROFILE", "production")
    with pytest.raises(ValueError, match=r"'production'.*sample, replay, live"):
        Settings.from_env()


def test_the_environment_names_home_seed_scale_and_replay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CITYPERF_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("CITYPERF_SEED", "7")
    monkeypatch.setenv("CITYPERF_SCALE", "0.25")
    monkeypatch.setenv("CITYPERF_REPLAY", str(tmp_path / "replay.yml"))
    settings = Settings.from_env("replay")
    assert (settings.home, settings.seed, settings.scale) == (tmp_path / "h", 7, 0.25)
    assert settings.replay_file == tmp_path / "replay.yml"
    assert settings.profile == "replay"


def test_passwords_are_made_once_and_only_the_owner_may_read_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: json.dumps(settings.secrets()), range(16)))
    assert len(set(seen)) == 1
    assert stat.S_IMODE((tmp_path / "home" / "secrets.json").stat().st_mode) == 0o600
    made = settings.secrets()
    assert {*ROLES, "admin", "airflow_admin", "fernet"} <= set(made)
    assert len({made[role] for role in ROLES}) == len(ROLES)


def test_the_url_of_a_role_names_its_own_user_port_and_database(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.run.mkdir(parents=True)
    (settings.run / "ports.json").write_text('{"postgres": 23456}')
    for role in ROLES:
        parts = urlsplit(settings.dsn(role))
        assert (parts.username, parts.hostname, parts.port) == (role, "127.0.0.1", 23456)
        assert parts.path == "/warehouse_sample"
        assert unquote(parts.password or "") == settings.secrets()[role]


def test_before_the_first_start_the_url_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cityperf up"):
        Settings(home=tmp_path).dsn("loader")


def test_an_external_server_keeps_its_options_and_gives_admin_its_own_password(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, database_url="postgresql://dba:s%40fe@db.example:6543/postgres?sslmode=require"
    )
    assert settings.dsn("admin") == "postgresql://dba:s%40fe@db.example:6543/warehouse_sample?sslmode=require"
    parts = urlsplit(settings.dsn("loader"))
    assert (parts.username, parts.hostname, parts.port, parts.query) == (
        "loader",
        "db.example",
        6543,
        "sslmode=require",
    )
    assert "s%40fe" not in settings.dsn("loader")


def test_unit_tests_are_kept_off_the_network() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket()


def test_live_has_no_portal(tmp_path: Path) -> None:
    assert Settings(profile="live", home=tmp_path).portal_url is None
