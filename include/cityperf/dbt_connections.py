"""dbt's connections to PostgreSQL, kept from node to node.

dbt opens one for each node and throws it away after it. Each is a server process that logs in and has yet to learn the
catalogue: for most of our models and tests that took longer than their query.
"""

from __future__ import annotations

from dbt.adapters.contracts.connection import ConnectionState
from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.adapters.postgres.impl import PostgresAdapter


class KeptConnections(PostgresConnectionManager):  # type: ignore[misc]  # dbt: no types
    """A thread goes on with its connection; at the end of the run dbt closes them all (`cleanup_all`)."""

    def release(self) -> None:
        connection = self.get_if_exists()
        if connection is None or connection.state != ConnectionState.OPEN:
            return
        self._rollback_handle(connection)  # dbt does not know of what a query without `begin` left open
        connection.transaction_open = False
        if connection.handle.closed:  # the server has gone: the next node opens one anew
            super().release()


def keep() -> None:
    """From now on, in this process."""
    PostgresAdapter.ConnectionManager = KeptConnections
