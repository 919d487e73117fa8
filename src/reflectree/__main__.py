"""`python -m reflectree`: the command line."""

from __future__ import annotations

from reflectree.apps.cli import main

if __name__ == "__main__":
    main()
