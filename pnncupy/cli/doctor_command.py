"""The command `pnncupy doctor`, and what `--version` says."""

import json
import os
from typing import Any

import click

from pnncupy._version import __version__
from pnncupy.cli.command import Command
from pnncupy.terminal import say


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(as_json: bool) -> None:
    """Print what a report of a fault needs: versions, engines, devices, folders and limits.

    Nothing private is among it; names of users and their folders are replaced by ~. It never fails
    itself: what cannot be found out is named, with the reason.

    \b
    pnncupy doctor > doctor.txt
    pnncupy doctor --json
    """
    from pnncupy.cli.diagnosis import diagnosis

    found = diagnosis()
    if as_json:
        say_json(found)
        return
    for title, section in found.items():
        say(title)
        width = max(map(len, section), default=0)
        for name, value in section.items():
            for number, each in enumerate(value if isinstance(value, list) else [value]):
                say(f"  {name if number == 0 else '':{width}}  {_in_words(each)}")


def say_json(found: Any) -> None:
    """Print JSON, a line of it at a time."""
    for line in json.dumps(found, indent=2).splitlines():
        say(line)


def _in_words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def say_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """Print the version, engines and devices, and end."""
    if not wanted or context.resilient_parsing:
        return
    say(f"pnncupy {__version__}")
    try:
        _say_engines()
    except Exception as error:  # the version is what matters
        say(f"engines: unknown: {' '.join(f'{type(error).__name__}: {error}'.split())}")
    context.exit()


def _say_engines() -> None:
    from pnncupy.engine.probe import probe
    from pnncupy.engine.registry import engines

    found = engines()
    running = [each.name for each in found if each.available]
    others = [each.name for each in found if not each.available]
    rest = f"; {', '.join(others)} cannot run, see `pnncupy engines`" if others else ""
    say(f"engines: {', '.join(running) or 'none'}{rest}")
    devices = [f"{os.cpu_count()} CPU cores"]
    if "cupy" in running:
        devices += [each["name"] for each in probe("devices").get("devices", [])]
    say(f"devices: {', '.join(devices)}")
