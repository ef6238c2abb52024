"""Result of a task: the image, and what was requested beside it."""

from typing import Any, NamedTuple

from pnncupy.arrays import Array
from pnncupy.tasks.run_info import RunInfo


class Result(NamedTuple):
    """Result of a task with `return_index` or `return_info`; a notebook shows it as an image.

    Attributes
    ----------
    image : array
        The image, or the stack of them.
    index : (H, W, 3) or (n, H, W, 3) int32 array, or None
        (source, row, column) of the pixel that the patch of the largest vote weight puts at each
        position; fixed pixels have their own, but for hard data, where it is the pixel that would
        be there without. `apply_index` renders other layers through it. None without
        `return_index`. Of volumes (Z, Y, X, 4) for (source, slice, row, column).
    info : RunInfo or None
        Statistics of the run, a dictionary of plain types, whose `RunInfo.methods_text` is for a
        publication: version, the images given (``inputs``, with their SHA-256), all other
        ``arguments`` that are not the defaults, task, engine, method, seed, whether the system drew
        it (``seed_drawn``), the first realisation (``first_sample``), levels, the axes that
        wrap around (``periodic``, ``source_periodic``), the values that counted as 0 and 1
        (``data_range``, None of labels), and for each realisation the pairs of
        patches of a plain run (``pairs``), those that searches covered, by comparing or through a
        tree (``pairs_searched``), the query patches whose match was to be proven without a search
        (``proofs_tried``) and was (``proofs_held``), the pairs that the others cost
        (``pairs_again``), and seconds. None without `return_info`.
    """

    image: Array
    index: Array | None  # type: ignore[assignment]  # shadows tuple.index, as the name is fixed
    info: RunInfo | None

    def __repr__(self) -> str:
        return (
            f"Result(image={_described(self.image)}, index={_described(self.index)}, "
            f"info={_shortened(self.info)})"
        )

    def _repr_html_(self) -> str | None:
        """HTML for notebooks; None, so that they show the text, where there is no image."""
        from pnncupy.tasks.result_html import result_html

        return result_html(self.image, self.index, self.info)


def _described(value: Any) -> str:
    """An array by its shape and dtype; something else by what Python says of it."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if value is None or shape is None or dtype is None:
        return repr(value)
    return f"<{dtype} array of shape {shape}>"


def _shortened(info: Any) -> str:
    """A dictionary by its first entry and the number of the others."""
    if not isinstance(info, dict) or len(info) < 2:
        return repr(info)
    key, value = next(iter(info.items()))
    return f"{{{key!r}: {value!r}, ... {len(info) - 1} more}}"
