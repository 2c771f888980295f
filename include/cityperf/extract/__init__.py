"""Extraction: one visit to one source on one night, from the contract to files in landing.

Only what is new is handed on: a file whose bytes stand for its name already is left alone. A file that
landed but was not loaded, because something died in between, is handed on again; so is one that its source dates
anew after another file took its periods over.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from cityperf.config import Settings
from cityperf.errors import SourceRefused, SourceUnavailable

if TYPE_CHECKING:
    from cityperf.extract.visit import Known, Landed
    from cityperf.sources import Contract

__all__ = ["SourceRefused", "SourceUnavailable", "extract"]


def extract(
    settings: Settings, night: date, contract: Contract, *, patience: float | None = None
) -> list[dict[str, Any]]:
    """Visit the source and return the files to load, `[{"file_id": int, "name": str}]`, in order of
    delivery.

    The list is empty when nothing changed or when the replay does not list the source. The outcome is
    written to ops.fetch. Raises SourceUnavailable ('late': it may work later) and SourceRefused ('refused',
    with a row in quarantine.files). `patience` bounds each request in seconds (default:
    the contract's, CITYPERF_HTTP_PATIENCE or 60).
    """
    from cityperf.db import connect
    from cityperf.extract.http import NotInReplay
    from cityperf.extract.refusal import Refused
    from cityperf.extract.visit import Visit
    from cityperf.load.order import come_anew
    from cityperf.sources import connector

    with connect(settings, "loader", autocommit=True) as db:
        _begin(db, night, contract.dataset)
        visit = Visit(settings, night, contract, db, _known(db, contract.dataset), patience)
        try:
            landed = list(connector(contract.extract.connector)(visit, **arguments_of(contract)))
        except NotInReplay as problem:
            _end(db, night, contract.dataset, "not_in_replay", f"the replay lists nothing for {problem}")
            return []
        except SourceUnavailable as problem:
            _end(db, night, contract.dataset, "late", str(problem))
            raise SourceUnavailable(f"{contract.dataset}: {problem}") from None
        except Refused as problem:
            _end(db, night, contract.dataset, "refused", str(problem))
            _hold(db, night, contract, problem)
            raise SourceRefused(f"{contract.dataset}: {problem}") from None
        except BaseException as problem:
            _end(db, night, contract.dataset, "late", f"broke off: {type(problem).__name__}: {problem}")
            raise
        finally:
            visit.close()
        current = {name: known.file_id for name, known in visit.known.items()}
        unchanged = [file for file in landed if current.get(file.name) == file.file_id]
        anew = come_anew(db, night, [file.file_id for file in unchanged])
        to_load = [
            {"file_id": file.file_id, "name": file.name}
            for file in landed
            if current.get(file.name) != file.file_id or file.file_id in anew
        ]
        message = "; ".join(visit.warnings) or None
        state = "landed" if to_load else "unchanged"
        _end(db, night, contract.dataset, state, message, [file["file_id"] for file in to_load])
        _tell(db, night, contract.dataset, [file for file in unchanged if file.file_id not in anew])
        return to_load


def arguments_of(contract: Contract) -> dict[str, Any]:
    """The connector's arguments as the contract gives them."""
    arguments = dict(contract.extract.arguments)
    if "allow_hosts" in arguments:
        arguments["allow_hosts"] = tuple(arguments["allow_hosts"])
    return arguments


def _known(db: Any, dataset: str) -> dict[str, Known]:
    from cityperf.extract.visit import Known

    rows = db.execute(
        "select c.name, f.file_id, f.sha256, f.url, f.etag, f.last_modified, f.source_meta from ops.cursor as c "
        "join ops.landed_file as f using (file_id) where c.dataset = %s",
        (dataset,),
    )
    return {row[0]: Known(*row[1:]) for row in rows}


def _begin(db: Any, night: date, dataset: str) -> None:
    db.execute(
        "insert into ops.fetch as visit (night, dataset, state) values (%s, %s, 'running') on conflict "
        "(night, dataset) do "
        "update set state = 'running', message = null, files = '[]', attempts = visit.attempts + 1, "
        "started_at = now(), ended_at = null",
        (night, dataset),
    )


def _end(
    db: Any, night: date, dataset: str, state: str, message: str | None, files: list[int] | None = None
) -> None:
    from psycopg.types.json import Jsonb

    db.execute(
        "update ops.fetch set state = %s, message = %s, files = %s, ended_at = now() "
        "where night = %s and dataset = %s",
        (state, message, Jsonb(files or []), night, dataset),
    )


def _tell(db: Any, night: date, dataset: str, unchanged: list[Landed]) -> None:
    """Keep what told us that these files are the known ones."""
    told_by = sorted({file.told_by for file in unchanged if file.told_by})
    db.execute(
        "update ops.fetch set unchanged_by = %s where night = %s and dataset = %s",
        (", ".join(told_by) or None, night, dataset),
    )


def _hold(db: Any, night: date, contract: Contract, problem: Any) -> None:
    """A file that never came whole has no file_id; the night's row for the address is written once."""
    name = str(problem.where).rsplit("/", 1)[-1].split("?")[0] or contract.dataset
    with db.transaction():
        db.execute(
            "delete from quarantine.files where dataset = %s and night = %s and name = %s and file_id is "
            "null",
            (contract.dataset, night, name),
        )
        db.execute(
            "insert into quarantine.files (dataset, name, url, night, expected, found, reason, remedy) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                contract.dataset,
                name,
                problem.where,
                night,
                problem.expected,
                problem.found,
                str(problem),
                problem.remedy,
            ),
        )
