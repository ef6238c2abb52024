"""Exceptions and warnings that a caller may want to catch."""


class Cancelled(Exception):  # noqa: N818 - not an error: the caller wanted it
    """A callback returned False, so the run ended early."""


class EngineUnavailable(RuntimeError):  # noqa: N818 - says what it is
    """The requested engine cannot run here; the message says why and what would help."""


class ImageReadError(ValueError):
    """A file is not a readable image, or not one image; the message says which and why."""


class CheckpointError(ValueError):
    """A file is no checkpoint, or one of another call; the message says which and what to do."""


class FilesInUse(OSError):  # noqa: N818 - says what it is
    """Another process writes the same files; the message names it."""


class LabelsHint(UserWarning):
    """An image of few integers may hold labels, and the call does not say whether it does."""
