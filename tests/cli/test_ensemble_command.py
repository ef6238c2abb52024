"""`pnncupy ensemble`: which files count, and what is written of them."""

import numpy as np
import pytest

from pnncupy import io, metrics
from pnncupy.cli.app import run
from pnncupy.io import Metadata

GEO = {33550: (12, 3, (2.0, 2.0, 0.0)), 33922: (12, 6, (0.0, 0.0, 0.0, 500.0, 900.0, 0.0))}


@pytest.fixture
def images(random):
    return random.integers(0, 200, (5, 8, 9)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, images):
    """Results of a task command, and what is beside them."""
    place = tmp_path / "results"
    place.mkdir()
    for number, image in enumerate(images):
        io.write_image(place / f"photo_generate_{number:03}.png", image)
    io.write_image(place / "photo_generate_contact.png", np.zeros((30, 40), np.uint8))
    io.write_image(place / "photo_generate_tiled_000.png", np.zeros((16, 18), np.uint8))
    return place


def test_mean_spread_and_quantiles_are_written(folder, images, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--quantile", "0.05", "--quantile", "0.5"]
    assert run(["ensemble", str(folder), "-o", str(out), *options]) == 0
    captured = capsys.readouterr()
    assert "5 results in" in captured.err
    expected = {
        "mean": images.mean(axis=0), "std": images.std(axis=0),
        "quantile_0.05": np.quantile(images, 0.05, axis=0),
        "quantile_0.5": np.quantile(images, 0.5, axis=0),
    }  # fmt: skip
    assert sorted(file.name for file in out.iterdir()) == sorted(
        f"ensemble_{name}.tif" for name in expected
    )
    for name, values in expected.items():
        found = io.read_image(out / f"ensemble_{name}.tif")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, values, rtol=1e-6)
    record = io.read_provenance(out / "ensemble_mean.tif")
    assert record.task == "ensemble"
    assert len(record.sources) == 5
    assert run(["ensemble", str(folder), "-o", str(out)]) == 1
    assert "ensemble_mean.tif exists" in capsys.readouterr().err
    assert run(["ensemble", str(folder), "-o", str(out), "--force"]) == 0
    # Statistics in the folder of the results are no results.
    assert run(["ensemble", str(folder), "-o", str(folder)]) == 0
    assert run(["ensemble", str(folder), "-o", str(folder), "--force"]) == 0
    assert capsys.readouterr().err.count("5 results in") == 3


