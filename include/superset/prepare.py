"""Run by Superset's own interpreter: brings its metadata up to date and imports the bundle, in one process.

    python prepare.py BUNDLE [--migrate]

`superset db upgrade`, `init`, `fab create-admin` and an import would each load Superset anew, which takes seconds.
"""

import os
import sys
from pathlib import Path

from superset.app import create_app


def main() -> None:
    bundle, migrate = Path(sys.argv[1]), "--migrate" in sys.argv
    with create_app().app_context():
        if migrate:
            upgrade()
        import_bundle(
            {str(path.relative_to(bundle)): path.read_text("utf-8") for path in bundle.rglob("*.yaml")}
        )


def upgrade() -> None:
    """Tables, permissions and roles of this version of Superset: what `superset db upgrade` and `init` do."""
    import flask_migrate
    import superset
    from superset import appbuilder, security_manager

    flask_migrate.upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()


def import_bundle(contents: dict[str, str]) -> None:
    """All of the bundle, over what was imported before; what has left the bundle goes. Other people's work stays."""
    import yaml
    from superset import db
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice
    from superset.utils.core import override_user

    with override_user(administrator()):
        ImportAssetsCommand(contents).run()
    known = {yaml.safe_load(text).get("uuid") for text in contents.values()}
    for kind in (Dashboard, Slice, SqlaTable):
        for each in db.session.query(kind).filter(kind.is_managed_externally):
            if str(each.uuid) not in known:
                db.session.delete(each)
    db.session.commit()


def administrator():
    """The one login, with tonight's password."""
    from superset import security_manager

    password = os.environ["CITYPERF_SUPERSET_PASSWORD"]
    user = security_manager.find_user("admin")
    if user is None:
        role = security_manager.find_role("Admin")
        mail = "admin@cityperf.invalid"
        return security_manager.add_user("admin", "Warehouse", "Administrator", mail, role, password)
    security_manager.reset_password(user.id, password)
    return user


if __name__ == "__main__":
    main()
