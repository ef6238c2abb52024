"""
A remote-sensing study: clouds in a satellite scene
===================================================

Fill clouds in a scene with four bands, use a second date as a guide, and keep the georeference from
the GeoTIFF that is read to the one that is written.
"""

# %%
# A scene
# -------
# Made by this script: fields of different crops, a river and a forest, in blue, green, red and near
# infrared (reflectances times 10000, 10 m pixels), and the same scene at an earlier date.

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

import pnncupy as pnn

random = np.random.default_rng(21)
height, width = 112, 144
rows, columns = np.indices((height, width))


def noise(sigma):
    """A smooth random field of standard deviation 1."""
    field = gaussian_filter(random.standard_normal((height, width)), sigma, mode="wrap")
    return field / field.std()


centres = random.uniform((0, 0), (height, width), (60, 2))
parcel = cKDTree(centres).query(np.stack([rows, columns], axis=-1))[1]
crop = random.integers(0, 4, len(centres))[parcel]
forest = noise(12) > 1
river = np.abs(columns - 100 - 22 * np.sin(rows / 24)) < 4

# Reflectances in the four bands: bare soil, wheat, maize, meadow; then forest and water.
summer = np.array([[900, 1200, 1600, 2400], [500, 900, 700, 3600], [400, 800, 500, 4200],
                   [450, 950, 600, 3000], [250, 450, 300, 2600], [500, 550, 350, 200]])  # fmt: skip
spring = summer * np.array([1.1, 1.4, 0.8, 0.9, 0.95, 1.0])[:, None]
cover = np.select([river, forest], [5, 4], crop)
texture = 1 + 0.05 * noise(0.7)[..., None] + 0.03 * noise(3)[..., None]
truth, earlier = (np.rint(table[cover] * texture).astype("uint16") for table in (summer, spring))

# %%
# Clouds, and a strip that the satellite did not see, are 0 in the file: its nodata value.

clouds = (noise(9) > 1.25) | (columns - 0.15 * rows < 6)
scene = np.where(clouds[..., None], 0, truth).astype("uint16")

folder = Path(tempfile.mkdtemp())
geokeys = (1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633, 3076, 0, 1, 9001)
tifffile.imwrite(
    folder / "scene.tif", scene, photometric="minisblack", planarconfig="contig",
    extratags=[
        (33550, "d", 3, (10.0, 10.0, 0.0), True),  # size of a pixel
        (33922, "d", 6, (0.0, 0.0, 0.0, 440000.0, 5230000.0, 0.0), True),  # upper left corner
        (34735, "H", len(geokeys), geokeys, True),  # UTM zone 33 N, metres
        (42113, "s", 2, "0", True),  # nodata
    ],
)  # fmt: skip

# %%
# Read, fill, write
# -----------------
# The file says which value is missing. The earlier date, complete and aligned with the scene, is a
# guide: patches are compared in it too, but never taken from it.

image = pnn.io.read_image(folder / "scene.tif")
metadata = pnn.io.read_metadata(folder / "scene.tif")
print("nodata:", metadata.nodata, " pixel size:", metadata.pixel_size, metadata.unit)

options = {"nodata": metadata.nodata, "patch_size": 5}
alone = pnn.inpaint(image, "nodata", **options)
guided = pnn.inpaint(image, "nodata", guides=[(earlier, earlier, 1.0)], **options)
pnn.io.write_image(folder / "filled.tif", guided, metadata=metadata)


def infrared(image):
    """Near infrared, red and green as red, green and blue."""
    return np.clip(image[..., [3, 2, 1]] / np.array([5000, 2400, 1800]), 0, 1).astype("float32")


shown = infrared(image)
shown[clouds] = 1
figure = pnn.plot.compare(
    {
        "scene (missing white)": shown,
        "earlier date": infrared(earlier),
        "filled alone": infrared(alone),
        "filled with the guide": infrared(guided),
        "truth": infrared(truth),
    },
    columns=3,
    data_range=(0, 1),
)

# %%
# What it gained
# --------------
# Under the clouds the truth is known here. The vegetation index NDVI is what such scenes are used
# for.


def ndvi(image):
    """Normalised difference of near infrared and red."""
    red, near = image[..., 2].astype(float), image[..., 3].astype(float)
    return (near - red) / (near + red)


for name, filled in {"alone": alone, "with the guide": guided}.items():
    error = np.sqrt(np.mean((ndvi(filled) - ndvi(truth))[clouds] ** 2))
    print(f"filled {name:15} root mean squared error of the NDVI: {error:.3f}")

# %%
# Unseen pixels only were changed, and the georeference is that of the scene:

print("measured pixels kept:", bool((guided[~clouds] == image[~clouds]).all()))
with tifffile.TiffFile(folder / "filled.tif") as file:
    tags = file.pages[0].tags
    print("upper left corner:", tags[33922].value[3:5], " code:", tags[34735].value[15])