def test_labels_have_probabilities_and_an_entropy(folder, images, tmp_path, capsys):
    for number, image in enumerate(images):
        io.write_image(folder / f"photo_generate_{number:03}.png", image // 70, overwrite=True)
    out = tmp_path / "out"
    assert run(["ensemble", str(folder), "-o", str(out), "--categorical"]) == 0
    expected = metrics.ensemble(images // 70, categorical=True)
    for label, share in zip(expected.labels, expected.probability, strict=True):
        found = io.read_image(out / f"ensemble_probability_{label}.tif")
        np.testing.assert_array_equal(found, share.astype(np.float32))
    entropy = io.read_image(out / "ensemble_entropy.tif")
    np.testing.assert_array_equal(entropy, expected.entropy.astype(np.float32))
    likely = io.read_image(out / "ensemble_most_likely.tif")
    assert likely.dtype == np.uint8
    np.testing.assert_array_equal(likely, expected.most_likely)
    call = ["ensemble", str(folder), "-o", str(out), "--categorical", "--quantile", "0.5"]
    assert run(call) == 2
    assert "--quantile is not for labels" in capsys.readouterr().err


def test_georeference_is_kept_and_nodata_is_unknown(tmp_path, images):
    place = tmp_path / "results"
    place.mkdir()
    values = images.astype(np.int16)
    values[:2, 0, 0] = values[:, 1, 1] = -9
    for number, image in enumerate(values):
        metadata = Metadata(geo=GEO, nodata=-9.0)
        io.write_image(place / f"{number}.tif", image, metadata=metadata)
    assert run(["ensemble", str(place), "-o", str(tmp_path)]) == 0
    found = io.read_image(tmp_path / "ensemble_mean.tif")
    assert found[0, 0] == pytest.approx(values[2:, 0, 0].mean())
    assert np.isnan(found[1, 1])
    metadata = io.read_metadata(tmp_path / "ensemble_std.tif")
    own = io.read_metadata(place / "0.tif")
    assert metadata.geo.keys() == own.geo.keys() != set()
    assert metadata.pixel_size == own.pixel_size
    assert np.isnan(metadata.nodata)


def test_volumes(tmp_path, random):
    volumes = random.random((3, 4, 5, 6)).astype(np.float32)
    place = tmp_path / "results"
    place.mkdir()
    for number, volume in enumerate(volumes):
        io.write_volume(place / f"{number}.tif", volume)
    assert run(["ensemble", str(place), "-o", str(tmp_path), "--volume"]) == 0
    found = io.read_volume(tmp_path / "ensemble_std.tif")
    np.testing.assert_allclose(found, volumes.std(axis=0, dtype=np.float64), rtol=1e-6)


@pytest.mark.usefixtures("jobs_in_a_thread")
def test_the_results_of_a_batch_are_those_of_its_manifest(tmp_path, images, capsys):
    sources, out = tmp_path / "sources", tmp_path / "out"
    sources.mkdir()
    io.write_image(sources / "photo.png", images[0])
    call = ["batch", str(sources), "-o", str(out), "-n", "3", "--seed", "1", "--quiet"]
    assert run([*call, "--workers", "1", "--patch-size", "3", "--iterations", "1"]) == 0
    io.write_image(out / "other.png", images[1])
    made = sorted(out.rglob("photo*.png"))
    assert run(["ensemble", str(out), "-o", str(tmp_path / "statistics")]) == 0
    assert f"{len(made)} results in" in capsys.readouterr().err
    found = io.read_image(tmp_path / "statistics" / "ensemble_mean.tif")
    results = np.array([io.read_image(file) for file in made])
    np.testing.assert_allclose(found, results.mean(axis=0), rtol=1e-6)


def test_what_cannot_be_combined_is_named(folder, tmp_path, capsys):
    io.write_image(folder / "larger.png", np.zeros((9, 9), np.uint8))
    assert run(["ensemble", str(folder), "-o", str(tmp_path)]) == 2
    assert "have one shape: give a folder of their own" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(["ensemble", str(empty), "-o", str(tmp_path)]) == 2
    assert "holds no image of a result" in capsys.readouterr().err
    io.write_image(empty / "values.tif", np.zeros((9, 9), np.float32))
    assert run(["ensemble", str(empty), "-o", str(tmp_path), "--categorical"]) == 2
    assert "which are no labels" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.tif"))


def test_a_task_writes_the_statistics_of_its_results(tmp_path, images, capsys):
    io.write_image(tmp_path / "photo.png", images[0])
    out = tmp_path / "out"
    call = ["generate", str(tmp_path / "photo.png"), "-o", str(out), "--seed", "1", "--quiet",
            "--patch-size", "3", "--iterations", "1", "--ensemble"]  # fmt: skip
    assert run(call) == 2
    assert "--ensemble needs several images: -n of at least 2" in capsys.readouterr().err
    assert not out.exists()
    assert run([*call, "-n", "3"]) == 0
    stem = "photo_generate_seed1_"
    assert f"wrote {out / stem}ensemble_mean.tif" in capsys.readouterr().out
    results = np.array([io.read_image(out / f"{stem}{number:03}.png") for number in range(3)])
    expected = {
        "mean": results.mean(axis=0), "std": results.std(axis=0),
        "quantile_0.05": np.quantile(results, 0.05, axis=0),
        "quantile_0.5": np.quantile(results, 0.5, axis=0),
        "quantile_0.95": np.quantile(results, 0.95, axis=0),
    }  # fmt: skip
    assert len(list(out.glob("*ensemble*"))) == len(expected)
    for name, values in expected.items():
        found = io.read_image(out / f"{stem}ensemble_{name}.tif")
        np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-9)
    for file in out.glob("*.png"):
        file.unlink()
    assert run([*call, "-n", "3"]) == 2
    assert "exists; choose another -o or replace with --force" in capsys.readouterr().err
    labels = ["-n", "3", "--force", "--categorical"]
    assert run([*call, *labels]) == 0
    entropy = io.read_image(out / f"{stem}ensemble_entropy.tif")
    assert 0 <= entropy.min() <= entropy.max() <= np.log2(3) + 1e-6
    # They are no results themselves.
    assert run(["ensemble", str(out), "-o", str(tmp_path)]) == 0
    assert "3 results in" in capsys.readouterr().err
