"""The command line: parse, call, print."""

import re
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from pnncupy.cli import signals
from pnncupy.cli.batch_command import batch
from pnncupy.cli.cite_command import cite
from pnncupy.cli.command import Command, meant_command
from pnncupy.cli.doctor_command import doctor, say_version
from pnncupy.cli.ensemble_command import ensemble
from pnncupy.cli.report_command import report
from pnncupy.cli.samples_command import samples
from pnncupy.errors import CheckpointError, EngineUnavailable, ImageReadError
from pnncupy.tasks.registry import TASKS
from pnncupy.terminal import guarded_output, say, visible

INTERRUPTED = 130
# Columns of help texts in wide terminals.
WIDEST_HELP = 110
# Parameters of the library that have another name on the command line.
_OPTION_NAMES = {
    "image": "IMAGE", "images": "IMAGE", "source": "IMAGE", "rng": "--seed", "n": "-n",
    "count": "-n",
    "guides": "--guide",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The exit code is 0 done, 1 failed, 2 wrong call, 130 interrupted, 143 terminated.
    """
    signals.guard_process()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with guarded_output():
        try:
            return signals.exit_code(lambda: _outcome(arguments))
        except Exception:  # a mistake of the package: its traceback may quote names, too
            traceback.print_exc()
            return 1


def _outcome(arguments: Sequence[str] | None) -> int:
    """The exit code of a command that no signal ends."""
    try:
        commands.main(args=arguments, prog_name="pnncupy", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        _say_notes(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # Releases of click differ in which of both is set.
        origin = error.__cause__ or error.__context__
        if isinstance(origin, EOFError):  # of a file: nobody typed Ctrl-D
            raise origin from None
        say(signals.reason(signal.SIGINT), error=True)
        return INTERRUPTED
    except (ImageReadError, EngineUnavailable, OSError) as error:
        return _failed(error, f"{error or type(error).__name__}", 1)
    except CheckpointError as error:
        return _failed(error, _with_option_names(str(error)), 1)
    except MemoryError as error:
        return _failed(error, _with_option_names(str(error)) or "out of memory", 1)
    except (TypeError, ValueError) as error:
        return _failed(error, _with_option_names(str(error)), 2)
    return 0


def _failed(error: Exception, message: str, code: int) -> int:
    """Print why a command failed; return the exit code."""
    say(f"Error: {message}", error=True)
    _say_notes(error)
    return code


def _say_notes(error: Exception) -> None:
    """Print what a command has added to an error."""
    for note in getattr(error, "__notes__", ()):
        say(note, error=True)


def _show(error: click.ClickException) -> None:
    """Print the usage, if it is to blame, and a message in one line."""
    message = error.format_message()
    if not isinstance(error, click.UsageError):
        say(f"Error: {message}", error=True)
    elif error.ctx is not None and message == error.ctx.get_help():  # no command was named
        error.show()
    elif sys.stderr is not None:
        click.UsageError(visible(message), error.ctx).show(sys.stderr)


def _with_option_names(message: str) -> str:
    """`noise_std` in a message of the library is --noise-std here."""

    def option(match: re.Match[str]) -> str:
        name, position = match[1], match[2] or ""
        if name.isupper():  # an environment variable
            return name
        return _OPTION_NAMES.get(name, f"--{name.replace('_', '-')}") + position

    return re.sub(r"`(\w+)(\[\d+\])?`", option, message)


class _Commands(click.Group):
    """The commands of a group and one for each task, which is built when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*self.commands, *TASKS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        if cmd_name not in TASKS:
            return super().get_command(ctx, cmd_name)
        from pnncupy.cli.task_commands import task_command

        return task_command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a word; one that there is not may have another name here."""
        word = args[0]
        known = self.get_command(ctx, word) is not None or word.startswith("-")
        if not known and not ctx.resilient_parsing:
            meant = meant_command(word, self.list_commands(ctx))
            raise click.UsageError(
                f"No such command {word!r}. "
                + (f"Did you mean {meant}?" if meant else "pnncupy --help lists all."), ctx,
            )  # fmt: skip
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, the tasks first."""
        for title, names in (
            ("Tasks", list(TASKS)), ("Other commands", [*sorted(self.commands)]),
        ):  # fmt: skip
            commands = [self.get_command(ctx, name) for name in names]
            limit = formatter.width - 6 - max(map(len, names))
            with formatter.section(title):
                formatter.write_dl(
                    [(each.name or "", each.get_short_help_str(limit)) for each in commands if each]
                )


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST_HELP},
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=say_version,
              help="Show the version, engines and devices, and exit.")  # fmt: skip
def commands() -> None:
    """Synthesise new images from the patches of an example image, without training."""


@click.command(cls=Command)
def engines() -> None:
    """List compute engines and their availability."""
    from pnncupy.engine.registry import engines as find_engines

    for engine in find_engines():
        state = "runs" if engine.available else "cannot run"
        say(f"{engine.name:12}{state:12}{engine.detail}")


for command in (engines, batch, cite, ensemble, report, samples, doctor):
    commands.add_command(command)
