"""The eight ways up that an image can be against the camera that took it."""

import numpy as np

UPRIGHT = "upright"
MIRRORED = "mirrored left to right"
# (2, 2) each: a shift to the right and down before the camera, times this, is the one that the image shows.
WAYS = {
    UPRIGHT: np.array([[1, 0], [0, 1]]),
    "turned by 180 degrees": np.array([[-1, 0], [0, -1]]),
    MIRRORED: np.array([[-1, 0], [0, 1]]),
    "flipped upside down": np.array([[1, 0], [0, -1]]),
    "turned by 90 degrees": np.array([[0, -1], [1, 0]]),
    "turned by 270 degrees": np.array([[0, 1], [-1, 0]]),
    "transposed": np.array([[0, 1], [1, 0]]),
    "transposed and turned": np.array([[0, -1], [-1, 0]]),
}
