"""The files to try the commands with."""

import numpy as np

from pnncupy.cli.app import run
from pnncupy.io import read_image
from pnncupy.io.masks import read_mask
from pnncupy.samples import CREDITS, load_sample


def test_samples_are_written_and_kept(tmp_path, capsys):
    out = tmp_path / "new" / "samples"
    assert run(["samples", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    images = {file.stem: read_image(file) for file in out.iterdir()}
    assert images.keys() > CREDITS.keys()
    for name, image in images.items():
        assert f"wrote {out / name}.png: " in said
        if name in CREDITS:
            np.testing.assert_array_equal(image, load_sample(name))
            assert CREDITS[name] in said
    rocket = images["rocket"]
    hole = read_mask(out / "rocket_mast.png").hole
    assert hole.shape == rocket.shape[:2]
    assert hole.sum() == 110 * 28
    changed = (images["rocket_edited"] != rocket).any(axis=2)
    assert 0 < changed.mean() < 0.15
    assert images["chelsea_grey"].shape == images["chelsea"].shape[:2]
    (out / "rocket.png").unlink()
    (out / "gravel.png").write_bytes(b"mine")
    assert run(["samples", "-o", str(out)]) == 2
    assert "exists; choose another -o or replace with --force" in capsys.readouterr().err
    assert not (out / "rocket.png").exists()
    assert run(["samples", "-o", str(out), "--force"]) == 0
    np.testing.assert_array_equal(read_image(out / "gravel.png"), load_sample("gravel"))
