"""What runs on VMs: harbor on storage, helm on ships. Standard library only, Python 3.10 on.

Start-up is most of a harbor call, and each call pays for what it imports. What a call runs imports
types only if a type checker looks at it: `typing`, and the shapes in protocol.py, take longer to
import than all of harbor's own code.
"""

PROTOCOL = 3
"""The version of all that protocol.py describes. Both sides must have the same."""

LOG_LIMIT = 50_000_000
"""Bytes that a ship's log may have, on the ship and on storage."""

TRANSCRIPT_LIMIT = 16_000_000
"""Bytes that are kept of what an agent's program writes down for a claim: the end of it."""
