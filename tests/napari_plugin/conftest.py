"""napari in a window, once for all tests of the plugin."""

import os
import sys
from types import SimpleNamespace

import pytest
from waiting import wait_until


def pytest_collection_modifyitems(items):
    """Mark what is in this folder; what napari uses and should not is no error here."""
    for item in items:
        if item.path.parent.name == "napari_plugin":
            item.add_marker(pytest.mark.napari)
            for kind in ("DeprecationWarning", "FutureWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))


@pytest.fixture(scope="session")
def napari(tmp_path_factory):
    """The package, with settings of its own."""
    os.environ["NAPARI_CONFIG"] = str(tmp_path_factory.mktemp("napari") / "settings.yaml")
    yield pytest.importorskip("napari", reason="napari is not installed")
    del os.environ["NAPARI_CONFIG"]


@pytest.fixture(scope="session")
def window(napari):
    """A viewer on a display."""
    pytest.importorskip("qtpy.QtWidgets", reason="Qt is not installed", exc_type=Exception)
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        pytest.skip("there is no display: start pytest with xvfb-run -a")
    viewer = napari.Viewer(show=True)
    yield viewer
    viewer.close()


@pytest.fixture
def viewer(window):
    """The viewer, empty."""
    window.layers.clear()
    yield window
    window.window.remove_dock_widget("all")
    window.layers.clear()


@pytest.fixture
def until():
    """Waits for a condition while the window works."""
    from qtpy.QtWidgets import QApplication

    def wait(condition, seconds=60):
        def met():
            QApplication.processEvents()
            return condition()

        return wait_until(met, seconds)

    return wait


@pytest.fixture
def messages(napari):
    """What napari tells the user, by severity."""
    from napari.utils.notifications import notification_manager

    found = SimpleNamespace(error=[], info=[], warning=[])

    def note(event):
        getattr(found, str(event.severity.value)).append(event.message)

    notification_manager.notification_ready.connect(note)
    yield found
    notification_manager.notification_ready.disconnect(note)


class Plugin:
    """The widget in its dock, used as by hand."""

    def __init__(self, viewer, until):
        self.dock, self.widget = viewer.window.add_plugin_dock_widget(
            "pnncupy", "Synthesise from patches"
        )
        self.until, self.shown = until, []
        until(lambda: self.widget["run"].visible)

    def choose(self, **values):
        for name, value in values.items():
            self.widget[name].value = value

    def press(self, button):
        self.widget[button].native.click()

    @property
    def is_running(self):
        return not self.widget["run"].enabled

    def run(self):
        """Press the button and wait; what the progress bar showed."""
        self.press("run")

        def ended():
            self.shown.append(self.widget["bar"].value)
            return not self.is_running

        self.until(ended)
        return self.shown


@pytest.fixture
def plugin(viewer, until):
    """Opens the widget."""
    return lambda: Plugin(viewer, until)
