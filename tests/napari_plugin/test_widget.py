"""The widget in a window: tasks run, show how far they are, and can be cancelled."""

import time

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy.napari_plugin import operations
from pnncupy.samples import sample_files

FAST = {"levels": 0, "patch_size": 3}


@pytest.fixture
def small(random):
    return random.integers(0, 256, (20, 24), np.uint8)


def new_layers(viewer, plugin):
    """Layers that a run adds."""
    before = list(viewer.layers)
    plugin.run()
    return [layer for layer in viewer.layers if layer not in before]


def test_a_hole_of_the_sample_is_filled(viewer, plugin):
    viewer.open_sample("pnncupy", "rocket_mast")
    opened = plugin()
    opened.choose(levels=2)
    (made,) = new_layers(viewer, opened)
    files = sample_files()
    hole = files["rocket_mast"].image > 0
    wanted = pnn.inpaint(files["rocket"].image, hole, fill="smooth", levels=2, rng=0)
    np.testing.assert_array_equal(made.data, wanted)
    assert made.name == "rocket [fill a hole]"
    assert made.rgb
    assert made.metadata["credit"]
    assert made.metadata["pnncupy"]["info"]["levels"] == 2
    assert any(0 < value < 1000 for value in opened.shown)
    assert opened.widget["bar"].value == 0


def test_several_results_are_layers_each(viewer, plugin, small):
    viewer.add_image(small, name="a", scale=(2, 3), translate=(4, 5), contrast_limits=(3, 90))
    opened = plugin()
    opened.choose(operation="Generate", count=2, seed=4, height=16, **FAST)
    first, second = new_layers(viewer, opened)
    assert opened.widget["height"].value == 16  # new layers change no field
    wanted = pnn.generate(
        small, 2, shape=(16, 24), rng=4, variety="low", channel_axis=None, **FAST
    )  # fmt: skip
    np.testing.assert_array_equal(np.stack([first.data, second.data]), wanted)
    for made in (first, second):
        np.testing.assert_allclose(made.scale, (2, 3))
        np.testing.assert_allclose(made.translate, (0, 0))
        np.testing.assert_allclose(made.contrast_limits, (3, 90))
        assert made.metadata["pnncupy"]["arguments"]["rng"] == 4


def calls(small):
    """Fields of the widget, and what the library makes of the same."""
    other = np.ascontiguousarray(small[::-1])
    volume = np.stack([small] * 5)
    labels = small // 100
    plain = {"channel_axis": None, **FAST}
    return {
        "Make periodic": (
            [small], {}, pnn.generate(
                small, 1, periodic=True, rng=0, shape=(20, 24), variety="low", **plain)[0]),
        "Change the size": ([small], {"width": 18}, pnn.retarget(small, (20, 18), **plain)),
        "Make an edit seamless": ([small, other], {}, pnn.edit(small, other, **plain)),
        "Rebuild another layer": ([small, other], {}, pnn.analogy(small, other, **plain)),
        "Merge two layers": ([small, other], {"width": 30},
                             pnn.collage([small, other], shape=(20, 30), **plain)),
        "Grow a volume": ([small], {"depth": 6, "height": 7, "width": 8},
                          pnn.grow_volume(small, (6, 7, 8), rng=0, **FAST)),
        "Generate": ([volume], {"depth": 4}, pnn.generate(
            volume, 1, shape=(4, 20, 24), rng=0, variety="low", **plain)[0]),
        "labels": ([labels], {"operation": "Generate"}, pnn.generate(
            labels, 1, categorical=True, shape=(20, 24), variety="low", rng=0, **plain)[0]),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["Make periodic", "Change the size", "Make an edit seamless", "Rebuild another layer",
     "Merge two layers", "Grow a volume", "Generate", "labels"],
)  # fmt: skip
def test_every_task_is_that_of_the_library(name, viewer, plugin, small):
    images, fields, wanted = calls(small)[name]
    add = viewer.add_labels if name == "labels" else viewer.add_image
    layers = [add(image) for image in images]
    opened = plugin()
    opened.choose(**{"operation": name, "layer": layers[0], **FAST, **fields} if name != "labels"
                  else {**FAST, **fields})  # fmt: skip
    if len(layers) > 1:
        opened.choose(other=layers[1])
    (made,) = new_layers(viewer, opened)
    np.testing.assert_array_equal(made.data, wanted)
    assert type(made) is type(layers[0])


