"""What napari finds of the plugin."""

import subprocess
import sys
from pathlib import Path

import pytest

from pnncupy.samples import CREDITS

MANIFEST = Path(__file__).parents[2] / "pnncupy" / "napari_plugin" / "napari.yaml"


@pytest.fixture
def manifest(napari):
    from npe2 import PluginManifest

    return PluginManifest.from_file(MANIFEST)


def test_the_manifest_is_valid(napari):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "npe2", "validate", MANIFEST],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_the_installed_package_has_it(napari):
    code = (
        "import npe2; manager = npe2.PluginManager(); manager.discover();"
        "print('pnncupy' in [each.name for each in manager.iter_manifests()])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd="/",
        check=True,
    )  # fmt: skip
    assert done.stdout == "True\n"


def test_every_command_can_be_loaded(manifest):
    manifest.validate_imports()
    assert all(command.title for command in manifest.contributions.commands)


def test_menus_are_those_of_napari(manifest):
    from napari._app_model.constants import MenuId

    (menu,) = manifest.contributions.menus
    assert menu in MenuId.contributables()


def test_the_photographs_are_sample_data(manifest):
    from npe2.manifest.utils import import_python_name

    commands = {each.id: each.python_name for each in manifest.contributions.commands}
    samples = {each.key: commands[each.command] for each in manifest.contributions.sample_data}
    assert set(samples) == {*CREDITS, "rocket_mast"}
    for key, name in samples.items():
        (image, keywords, kind), *others = import_python_name(name)()
        assert kind == "image"
        assert keywords["name"] == key.partition("_")[0]
        assert keywords["rgb"] == (image.ndim == 3)
        for hole, _, other_kind in others:
            assert other_kind == "labels"
            assert hole.shape == image.shape[:2]
            assert 0 < hole.sum() < hole.size / 2


def test_the_package_does_not_load_napari():
    code = "import pnncupy.napari_plugin.sample_data, sys; print('napari' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
