"""`python -m cityperf.portal --profile sample|replay [--host ADDRESS] --port N`: serve until stopped."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

from cityperf.config import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run the server; exit status 2 when the profile cannot be served (a replay.yml with an error in it)."""
    parser = argparse.ArgumentParser(prog="python -m cityperf.portal", description=__doc__)
    parser.add_argument("--profile", choices=["sample", "replay"], default="sample")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0: all)")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--replay", type=Path, help="the replay.yml (default: CITYPERF_REPLAY)")
    parser.add_argument("--access-log", type=Path, help="write one line per request to this file")
    chosen = parser.parse_args(arguments)
    settings = Settings.from_env(chosen.profile)
    if chosen.replay:
        settings = replace(settings, replay_file=chosen.replay.resolve())

    import uvicorn

    from cityperf.portal import sftp
    from cityperf.portal.answers import Portal
    from cityperf.portal.app import application

    portal: Portal
    if chosen.profile == "sample":
        from cityperf.portal.sample import SamplePortal

        portal = SamplePortal(settings)
    else:
        from cityperf.portal.replay import ReplayError, ReplayPortal

        try:
            portal = ReplayPortal(settings)
        except ReplayError as error:
            print(error, file=sys.stderr)
            return 2
    config = uvicorn.Config(
        application(
            portal, settings.base / "faults.json", chosen.profile, sftp=sftp.beside(portal, chosen.host).told
        ),
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        log_level="critical",
        access_log=chosen.access_log is not None,
        lifespan="off",
        timeout_keep_alive=30,
        server_header=False,
    )
    if chosen.access_log:
        chosen.access_log.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(chosen.access_log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        access = logging.getLogger("uvicorn.access")
        access.addHandler(handler)
        access.setLevel(logging.INFO)  # after Config, which sets every logger of its own to log_level
        access.propagate = False
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
