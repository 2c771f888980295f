"""Commands around the stack: up, down, status, doctor, psql, dsn, schedule."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from cityperf import postgres
from cityperf import stack as stack_
from cityperf.cli import profile_option, settings
from cityperf.config import ROOT, Role, Settings
from cityperf.errors import CityperfError

ROLES: Final = ("bi_reader", "loader", "transformer", "publisher", "airflow", "admin")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


# -- up, down, status ----------------------------------------------------------------------------------------
@click.command()
@profile_option
@click.option(
    "--foreground", is_flag=True, help="Stay, until a signal ends the stack (for systemd, containers)."
)
def up(foreground: bool) -> None:
    """Start PostgreSQL, the portal and Airflow; return when all parts are healthy."""
    chosen = settings()
    if foreground:
        sys.exit(stack_.serve(chosen))
    begin = time.monotonic()
    stack_.up(chosen, tell=lambda text: click.echo(f"{time.monotonic() - begin:5.1f} s  {text}", err=True))
    click.echo(f"the stack of profile {chosen.profile} is healthy ({time.monotonic() - begin:.1f} s)")
    click.echo(f"Airflow    {stack_.airflow_url(chosen)}  user admin, password {_password(chosen)}")
    click.echo(f"Warehouse  {chosen.dsn('bi_reader')}")


@click.command()
@profile_option
def down() -> None:
    """Stop everything that `up` started, tasks included; what is loaded and published stays."""
    chosen = settings()
    stopped = stack_.down(chosen)
    click.echo(f"the stack of profile {chosen.profile} {'is stopped' if stopped else 'was not running'}")


@click.command()
@profile_option
@as_json
def status(as_json: bool) -> None:
    """What runs, since when, where to reach it, and the memory that it takes."""
    found = stack_.status(settings())
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"profile {found['profile']}: {found['state']}   ({found['home']})")
    if found["message"]:
        click.echo(found["message"])
    if found["parts"]:
        click.echo(f"{'part':<16}{'state':<22}{'pid':>8}{'up':>10}{'restarts':>10}{'MB':>7}")
        for part in found["parts"]:
            since = _span(part["uptime_seconds"]) if part["uptime_seconds"] is not None else "-"
            line = f"{part['name']:<16}{part['state']:<22}{part['pid'] or '-':>8}{since:>10}"
            click.echo(f"{line}{part['restarts']:>10}{part['memory_mb']:>7}")
        click.echo(f"{'all':<16}{'':<22}{found['supervisor'] or '-':>8}{'':>20}{found['memory_mb']:>7}")
    for name, url in found["urls"].items():
        if url:
            click.echo(f"{name:<16}{url}")


def _span(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _password(chosen: Settings) -> str:
    return chosen.secrets()["airflow_admin"]


# -- psql, dsn -----------------------------------------------------------------------------------------------
@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@profile_option
@click.option("--role", type=click.Choice(ROLES), default="bi_reader", show_default=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(role: Role, arguments: tuple[str, ...]) -> None:
    """Open psql on the warehouse; further arguments go to psql."""
    chosen = settings()
    program = _psql()
    _must_be_up(chosen)
    os.environ.pop("PGSERVICE", None)
    os.execv(program, [str(program), *_as_psql(chosen, role), *arguments])  # noqa: S606  (psql takes this process's place)


def _must_be_up(chosen: Settings) -> None:
    if not postgres.is_up(chosen):
        raise CityperfError(
            f"the database of profile {chosen.profile} does not run; start it with ./cityperf up"
        )


def _psql() -> Path:
    beside = postgres.find_pg_bin() / "psql"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("psql")
    if not found:
        raise CityperfError(f"no psql beside {beside.parent} and none on PATH; install postgresql-client")
    return Path(found)


def _as_psql(chosen: Settings, role: Role) -> list[str]:
    """Connection arguments without the password: that goes by environment, for ps shows arguments to all."""
    from urllib.parse import unquote, urlsplit, urlunsplit

    parts = urlsplit(chosen.dsn(role, chosen.airflow_db if role == "airflow" else None))
    os.environ["PGPASSWORD"] = unquote(parts.password or "")
    user = f"{parts.username}@" if parts.username else ""
    return [urlunsplit(parts._replace(netloc=f"{user}{parts.hostname}:{parts.port or 5432}"))]


@click.command()
@profile_option
@click.option("--role", type=click.Choice(ROLES), default="bi_reader", show_default=True)
@click.option(
    "--division", metavar="NAME", help="A login of this division: what is published, and its own rows."
)
@click.option(
    "--revoke", is_flag=True, help="Take the division's login away; the next one has a new password."
)
@click.option(
    "--divisions", "listing", is_flag=True, help="List the divisions, and which of them have a login."
)
@as_json
def dsn(role: Role, division: str | None, revoke: bool, listing: bool, as_json: bool) -> None:
    """Print the connection URL of a role or a division, password included."""
    chosen = settings()
    if revoke and division is None:
        raise click.UsageError("--revoke needs --division NAME")
    if division is not None and role != "bi_reader":
        raise click.UsageError(f"--division is a role of its own: leave --role {role} out")
    if listing or division is not None:
        _of_divisions(chosen, division, revoke=revoke, as_json=as_json)
        return
    url = chosen.dsn(role, chosen.airflow_db if role == "airflow" else None)
    click.echo(json.dumps({"role": role, "dsn": url}, indent=1) if as_json else url)


def _of_divisions(chosen: Settings, name: str | None, *, revoke: bool, as_json: bool) -> None:
    from cityperf import divisions
    from cityperf.sources import load_contracts

    _must_be_up(chosen)
    divisions.keep(chosen, load_contracts())
    if name is None:
        found = divisions.divisions(chosen)
        if as_json:
            click.echo(json.dumps([asdict(each) for each in found], indent=1))
            return
        for each in found:
            click.echo(
                f"{'login' if each.has_login else '-':<7}{len(each.data_sets):>4} data sets  {each.name}"
            )
        return
    if revoke:
        division, was = divisions.take_login(chosen, name)
        if as_json:
            click.echo(
                json.dumps({"division": division.name, "role": division.login, "revoked": was}, indent=1)
            )
            return
        said = "is taken away; its sessions were ended" if was else "was not there"
        click.echo(f"the login {division.login} of {division.name} {said}")
        return
    division = divisions.give_login(chosen, name)
    url = chosen.dsn(division.login)
    if as_json:
        said_of = {"division": division.name, "role": division.login, "dsn": url}
        click.echo(json.dumps({**said_of, "data_sets": division.data_sets}, indent=1))
        return
    click.echo(url)


# -- doctor --------------------------------------------------------------------------------------------------
class Findings:
    """What was looked at: each with how it is, and how to mend it where it is not well."""

    def __init__(self) -> None:
        self.all: list[dict[str, str]] = []

    def add(self, subject: str, found: str, mend: str | None = None, *, warn: bool = False) -> None:
        """`mend` says what to do; without it all is well. A warning does not fail the command."""
        state = "ok" if mend is None else "warn" if warn else "problem"
        self.all.append({"subject": subject, "state": state, "found": found, "mend": mend or ""})


@click.command()
@profile_option
@as_json
def doctor(as_json: bool) -> None:
    """Look for what would keep the warehouse from working here; exit status 1 if there is any."""
    chosen, findings = settings(), Findings()
    for look in (_machine, _home, _binaries, _database, _airflow_health, _ports):
        try:
            look(chosen, findings)
        except CityperfError as problem:
            findings.add(look.__name__.strip("_"), "failed", str(problem))
    problems = [each for each in findings.all if each["state"] == "problem"]
    if as_json:
        click.echo(json.dumps({"profile": chosen.profile, "findings": findings.all}, indent=1))
    else:
        for each in findings.all:
            sign = {"ok": "ok  ", "warn": "WARN", "problem": "BAD "}[each["state"]]
            click.echo(f"{sign}  {each['subject']:<16}{each['found']}")
            if each["mend"]:
                click.echo(f"      {'':<16}→ {each['mend']}")
        click.echo(f"{len(problems)} problem{'' if len(problems) == 1 else 's'} found")
    if problems:
        sys.exit(1)


def _machine(chosen: Settings, findings: Findings) -> None:
    import locale

    import psutil

    found = sys.version.split()[0]
    fits = (3, 11) <= sys.version_info[:2] <= (3, 14)
    findings.add(
        "python", f"{found} ({sys.prefix})", None if fits else "use Python 3.11 to 3.14; remove .venv"
    )
    free = psutil.virtual_memory().available
    swap = psutil.swap_memory().free
    enough = free + swap > 2.5e9 or stack_.supervisor_pid(chosen) is not None
    findings.add(
        "memory",
        f"{free / 1e9:.1f} GB available, {os.cpu_count()} cores",
        None if enough else "the stack needs 2.5 GB: close other programs or add memory",
        warn=True,
    )
    year = time.gmtime().tm_year
    findings.add(
        "clock",
        time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        None if 2024 <= year < 2100 else "set the clock: nights are named by today's date in Toronto",
    )
    encoding = locale.getpreferredencoding(False)
    findings.add(
        "locale",
        encoding,
        None
        if encoding.lower().replace("-", "") == "utf8"
        else "set LC_ALL=C.UTF-8, so that names print rightly",
        warn=True,
    )


def _home(chosen: Settings, findings: Findings) -> None:
    try:
        chosen.base.mkdir(parents=True, exist_ok=True)
        probe = chosen.base / f".doctor-{os.getpid()}"
        probe.write_text("x")
        probe.unlink()
    except OSError as problem:
        findings.add(
            "home",
            f"{chosen.base}: {problem.strerror}",
            "make it writable for this user, or name another folder with CITYPERF_HOME",
        )
        return
    findings.add("home", str(chosen.base))
    free = shutil.disk_usage(chosen.base).free
    findings.add(
        "disk",
        f"{free / 1e9:.1f} GB free",
        None if free > 3e9 else "PostgreSQL stops on a full disk; keep 3 GB free or move CITYPERF_HOME",
    )


def _binaries(chosen: Settings, findings: Findings) -> None:
    if chosen.database_url:
        findings.add("postgresql", "external server (CITYPERF_DATABASE_URL)")
        return
    pg_bin = postgres.find_pg_bin()
    findings.add("postgresql", f"{postgres.major_version(pg_bin)} in {pg_bin}")
    postgres.check_version(chosen, pg_bin)
    launcher = postgres.find_launcher(chosen, pg_bin)
    findings.add("server user", launcher.says)


def _database(chosen: Settings, findings: Findings) -> None:
    if not postgres.is_up(chosen):
        if chosen.database_url:
            findings.add(
                "database", "does not answer", "check CITYPERF_DATABASE_URL and that the server runs"
            )
        else:
            begun = postgres.data_major(chosen) is not None
            findings.add("database", "not running" if begun else "not made yet (the first start makes it)")
        return
    try:
        pending = postgres.pending_migrations(chosen)
    except postgres.PostgresError as problem:
        findings.add("database", "running, but not ready", f"{problem} (./cityperf up makes what is missing)")
        return
    findings.add(
        "migrations",
        f"{', '.join(pending)} pending" if pending else "all applied",
        "./cityperf up applies them" if pending else None,
    )
    _roles(chosen, findings)


def _roles(chosen: Settings, findings: Findings) -> None:
    import psycopg

    for role in ("loader", "transformer", "publisher", "bi_reader", "airflow"):
        database = chosen.airflow_db if role == "airflow" else chosen.warehouse_db
        try:
            psycopg.connect(chosen.dsn(role, database), connect_timeout=10).close()
        except psycopg.OperationalError as problem:
            findings.add(f"role {role}", str(problem).strip().splitlines()[-1], "./cityperf up sets it right")
            return
    findings.add("roles", "all can log in")


def _airflow_health(chosen: Settings, findings: Findings) -> None:
    if stack_.supervisor_pid(chosen) is None:
        state = stack_.status(chosen)
        if state["state"] == "failed":
            findings.add(
                "stack", f"failed at its last start: {state['message']}", "mend that, then ./cityperf up"
            )
        else:
            findings.add("stack", "not running")
        return
    for part, said in stack_.health(chosen).items():
        log = chosen.logs / f"{part}.log"
        findings.add(
            part,
            said,
            None if said == "healthy" else f"look at the end of {log}; ./cityperf down and up starts it anew",
        )


def _ports(chosen: Settings, findings: Findings) -> None:
    running = stack_.supervisor_pid(chosen) is not None
    for name, port in sorted(chosen.ports().items()):
        if name == "postgres" and (running or postgres.server_pid(chosen) is not None):
            continue
        if not running and not postgres.port_is_free(port):
            findings.add(
                f"port {name}",
                f"{port} is taken by another program",
                "the next start takes another one",
                warn=True,
            )
    findings.add("ports", f"127.0.0.1 has free ones ({postgres.free_port(set())} is one)")


# -- schedule ------------------------------------------------------------------------------------------------
@click.group()
def schedule() -> None:
    """Keep the stack up across restarts of the machine. When things run is for Airflow to say."""


@schedule.command()
@profile_option
@click.option("--print", "only_print", is_flag=True, help="Show what would be installed, and where.")
@click.option("--cron", is_flag=True, help="Use cron even where there is systemd.")
def install(only_print: bool, cron: bool) -> None:
    """Install a systemd unit, or a crontab entry where there is no systemd."""
    chosen = settings()
    systemd = Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None
    if only_print:
        click.echo(crontab_lines(chosen) if cron else f"# {_unit_path(chosen)}\n{systemd_unit(chosen)}")
        return
    if systemd and not cron:
        _install_unit(chosen)
    elif shutil.which("crontab"):
        _install_cron(chosen)
    else:
        raise CityperfError(
            "this machine runs neither systemd nor cron. Have its own way of starting services run "
            f"`{ROOT / 'cityperf'} up --foreground --profile {chosen.profile}`, or install cron; "
            "`schedule install --print` shows the unit"
        )


def _environment(chosen: Settings) -> dict[str, str]:
    """What a service must be told that the person's shell knew."""
    found = {"CITYPERF_HOME": str(chosen.home), "CITYPERF_REAL_DATA": str(chosen.real_data)}
    if chosen.database_url:
        found["CITYPERF_DATABASE_URL"] = chosen.database_url
    if chosen.replay_file:
        found["CITYPERF_REPLAY"] = str(chosen.replay_file)
    for name in ("CITYPERF_SEED", "CITYPERF_SCALE", "CITYPERF_PG_BIN", "CITYPERF_QUIET_DAY"):
        if os.environ.get(name):
            found[name] = os.environ[name]
    return found


