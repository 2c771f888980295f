"""The public dashboard: static pages written from a release's published tables."""
