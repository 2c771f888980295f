"""`./cityperf backup` and `./cityperf restore`: save a profile, bring it back, and prove that it can be."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from cityperf.cli import profile_option, settings
from cityperf.cli.release import as_json_option

folder_argument = click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)


class _WithDefault(click.Group):
    """`backup DIR` is `backup make DIR`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "--help", "-h"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_WithDefault)
def backup() -> None:
    """Save the profile into a new folder below DIR (default: backups in the home); `list` and `drill` look at them."""


@backup.command()
@folder_argument
@profile_option
@as_json_option
def make(folder: Path | None, as_json: bool) -> None:
    """Save the profile into a new folder below DIR. The stack may run; PostgreSQL must."""
    from cityperf import backup as backups
    from cityperf.config import tonight

    chosen = settings()
    made = backups.make(chosen, (folder or backups.default_folder(chosen)).resolve(), tonight())
    if as_json:
        click.echo(json.dumps(asdict(made), default=str))
        return
    click.echo(f"{made.folder}")
    click.echo(
        f"{made.files:,} files ({made.new_files:,} new, {made.new_bytes / 1e6:,.1f} MB), {made.tables:,} tables with "
        f"{made.rows:,} rows, in {made.seconds:.1f} s"
    )
    click.echo(f"not in it: the keys. Save {chosen.home / 'secrets.json'} apart from it")


@backup.command(name="list")
@folder_argument
@profile_option
@as_json_option
def list_all(folder: Path | None, as_json: bool) -> None:
    """Whole backups below DIR, the oldest first."""
    from cityperf import backup as backups

    chosen = settings()
    rows = []
    for path in backups.backups((folder or backups.default_folder(chosen)).resolve()):
        found = backups.read(path)
        size = sum(each.bytes for each in found.files.values())
        rows.append(
            {
                "folder": str(path),
                "profile": found.profile,
                "made_at": found.made_at,
                "files": len(found.files),
                "bytes": size,
                "tables": len(found.tables),
                "keys": found.keys,
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['folder']}  {row['profile']}  {row['files']:,} files, {row['bytes']:,} bytes")
    if not rows:
        click.echo("no backup there; ./cityperf backup makes one")


@backup.command()
@folder_argument
@profile_option
@as_json_option
def drill(folder: Path | None, as_json: bool) -> None:
    """Restore the newest backup below DIR (or the one at DIR) elsewhere, compare it, and write down what was found."""
    from cityperf import backup as backups
    from cityperf.config import tonight
    from cityperf.errors import CityperfError

    chosen = settings()
    where = (folder or backups.default_folder(chosen)).resolve()
    newest = where if (where / backups.MANIFEST).exists() else backups.latest(where, chosen.profile)
    if newest is None:
        raise CityperfError(
            f"expected a backup of {chosen.profile} in {where}, found none; ./cityperf backup"
        )
    result = backups.drill(chosen, newest, tonight(), lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(asdict(result)))
    else:
        said = "passed" if result.is_equal else "FAILED"
        click.echo(f"drill of {result.backup} {said} in {result.seconds:.1f} s: {result.found}")
    if not result.is_equal:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--metadata-only", is_flag=True, help="Airflow's database alone, in the place of the one there is."
)
@profile_option
def restore(folder: Path, metadata_only: bool) -> None:
    """Bring the backup at DIR back into a profile that has nothing yet. Everything is verified first."""
    from cityperf import backup as backups
    from cityperf import stack
    from cityperf.errors import CityperfError

    chosen = settings()
    if stack.supervisor_pid(chosen) is not None:
        raise CityperfError("expected a stack that is down, found it up; ./cityperf down first")
    found = backups.restore(chosen, folder.resolve(), metadata_only=metadata_only)
    what = (
        "Airflow's metadata"
        if metadata_only
        else f"{len(found.files):,} files and {len(found.tables):,} tables"
    )
    click.echo(f"{what} as of {found.made_at} are back; ./cityperf up starts the rest")
