"""`python -m lmbench`, the same as `lmbench`."""

from __future__ import annotations

from lmbench.cli.main import main

if __name__ == "__main__":
    main()