def _unit_name(chosen: Settings) -> str:
    return f"cityperf-{chosen.profile}.service"


def _unit_path(chosen: Settings) -> Path:
    if os.geteuid() == 0:
        return Path("/etc/systemd/system") / _unit_name(chosen)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return config / "systemd" / "user" / _unit_name(chosen)


def systemd_unit(chosen: Settings) -> str:
    """The unit's text: the supervisor in the foreground, started again if it dies."""
    environment = "".join(
        f'Environment="{name}={value.replace("%", "%%")}"\n' for name, value in _environment(chosen).items()
    )
    target = "multi-user.target" if os.geteuid() == 0 else "default.target"
    return (
        "[Unit]\n"
        f"Description=City Performance Warehouse ({chosen.profile})\n"
        "After=network.target\n\n"
        "[Service]\n"
        "Type=exec\n"
        f"{environment}"
        f"ExecStart={ROOT / 'cityperf'} up --foreground --profile {chosen.profile}\n"
        "Restart=always\nRestartSec=5\nKillMode=mixed\nTimeoutStopSec=120\n\n"
        "[Install]\n"
        f"WantedBy={target}\n"
    )


def crontab_lines(chosen: Settings) -> str:
    """Started with the machine, and looked after every ten minutes: `up` does nothing where all is well. Every hour a look
    whether the night ran, which Airflow cannot tell of itself.
    """
    from shlex import quote

    told = " ".join(f"{name}={quote(value)}" for name, value in _environment(chosen).items())
    program = quote(str(ROOT / "cityperf"))
    mark = f"# cityperf {chosen.profile}"
    log = quote(str(chosen.logs / "cron.log"))

    def line(when: str, what: str) -> str:
        command = f"{told} {program} {what} --profile {chosen.profile}".replace("%", r"\%")
        return f"{when} {command} >>{log} 2>&1 {mark}\n"

    return line("@reboot", "up") + line("*/10 * * * *", "up") + line("20 * * * *", "alerts check")


