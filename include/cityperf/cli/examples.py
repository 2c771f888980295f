"""What `--help` shows as examples: one line or more for every command."""

from __future__ import annotations

from typing import Final

import click

# Command → what follows `./cityperf`.
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "refresh": ("refresh", "refresh --json"),
    "up": ("up", "up --foreground"),
    "down": ("down",),
    "status": ("status", "status --json"),
    "doctor": ("doctor",),
    "source as-of": ("source as-of service_requests_311 2026-11-20",),
    "source backfill": ("source backfill service_requests_311 --period 2025",),
    "source changes": ("source changes service_requests_311 2026-11-20 2026-11-21",),
    "source check": ("source check", "source check commitments"),
    "source diff": ("source diff service_requests_311",),
    "source list": ("source list", "source list --json"),
    "source new": ("source new https://open.toronto.ca/dataset/red-light-cameras/ --print",),
    "source preview": ("source preview commitments --rows 5",),
    "impact": ("impact", "impact --against main", "impact --column mart_kpi_value.value --json"),
    "docs build": ("docs build", "docs build reference"),
    "docs serve": ("docs serve", "docs serve --port 8093"),
    "site build": ("site build dashboard", "site build dashboard --release 3"),
    "site serve": ("site serve", "site serve --port 8091"),
    "screenshots": ("screenshots pictures",),
    "template": ("template commitments --out commitments.xlsx",),
    "submit": ("submit filled.xlsx --as commitments --check",),
    "handin due": ("handin due",),
    "handin receipts": ("handin receipts --json",),
    "landing keys": ("landing keys",),
    "landing reseal": ("landing reseal",),
    "landing rotate": ("landing rotate",),
    "landing rotate-fernet": ("landing rotate-fernet",),
    "quarantine discard": ("quarantine discard F12 --by anna --reason 'a test file'",),
    "quarantine list": ("quarantine list", "quarantine list --json"),
    "quarantine release": ("quarantine release R7 R8 --by anna --reason 'confirmed by the division'",),
    "quarantine show": ("quarantine show F12",),
    "kpi card": ("kpi card 2.05",),
    "kpi check": ("kpi check",),
    "kpi list": ("kpi list --dimension customer_service", "kpi list --json"),
    "kpi new": (
        "kpi new CS-311-09 --dimension customer_service --name 'Calls answered' --name-fr 'Appels pris' --source adoption",
    ),
    "kpi show": ("kpi show 2.05",),
    "kpi trace": ("kpi trace 2.05 --period 2026-09",),
    "explain": ("explain 2.05", "explain 2.05 --lang fr", "explain 2.05 --json"),
    "edition list": ("edition list",),
    "edition show": ("edition show CPR-2026-Q2",),
    "release approve": ("release approve 3 --by anna --reason 'restatement is announced'",),
    "release diff": ("release diff", "release diff 1 2"),
    "release list": ("release list", "release list --json"),
    "release push": ("release push --json",),
    "release reject": ("release reject 3 --by anna --reason 'figures of May are wrong'",),
    "release rollback": ("release rollback 2 --by cara --reason 'wrong unit'",),
    "release show": ("release show 1",),
    "release verify": ("release verify 1",),
    "as-of": ("as-of 2026-11-20 --kpi 2.05", "as-of 2026-11-20 --export november"),
    "period approve": ("period approve 1 --by ben",),
    "period close": ("period close 2026-09 --by anna",),
    "period list": ("period list",),
    "period reject": ("period reject 1 --by ben --reason 'no evidence'",),
    "period reopen": ("period reopen 2026-09 --by anna --reason 'a division reports late'",),
    "period restate": ("period restate 2026-09 --kpi 2.05 --note 'late fares' --by anna",),
    "digest": ("digest", "digest --json"),
    "tickets": ("tickets",),
    "alerts beat": ("alerts beat weekly_report --every '8 days'",),
    "alerts check": ("alerts check",),
    "alerts forget": ("alerts forget weekly_report",),
    "backup drill": ("backup drill",),
    "backup list": ("backup list",),
    "backup make": ("backup make",),
    "restore": ("restore backups/2026-11-21",),
    "retention": ("retention --dry-run",),
    "psql": ("psql", "psql -c 'select kpi_id, value from scorecard'"),
    "dsn": (
        "dsn",
        "dsn --role publisher",
        "dsn --division 'Technology Services'",
        "dsn --division 'Technology Services' --revoke",
        "dsn --divisions --json",
    ),
    "superset check": ("superset check", "superset check --json"),
    "superset serve": ("superset serve",),
    "schedule install": ("schedule install --print",),
    "completion": ("completion bash > ~/.local/share/bash-completion/completions/cityperf",),
    "test": ("test", "test tests/unit -k cli"),
    "bench": ("bench", "bench load"),
}


def with_examples(command: click.Command, path: str) -> click.Command:
    """The command, and those below it, with their examples at the end of --help."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            with_examples(each, f"{path} {name}")
    elif path in EXAMPLES:
        lines = [f"  ./cityperf {each}" for each in EXAMPLES[path]]
        command.epilog = "\n".join(["\b", "Examples:", *lines])
    return command
