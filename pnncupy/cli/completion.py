"""Words that a shell completes where click knows none: options that take a file or a word."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def words(*known: str) -> Completion:
    """Complete words."""
    return lambda context, parameter, start: _items(known, start)


def files_or_words(*known: str) -> Completion:
    """Complete names of files, and words.

    A shell that completes names of files itself, as they have to be quoted, offers nothing else in
    bash. So that is left to it only where no word begins like that.
    """

    def complete(
        context: click.Context, parameter: click.Parameter, start: str
    ) -> list[CompletionItem]:
        found = _items(known, start)
        if not found:
            return [CompletionItem(start, type="file")]
        return found + _items(_plain_names(), start)

    return complete


def _items(known: Sequence[str], start: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in known if word.startswith(start)]


def _plain_names() -> list[str]:
    """Names in the current folder that need no quotes."""
    return sorted(
        f"{each.name}/" if each.is_dir() else each.name
        for each in Path().iterdir()
        if each.name[0] != "." and all(letter.isalnum() or letter in "._-+" for letter in each.name)
    )
