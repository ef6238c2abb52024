"""The start of the command line, which can be interrupted before anything large is loaded."""

import sys

from pnncupy import interrupts


def main() -> None:
    """Run the command line and exit, as `pnncupy.cli.main` does."""
    interrupts.guard_process()
    from pnncupy.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