def _install_unit(chosen: Settings) -> None:
    path = _unit_path(chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(systemd_unit(chosen))
    path.chmod(0o600 if chosen.database_url else 0o644)  # the URL holds a password
    control = ["systemctl"] if os.geteuid() == 0 else ["systemctl", "--user"]
    for arguments in (["daemon-reload"], ["enable", _unit_name(chosen)]):
        done = subprocess.run([*control, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise CityperfError(
                f"{' '.join([*control, *arguments])} failed: {done.stderr.strip()}. The unit is in {path}; "
                "enable it by hand, or use schedule install --cron"
            )
    click.echo(f"wrote {path} and enabled it; it starts with the machine")
    click.echo(f"start it now: ./cityperf down; {' '.join(control)} start {_unit_name(chosen)}")
    if os.geteuid() != 0:
        click.echo("to have it run while you are not logged in: loginctl enable-linger")


def _install_cron(chosen: Settings) -> None:
    chosen.logs.mkdir(parents=True, exist_ok=True)
    before = subprocess.run(["crontab", "-l"], capture_output=True, text=True)
    mark = f"# cityperf {chosen.profile}"
    kept = (
        [line for line in before.stdout.splitlines() if not line.endswith(mark)]
        if not before.returncode
        else []
    )
    text = "".join(f"{line}\n" for line in kept) + crontab_lines(chosen)
    done = subprocess.run(["crontab", "-"], input=text, capture_output=True, text=True)
    if done.returncode:
        raise CityperfError(
            f"crontab refused the entry: {done.stderr.strip()}; add by hand:\n{crontab_lines(chosen)}"
        )
    click.echo(f"wrote to the crontab of this user:\n{crontab_lines(chosen)}", nl=False)
