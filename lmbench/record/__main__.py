"""`python -m lmbench.record`: the JSON schema of record.json."""

from __future__ import annotations

from lmbench import terminal
from lmbench.record import schema

terminal.write_json(schema())
