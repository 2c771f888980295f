"""What Superset is told. What differs from profile to profile comes from the environment: see cityperf.superset."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url

SECRET_KEY = os.environ["CITYPERF_SUPERSET_KEY"]
SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['CITYPERF_SUPERSET_METADATA']}"
DATA_DIR = str(Path(os.environ["CITYPERF_SUPERSET_METADATA"]).parent)
WAREHOUSE = make_url(os.environ["CITYPERF_SUPERSET_WAREHOUSE"]).set(drivername="postgresql+psycopg2")

APP_NAME = "City Performance Warehouse"
LOGO_TARGET_PATH = "/dashboard/list/"
SUPERSET_WEBSERVER_TIMEOUT = 60  # as long as a statement of bi_reader may take
ROW_LIMIT = 5_000
SQL_MAX_ROW = 50_000
DISPLAY_MAX_ROW = 5_000
TABLE_VIZ_MAX_ROW_SERVER = 50_000
NATIVE_FILTER_DEFAULT_ROW_LIMIT = 1_000
PREVENT_UNSAFE_DB_CONNECTIONS = True
FEATURE_FLAGS = {"ALERT_REPORTS": False, "TAGGING_SYSTEM": False, "HORIZONTAL_FILTER_BAR": True}

# Pages may ask nobody but this server: no tiles, no pixels that count readers, no avatars.
CONTENT_SECURITY_POLICY_WARNING = False
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,  # on the loopback
    "session_cookie_secure": False,
}


def DB_CONNECTION_MUTATOR(url: URL, options: dict[str, Any], *_: Any) -> tuple[URL, dict[str, Any]]:
    """The bundle names the warehouse without an address or a password; both are of the profile, and of today."""
    return (WAREHOUSE if url.host == "warehouse.invalid" else url), options
