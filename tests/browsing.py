"""Pictures in a page, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def pixels(page: Any, expression: str, argument: Any = None) -> np.ndarray:
    """A picture of the page, uint8, shape (H, W, C); `expression` is a function in JavaScript."""
    found = page.evaluate(
        f"""async (argument) => {{
            const {{ width, height, channels, data }} = await ({expression})(argument);
            return {{ shape: [height, width, channels], data: [...data] }};
        }}""",
        argument,
    )
    return np.array(found["data"], np.uint8).reshape(found["shape"])


def assert_same(shown: np.ndarray, expected: np.ndarray) -> None:
    """Within one step of 255, of pictures that are not flat."""
    assert shown.shape == expected.shape
    assert np.ptp(expected) > 50
    assert np.abs(shown.astype(int) - expected.astype(int)).max() <= 1
