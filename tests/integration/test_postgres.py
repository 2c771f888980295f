"""The embedded server and its roles, on real PostgreSQL."""
