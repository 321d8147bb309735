"""The registry of flavours."""

from __future__ import annotations

import pytest

from tfgan2 import hyperparameters, registry
from tfgan2.errors import UserError


def test_unknown_flavours_are_refused_with_close_names() -> None:
    with pytest.raises(UserError, match=r"unknown flavour 'dcgna': did you mean 'dcgan'"):
        registry.find("dcgna")
    with pytest.raises(UserError, match=r"choose from .*dcgan"):
        registry.find("zzzzzz")


@pytest.mark.parametrize("name", registry.FLAVOURS)
def test_every_flavour_names_its_paper(name: str) -> None:
    flavour = registry.FLAVOURS[name]
    assert flavour.summary and "arXiv" in flavour.paper
    assert len(hyperparameters.description(name)) > 100


def test_create_refuses_unknown_hyperparameters_with_close_names() -> None:
    with pytest.raises(UserError, match="did you mean 'd_steps'"):
        registry.create("dcgan", image_shape=(8, 8, 1), dsteps=2)
