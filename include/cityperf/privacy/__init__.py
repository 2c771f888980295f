"""Disclosure control: what of the published tables is hidden so that nobody can tell a small group of persons from them.

`refresh` decides between marts and publish; `audit` proves it on what is about to be published. Reasons:
docs/decisions/0025-disclosure-control.md.
"""

from __future__ import annotations

from cityperf.privacy.audit import audit
from cityperf.privacy.refresh import refresh

__all__ = ["audit", "refresh"]
