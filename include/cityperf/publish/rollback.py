"""Going back: the tables of an earlier release go up once more, as a release of its own with a new number.

The tables of the last few releases are kept in the schemas that the swap set aside, so going back is a change of names,
whatever their size. Files of tables are those of the earlier release, byte for byte. Killed anywhere, running it again
goes on.
"""

from __future__ import annotations

from datetime import date

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import approval, garbage, ledger, published, restatements, tree
from cityperf.publish.approvers import may
from cityperf.publish.dictionary import published_dictionary
from cityperf.publish.exports import link_current
from cityperf.publish.failpoints import reached
from cityperf.publish.release import Outcome, export_candidate, record
from cityperf.publish.swap import LIVE, swap
from cityperf.publish.tables import tables


class CannotGoBack(CityperfError):
    """The release cannot go up again."""


def rollback(settings: Settings, number: int, by: str, reason: str, on: date) -> Outcome:
    """Put the content of release `number` up again. `by` is an approver, `on` a Toronto date.

    Raises NotAllowed for who may not, CannotGoBack when its tables are no longer kept or its files were altered. What
    waited for an approval is superseded; the next candidate waits for one, or it would bring back what was taken down.
    """
    person = may(by, "rollback")
    with ledger.exclusive(settings):
        with connect(settings, "publisher") as connection:
            known = {each.number: each for each in ledger.releases(connection)}
            up = ledger.current(connection)
            kept = garbage.kept_schemas(connection)
            target = known.get(number)
            if up is None or target is None or target.state != "released":
                raise CannotGoBack(
                    f"expected the number of an earlier release, found {number}; ./cityperf release list shows them"
                )
            link_current(settings, up.number)
            content = target.repeats or number
            if content == (up.repeats or up.number):
                mend(settings)  # an earlier attempt may have been cut short after the swap
                return Outcome("unchanged", up.number, f"what is up is release {content} already")
            schema = next(
                (kept[n] for n in sorted(kept, reverse=True) if (known[n].repeats or n) == content), None
            )
            if schema is None:
                raise CannotGoBack(
                    f"expected the tables of release {content} to be kept (those of the last {garbage.KEPT} before the "
                    f"one that is up are), found {', '.join(map(str, sorted(kept))) or 'none'}; its files are in "
                    f"{settings.releases / str(content)}: ./cityperf as-of hands them out, and a night run again "
                    "rebuilds tables from landing"
                )
            repeated = known[content]
            _unaltered(settings, content)
            becomes = _open(settings, repeated, known, by=person.id, reason=reason)
            connection.execute("select ops.relist_releases(%s, %s, %s)", (schema, content, becomes))
            connection.commit()
            kept_tables = tables(connection, schema)
            definitions = tree.read_definitions(settings.releases / str(content))
            folder = export_candidate(
                settings, repeated.night, becomes, kept_tables, published_dictionary(definitions), content
            )
            record(connection, becomes, folder, content)
            approval.supersede(connection)
            connection.execute(
                "insert into ops.approval (subject, decision, decided_by, decided_on, what, note) "
                "select %(subject)s, 'approved', %(by)s, %(on)s, %(what)s, %(note)s "
                "where not exists (select from ops.approval where subject = %(subject)s and what = %(what)s)",
                {
                    "subject": f"release {becomes}",
                    "by": person.id,
                    "on": on,
                    "what": f"rolled back from release {up.number} to {content}",
                    "note": reason,
                },
            )
            connection.commit()
        reached("release.recorded")
        swap(settings, becomes, repeated.content_hash or "", up.number, on=on, source=schema)
        reached("swap.committed")
        link_current(settings, becomes)
        restated = mend(settings)
        reached("garbage.started")
        garbage.sweep(settings)
        reached("garbage.done")
    return Outcome("released", becomes, f"release {becomes} is up; it repeats release {content}", restated)


def mend(settings: Settings) -> int:
    """Bring the ledger in step with a rollback that is up; returns how many figures it restated. Call it under the
    release lock; does nothing where no rollback is up, and repeating it changes nothing."""
    with connect(settings, "publisher") as connection:
        known = [each for each in ledger.releases(connection) if each.state == "released"]
        if not known or known[0].repeats is None:
            return 0
        up, before = known[0], known[1]
        published.record(connection, up.number, before.number, tables(connection, LIVE))
        reached("record.values")
        schema = garbage.kept_schemas(connection).get(before.number)
        if schema is None:
            return 0
        note = f"rolled back by {up.made_by}: {up.made_why}"
        restated = restatements.record(connection, up.number, schema, LIVE, note)
    reached("restated.figures")
    return restated


def _open(
    settings: Settings,
    repeated: ledger.Release,
    known: dict[int, ledger.Release],
    *,
    by: str,
    reason: str,
) -> int:
    """The number under which the content goes up: that of an attempt which was cut short, or the next one."""
    begun = next(
        (r.number for r in known.values() if r.state == "candidate" and r.repeats == repeated.number), None
    )
    taken = [r.number for r in known.values() if r.state in ("released", "held", "candidate")]
    number = begun or max(taken) + 1
    with connect(settings, "publisher") as connection:
        connection.execute(
            "insert into ops.release (number, night, state, code_version, repeats, made_by, made_why, stale_reason) "
            "values (%(number)s, %(night)s, 'candidate', %(code)s, %(repeats)s, %(by)s, %(why)s, %(note)s) "
            "on conflict (number) do update set night = excluded.night, state = 'candidate', content_hash = null, "
            "root_hash = null, code_version = excluded.code_version, repeats = excluded.repeats, "
            "made_by = excluded.made_by, made_why = excluded.made_why, stale_reason = excluded.stale_reason, "
            "published_on = null, released_at = null, created_at = now()",
            {
                "number": number,
                "night": repeated.night,
                "code": ledger.code_version(),
                "repeats": repeated.number,
                "by": by,
                "why": reason,
                "note": f"repeats release {repeated.number}: {reason}",
            },
        )
        ledger.forget_details(connection, number)
    return number


def _unaltered(settings: Settings, number: int) -> None:
    """Raises CannotGoBack when the files of a release are not those that were published."""
    from cityperf.publish.verify import altered_files

    with connect(settings, "publisher") as connection:
        found = altered_files(settings, connection, number)
    if found:
        raise CannotGoBack(
            f"expected the files of release {number} as they were published, found {found[0]}"
            + (f" and {len(found) - 1} more" if len(found) > 1 else "")
            + f"; ./cityperf release verify {number} lists them, ./cityperf release list the other releases"
        )
