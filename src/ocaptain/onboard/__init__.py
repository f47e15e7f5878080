"""What runs on VMs: harbor on storage, helm on ships. Standard library only, Python 3.10 on."""

PROTOCOL = 1
"""Version of every message between captain, ships and storage; both sides must have the same."""

LOG_LIMIT = 50_000_000
"""Bytes that a ship's log may have, there and on storage."""
