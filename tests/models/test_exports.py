"""What `tfgan2.models` exports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tfgan2.models
from tfgan2 import registry


def test_every_flavour_is_exported() -> None:
    from tfgan2.models import WGANGP

    assert registry.load_class("wgan-gp") is WGANGP
    for name in registry.FLAVOURS:
        _, class_name = registry.find(name)
        assert class_name in tfgan2.models.__all__
        assert getattr(tfgan2.models, class_name) is registry.load_class(name)


def test_base_classes_are_exported() -> None:
    from tfgan2.models import AdversarialModel, GenerativeModel, LatentGAN

    assert issubclass(LatentGAN, AdversarialModel) and issubclass(LatentGAN, GenerativeModel)
    for name in tfgan2.models.__all__:
        assert getattr(tfgan2.models, name).__name__ == name


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'WGANPG'"):
        _ = tfgan2.models.WGANPG


def test_importing_the_package_imports_no_tensorflow() -> None:
    code = "import sys, tfgan2.models; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
