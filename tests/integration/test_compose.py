"""docker-compose.yml, Dockerfile and .env.example, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from cityperf import cli
from cityperf.config import ROOT

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PASSWORDS = {"POSTGRES_PASSWORD": "one", "REDIS_PASSWORD": "two"}


def config(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed (Debian's package docker-compose)")
    shutil.copy(FILE, folder)
    kept = {name: value for name, value in os.environ.items() if name not in PASSWORDS}
    return subprocess.run(
        ["docker-compose", "config", "-q"], cwd=folder, env=kept | env, capture_output=True, text=True
    )


@pytest.mark.parametrize("missing", list(PASSWORDS))
def test_a_password_that_is_not_given_is_refused_by_name(missing: str, tmp_path: Path) -> None:
    given = {name: value for name, value in PASSWORDS.items() if name != missing}
    done = config(tmp_path, **given)
    assert done.returncode != 0
    assert f"set {missing} in .env" in done.stderr


def test_compose_reads_the_file_once_the_passwords_are_given(tmp_path: Path) -> None:
    done = config(tmp_path, **PASSWORDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_password_has_a_default() -> None:
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"\$\{(\w*PASSWORD\w*)", FILE.read_text()))
    assert named == set(PASSWORDS)
    for name in named:
        assert re.search(rf"^{name}=$", example, re.MULTILINE), name
        assert not re.search(rf"\${{{name}:?-", FILE.read_text()), name
    assert re.search(r"^\.env$", (ROOT / ".dockerignore").read_text(), re.MULTILINE), "into no image"


@pytest.mark.parametrize("name", list(SERVICES))
def test_every_service_has_init_and_all_that_stay_have_a_health_check(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    if name == "setup":  # it ends: others wait for that
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def modules(words: list[str]) -> list[str]:
    """The Python modules that a command runs, by `exec MODULE`."""
    return [words[n + 1] for n, word in enumerate(words) if word == "exec"]


@pytest.mark.parametrize("name", list(OURS))
def test_every_command_and_health_check_of_ours_exists(name: str) -> None:
    service = OURS[name]
    command = cli.cli.get_command(click.Context(cli.cli), service["command"][0])
    assert isinstance(command, click.Command)
    assert service["command"][0] != "exec" or modules(service["command"])
    check = " ".join(service.get("healthcheck", {}).get("test", [])).split()
    for module in [*modules(service["command"]), *modules(check)]:
        assert importlib.util.find_spec(f"{module}.__main__"), module
    assert "curl" not in check or "curl" in (ROOT / "Dockerfile").read_text()


def test_only_loopback_is_published_and_all_parts_share_one_state_volume() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    home = re.search(r"CITYPERF_HOME=(\S+)", (ROOT / "Dockerfile").read_text())
    assert home
    assert {tuple(service["volumes"]) for service in OURS.values()} == {(f"state:{home[1]}",)}


def test_the_image_is_built_from_the_lock_file_with_hashes_and_runs_as_a_normal_user() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock" in text
    assert text.index("USER cityperf") < text.index("ENTRYPOINT")
    assert 'ENTRYPOINT ["python", "-m", "cityperf.cli"]' in text
    assert "PYTHONPATH=/opt/cityperf/include" in text