def test_only_the_fields_of_a_task_are_shown(viewer, plugin, until, small):
    layer = viewer.add_image(np.stack([small] * 3))
    viewer.add_image(small)
    opened = plugin()

    def shown():
        until(lambda: True)
        names = ("hole", "new_hole", "fill", "other", "count", "depth", "height", "variety")
        return {name for name in names if opened.widget[name].visible}

    assert shown() == {"hole", "new_hole", "fill"}
    opened.choose(operation="Generate")
    assert shown() == {"count", "height", "variety"}
    opened.choose(layer=layer)
    assert shown() == {"count", "depth", "height", "variety"}
    assert [opened.widget[name].value for name in ("depth", "height", "width")] == [3, 20, 24]
    opened.choose(operation="Make an edit seamless")
    assert shown() == {"hole", "new_hole", "other"}
    assert opened.widget["other"].label == "edited layer"


def test_a_hole_is_painted(viewer, plugin, small):
    layer = viewer.add_image(small, scale=(2, 2))
    opened = plugin()
    opened.press("new_hole")
    hole = viewer.layers[-1]
    assert opened.widget["hole"].value is hole
    assert hole.mode == "paint"
    hole.brush_size = 4
    hole.paint((9, 9), 1)
    opened.choose(**FAST)
    (made,) = new_layers(viewer, opened)
    mask = hole.data != 0
    assert 4 < mask.sum() < 40
    np.testing.assert_array_equal(made.data[~mask], layer.data[~mask])
    assert (made.data[mask] != layer.data[mask]).any()


def test_layers_may_change_while_a_task_runs(viewer, plugin, small):
    layer = viewer.add_image(small.copy(), name="a")
    opened = plugin()
    opened.choose(operation="Generate", **FAST)
    opened.press("run")
    layer.data[:] = 0
    viewer.layers.remove(layer)
    opened.until(lambda: not opened.is_running)
    (made,) = viewer.layers
    wanted = pnn.generate(small, variety="low", rng=0, channel_axis=None, **FAST)
    np.testing.assert_array_equal(made.data, wanted)


def test_cancelling_ends_a_task_soon(viewer, plugin, messages, random):
    large = random.random((500, 500))
    viewer.add_image(large)
    opened = plugin()
    opened.choose(operation="Generate", count=2)
    opened.press("run")
    opened.until(lambda: "step" in opened.widget["status"].value)
    assert opened.widget["cancel"].enabled
    start = time.monotonic()
    opened.press("cancel")
    opened.until(lambda: not opened.is_running)
    assert time.monotonic() - start < 3  # one second, on a machine that does nothing else
    assert len(viewer.layers) == 1
    assert messages.info == ["cancelled; 0 finished results were added"]
    assert not opened.widget["cancel"].enabled
    opened.choose(height=16, width=16, count=1, levels=0, patch_size=3)
    opened.run()  # it works again
    assert len(viewer.layers) == 2


def test_what_is_finished_is_kept(viewer, plugin, messages, small):
    viewer.add_image(small)
    opened = plugin()
    opened.choose(operation="Generate", count=100, patch_size=3, levels=0, height=300, width=300)
    opened.press("run")
    opened.until(lambda: opened.widget["status"].value.startswith("image 2"))
    opened.press("cancel")
    opened.until(lambda: not opened.is_running)
    assert 1 < len(viewer.layers) < 50
    assert messages.info == [f"cancelled; {len(viewer.layers) - 1} finished results were added"]


def test_errors_are_notifications_with_a_remedy(viewer, plugin, messages, small):
    viewer.add_image(small)
    opened = plugin()
    opened.run()
    assert "press 'New hole' to add one" in messages.error[-1]
    opened.choose(operation="Generate", patch_size=40)
    opened.run()
    assert "patch" in messages.error[-1]
    assert len(messages.error) == 2
    opened.choose(patch_size=7, levels=12)
    opened.run()
    assert "`levels` must be at most" in messages.error[-1]
    assert opened.widget["status"].value == ""
    assert len(viewer.layers) == 1


def test_mistakes_are_notifications_too(viewer, plugin, messages, small, monkeypatch):
    def fail(**arguments):
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(operations, "task_function", lambda verb: fail)
    viewer.add_image(small)
    opened = plugin()
    opened.choose(operation="Generate")
    opened.run()
    assert messages.error == ["a mistake"]
    assert len(viewer.layers) == 1


def test_closing_the_dock_ends_the_task(viewer, plugin, until, random):
    from superqt.utils._qthreading import WorkerBase

    viewer.add_image(random.random((500, 500)))
    opened = plugin()
    opened.choose(operation="Generate")
    opened.press("run")
    until(lambda: "step" in opened.widget["status"].value)
    viewer.window.remove_dock_widget(opened.dock)
    until(lambda: not WorkerBase._worker_set, seconds=10)
    assert len(viewer.layers) == 1
