"""The start of the command line, which can be interrupted before anything large is loaded."""

import sys

from pnncupy.cli import signals


def main() -> None:
    """Run the command line and exit, as `pnncupy.cli.app.main` does."""
    signals.guard_process()
    from pnncupy.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
