"""The widget: choose a task and layers, run, watch, cancel."""

from typing import Any

from magicgui.widgets import Container, Label, ProgressBar, PushButton
from napari.layers import Image, Labels, Layer
from napari.qt.threading import create_worker
from napari.utils.notifications import notification_manager, show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget

from pnncupy.napari_plugin.background_call import EXPECTED, BackgroundCall
from pnncupy.napari_plugin.form import Form
from pnncupy.napari_plugin.layer_data import hole_data, result_data
from pnncupy.napari_plugin.operations import task_call

_MILLISECONDS_BETWEEN_UPDATES = 100
# Parts of the progress bar.
_PARTS = 1000


class SynthesisWidget(Container):  # type: ignore[misc]  # magicgui is not checked
    """Tasks for the layers of a viewer, in a dock.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: Any):
        self._viewer = napari_viewer
        self._running: BackgroundCall | None = None
        self._is_closed = self._was_docked = False
        self._form = Form(self._layers, self._label_layers)
        self._buttons = {
            "new_hole": PushButton(
                name="new_hole", text="New hole", tooltip="add a Labels layer to paint on"
            ),
            "run": PushButton(name="run", text="Run"),
            "cancel": PushButton(name="cancel", text="Cancel", enabled=False),
        }
        self._bar = ProgressBar(name="bar", label="progress", min=0, max=_PARTS, value=0)
        self._status = Label(name="status", label=" ", value="")
        fields = list(self._form.fields.values())
        fields.insert(4, self._buttons["new_hole"])
        super().__init__(
            widgets=[*fields, self._buttons["run"], self._buttons["cancel"], self._bar,
                     self._status],
        )  # fmt: skip
        self._buttons["new_hole"].changed.connect(self.add_hole)
        self._buttons["run"].changed.connect(self.run)
        self._buttons["cancel"].changed.connect(self.cancel)
        self._form.fields["operation"].changed.connect(self._update)
        self._timer = QTimer(self.native)
        self._timer.setInterval(_MILLISECONDS_BETWEEN_UPDATES)
        self._timer.timeout.connect(self._show_progress)
        self.native.destroyed.connect(self._close)
        self._choose_active_layer()
        self._update()

    def _layers(self, field: Any = None) -> list[Layer]:
        """The layers that may be a source."""
        return [layer for layer in self._viewer.layers if isinstance(layer, (Image, Labels))]

    def _label_layers(self, field: Any = None) -> list[Layer]:
        """The layers that may be a hole."""
        return [layer for layer in self._viewer.layers if isinstance(layer, Labels)]

    def _choose_active_layer(self) -> None:
        """Choose the selected layer, or else the lowest image, and the highest Labels layer."""
        active, layers = self._viewer.layers.selection.active, self._layers()
        images = [layer for layer in layers if isinstance(layer, Image)]
        first = active if active in images else next(iter(images or layers), None)
        if first is not None:
            self._form.fields["layer"].value = first
        if labels := self._label_layers():
            self._form.fields["hole"].value = labels[-1]

    def _update(self) -> None:
        """Show what belongs to the chosen operation."""
        self._form.update()
        self._buttons["new_hole"].visible = "hole" in self._form.operation.fields

    def add_hole(self) -> None:
        """Add an empty Labels layer above the chosen layer, ready for painting."""
        layer = self._form.fields["layer"].value
        if layer is None:
            show_error("choose a layer first: the hole gets its shape")
            return
        hole = self._viewer.add_layer(Layer.create(*hole_data(layer)))
        hole.mode = "paint"
        self._form.fields["hole"].value = hole

    def run(self) -> None:
        """Start the chosen task in a thread."""
        if self._running is not None:
            return
        try:
            call = task_call(self._form.operation, self._form.choices)
        except EXPECTED as error:
            _show_failure(error)
            return
        self._running = BackgroundCall(call)
        self._was_docked = self._is_docked
        worker: Any = create_worker(self._running.run, lambda: worker.abort_requested)
        worker.returned.connect(self._show_results)
        worker.finished.connect(self._end)
        self._buttons["run"].enabled = False
        self._buttons["cancel"].enabled = True
        self._timer.start()
        self._show_progress()
        worker.start()

    def cancel(self) -> None:
        """Let the running task end; what is finished is kept."""
        if self._running is not None:
            self._running.cancel()

    def _show_progress(self) -> None:
        if self._running is not None:
            if self._was_docked and not self._is_docked:
                self._close()
                return
            self._bar.value = round(self._running.fraction * _PARTS)
            self._status.value = self._running.status

    def _show_results(self, done: BackgroundCall) -> None:
        """Add the results as layers, or say why there are none."""
        if self._is_closed:
            return
        call = done.call
        for result in done.results:
            record = {**call.record, "info": result.info}
            data = result_data(
                result.image, call.layer, f"[{call.operation.title.lower()}]",
                call.operation.keeps_position, record,
            )  # fmt: skip
            self._viewer.add_layer(Layer.create(*data))
        if done.is_cancelled:
            show_info(f"cancelled; {len(done.results)} finished results were added")
        elif done.failure is not None:
            _show_failure(done.failure)

    def _end(self) -> None:
        """Be ready for the next run."""
        self._running = None
        if self._is_closed:
            return
        self._timer.stop()
        self._bar.value = 0
        self._status.value = ""
        self._buttons["run"].enabled = True
        self._buttons["cancel"].enabled = False

    @property
    def _is_docked(self) -> bool:
        """Test whether it is in a dock: napari takes it out of a dock that is closed."""
        parent = self.native.parent()
        while parent is not None and not isinstance(parent, QDockWidget):
            parent = parent.parent()
        return parent is not None

    def _close(self) -> None:
        """End what runs: nobody would see its results."""
        self._is_closed = True
        self.cancel()


def _show_failure(error: Exception) -> None:
    """Show the message of an error that a user can mend; of others the traceback too."""
    if isinstance(error, EXPECTED):
        show_error(str(error) or type(error).__name__)
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)
