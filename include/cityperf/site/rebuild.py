"""Drawing the site of a published release once more, outside its folder."""

from __future__ import annotations

from pathlib import Path

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import garbage, ledger, tree
from cityperf.publish.dictionary import published_dictionary
from cityperf.publish.swap import LIVE
from cityperf.site.build import FOLDER, Built, build
from cityperf.site.model import Edition


def rebuild(settings: Settings, target: Path, number: int | None = None) -> Built:
    """Write the site of a published release (default: the one that is up) into the new or empty folder `target`.

    Every page is drawn anew from the tables; only the release since which a page stands is read from the release's own
    index. Raises CityperfError for a folder that is not empty, and for a release whose tables are no longer kept.
    """
    if target.exists() and any(target.iterdir()):
        raise CityperfError(f"expected a new or empty folder, found files in {target}; name another one")
    with connect(settings, "publisher") as connection:
        published = [each for each in ledger.releases(connection) if each.state == "released"]
        if not published:
            raise CityperfError("expected a release, found none; ./cityperf refresh makes the first one")
        schemas = {**garbage.kept_schemas(connection), published[0].number: LIVE}
        chosen = next((each for each in published if each.number == (number or published[0].number)), None)
        if chosen is None or chosen.number not in schemas:
            raise CityperfError(
                f"expected a release whose tables are kept ({', '.join(map(str, sorted(schemas)))}), found {number}; the "
                f"site of an older one lies in {settings.releases}"
            )
        folder = settings.releases / str(chosen.number)
        dictionary = published_dictionary(tree.read_definitions(folder))
        edition = Edition(chosen.number, chosen.night, settings.profile, chosen.code_version, chosen.repeats)
        connection.commit()
        return build(
            connection, schemas[chosen.number], dictionary, edition, target, folder / FOLDER, take=False
        )
