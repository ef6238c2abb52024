"""The plugin in a window of napari: a screenshot for its page, and the seconds until it cancels.

On a machine without a display: `xvfb-run -a -s "-screen 0 1600x1000x24" python -m bench
napari_window`. The picture is taken while a task runs.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "pictures" / "napari.png"
_SIZE = (1240, 760)
# Share of the second task that is done in the picture.
_SHARE = 0.4


def measure(threads: int) -> list[dict[str, Any]]:
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*_SIZE)
    viewer.open_sample("pnncupy", "rocket_mast")
    viewer.layers["hole"].opacity = 0.5
    _, widget = viewer.window.add_plugin_dock_widget("pnncupy", "Synthesise from patches")
    widget["run"].native.click()
    _until(lambda: widget["run"].enabled)
    # The photograph with its hole above the result.
    viewer.grid.enabled, viewer.grid.stride, viewer.grid.shape = True, 2, (2, 1)
    viewer.fit_to_view(margin=0.02)
    widget["patch_size"].value = 9
    widget["run"].native.click()
    _until(lambda: widget["bar"].value > 1000 * _SHARE)
    _save(viewer)
    start = time.monotonic()
    widget["cancel"].native.click()
    _until(lambda: widget["run"].enabled)
    seconds = time.monotonic() - start
    viewer.close()
    return [{"picture": FILE.name, "seconds until cancelled": round(seconds, 2)}]


def _until(condition: Callable[[], bool]) -> None:
    """Wait for a condition while the window works."""
    from qtpy.QtWidgets import QApplication

    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)


def _save(viewer: Any) -> None:
    from pnncupy.io import write_image

    window = viewer.screenshot(canvas_only=False, flash=False)
    write_image(FILE, window[..., :3].copy(), overwrite=True)
