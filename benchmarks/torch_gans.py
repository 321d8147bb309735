"""DCGAN, SNGAN and WGAN-GP in PyTorch, in the style of PyTorch's DCGAN example, and at its best.

python benchmarks/torch_gans.py dcgan --mode graph --device cuda

The opponent of `train_speed.py` and `gpu.py`, which time the lines that it prints (contestants.py).
Needs PyTorch and NumPy, not tfgan2. Trains until it is killed. The modes:

* `example`: as PyTorch's DCGAN example is written;
* `eager`: with channels_last, fused Adam, cudnn.benchmark and TF32, as all modes below;
* `compile`, `compile-reduce-overhead`, `compile-max-autotune`: the networks through torch.compile;
* `graph`: the whole step, all updates of both networks, is one CUDA graph;
* `graph-compile`: the same with compiled networks.

On a CPU the graph modes run the same step without a graph. float16 scales losses with GradScaler
in every mode: with a fused Adam it keeps the scale, and the choice to skip an update, on the
device, so that a graph holds it too. `--feed random` gathers uint8 images from a tensor on the
device by random indices, without a loader; `--feed fixed` trains on a few fixed batches.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants import train
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LATENTS, CRITIC_STEPS, PENALTY = 100, 5, 10.0
FLAVOURS = ("dcgan", "sngan", "wgan-gp")
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
WARM_UP_STEPS = 3
Loss = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Mode:
    """How a step runs: `compiled` is a mode of torch.compile, `graph` captures a CUDA graph."""

    tuned: bool = True
    compiled: str | None = None
    graph: bool = False


MODES = {
    "example": Mode(tuned=False),
    "eager": Mode(),
    "compile": Mode(compiled="default"),
    "compile-reduce-overhead": Mode(compiled="reduce-overhead"),
    "compile-max-autotune": Mode(compiled="max-autotune"),
    "graph": Mode(graph=True),
    "graph-compile": Mode(compiled="default", graph=True),
}


def initialize(module: nn.Module) -> None:
    """Initializes the weights as the example does."""
    name = type(module).__name__
    if name.startswith("Conv"):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif name.startswith("BatchNorm"):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def widths(base: int, size: int) -> list[int]:
    """Channels from the image inwards: doubled at each halving down to 4x4."""
    return [base * 2**level for level in range((size // 4).bit_length() - 1)]


def generator(base: int, size: int) -> nn.Module:
    def up(before: int, after: int, *shape: int) -> list[nn.Module]:
        return [
            nn.ConvTranspose2d(before, after, *shape, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(True),
        ]

    channels = widths(base, size)[::-1]
    blocks = up(LATENTS, channels[0], 4, 1, 0)
    for before, after in itertools.pairwise(channels):
        blocks += up(before, after, 4, 2, 1)
    return nn.Sequential(*blocks, nn.ConvTranspose2d(base, 3, 4, 2, 1), nn.Tanh())


def discriminator(base: int, size: int, flavour: str) -> nn.Module:
    """Has batch norm, spectral norm or none, depending on the flavour."""

    def constrained(convolution: nn.Module) -> nn.Module:
        return spectral_norm(convolution) if flavour == "sngan" else convolution

    def down(before: int, after: int, normalized: bool) -> list[nn.Module]:
        normalized = normalized and flavour == "dcgan"
        convolution = constrained(nn.Conv2d(before, after, 4, 2, 1, bias=not normalized))
        normalization = [nn.BatchNorm2d(after)] if normalized else []
        return [convolution, *normalization, nn.LeakyReLU(0.2, inplace=True)]

    channels = widths(base, size)
    blocks = down(3, base, False)
    for before, after in itertools.pairwise(channels):
        blocks += down(before, after, True)
    last = constrained(nn.Conv2d(channels[-1], 1, 4, 1, 0))
    return nn.Sequential(*blocks, last, nn.Flatten(0))


class Game:
    """Two networks, their optimizers, and the steps of the flavours."""

    def __init__(self, options: argparse.Namespace, layout: torch.memory_format) -> None:
        torch.manual_seed(0)
        self.device, self.batch = torch.device(options.device), options.batch_size
        self.mode, self.half, self.layout = (
            MODES[options.mode],
            PRECISIONS[options.precision],
            layout,
        )
        self.flavour = options.flavour
        gradient_penalty = self.flavour == "wgan-gp"
        networks = [
            generator(options.base_channels, options.image_size),
            discriminator(options.base_channels, options.image_size, self.flavour),
        ]
        networks = [net.apply(initialize).to(self.device, memory_format=layout) for net in networks]
        rates = (1e-4, (0.0, 0.9)) if gradient_penalty else (2e-4, (0.5, 0.999))
        self.g_optimizer, self.d_optimizer = (self._adam(net, *rates) for net in networks)
        enabled = self.half is torch.float16
        self.scalers = [torch.amp.GradScaler(self.device.type, enabled=enabled) for _ in networks]
        if self.mode.compiled:
            compile_ = functools.partial(torch.compile, mode=self.mode.compiled)
            networks[0] = compile_(networks[0])
            if not gradient_penalty:  # PyTorch has no second derivatives of a compiled network
                networks[1] = compile_(networks[1])
        self.g, self.d = networks
        # Channels last in memory, so that a gathered batch is so without a copy.
        self.images = torch.from_numpy(images_of(options)).to(self.device)
        chosen = torch.arange(CRITIC_STEPS * self.batch, device=self.device) % len(self.images)
        self.batches = [self._prepared(part) for part in chosen.split(self.batch)]
        self.fixed, self.turn = options.feed == "fixed", 0

    def _adam(self, network: nn.Module, rate: float, betas: tuple[float, float]) -> Any:
        fast = {"fused": True, "capturable": self.device.type == "cuda"} if self.mode.tuned else {}
        return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, **fast)

    def autocast(self) -> Any:
        if self.half is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.half)

    def _prepared(self, chosen: torch.Tensor) -> torch.Tensor:
        images = self.images[chosen].permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return images.contiguous(memory_format=self.layout)

    def real(self) -> torch.Tensor:
        if self.fixed:  # a step takes the same batches each time: a graph has their addresses
            self.turn += 1
            return self.batches[self.turn % len(self.batches)]
        return self._prepared(torch.randint(len(self.images), (self.batch,), device=self.device))

    def latents(self) -> torch.Tensor:
        return torch.randn(self.batch, LATENTS, 1, 1, device=self.device)

    def apply(self, loss: torch.Tensor, network: int) -> None:
        """Adds the gradients of a loss, and updates the generator (0) or discriminator (1)."""
        scaler, optimizer = self.scalers[network], (self.g_optimizer, self.d_optimizer)[network]
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    def one_to_one(self, on_real: Loss, on_fake: Loss, for_g: Loss) -> None:
        """One update of each network; the generator's uses the images of the discriminator's."""
        self.d.zero_grad()
        with self.autocast():
            loss = on_real(self.d(self.real()).float())
        self.scalers[1].scale(loss).backward()
        with self.autocast():
            fake = self.g(self.latents())
            loss = on_fake(self.d(fake.detach()).float())
        self.apply(loss, 1)
        self.g.zero_grad()
        with self.autocast():
            loss = for_g(self.d(fake).float())
        self.apply(loss, 0)

    def dcgan(self) -> None:
        def real(logits: torch.Tensor) -> torch.Tensor:
            ones = torch.ones_like(logits)
            return nn.functional.binary_cross_entropy_with_logits(logits, ones)

        def fake(logits: torch.Tensor) -> torch.Tensor:
            zeros = torch.zeros_like(logits)
            return nn.functional.binary_cross_entropy_with_logits(logits, zeros)

        self.one_to_one(real, fake, real)

    def sngan(self) -> None:
        relu = torch.relu
        self.one_to_one(
            lambda logits: relu(1.0 - logits).mean(),
            lambda logits: relu(1.0 + logits).mean(),
            lambda logits: -logits.mean(),
        )

    def wgan_gp(self) -> None:
        for _ in range(CRITIC_STEPS):
            self.d.zero_grad()
            real = self.real()
            with self.autocast():
                with torch.no_grad():
                    fake = self.g(self.latents())
                loss = self.d(fake).float().mean() - self.d(real).float().mean()
            weight = torch.rand(self.batch, 1, 1, 1, device=self.device)
            between = (weight * real + (1 - weight) * fake.float()).requires_grad_()
            with self.autocast():
                logits = self.d(between).float()
            (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
            norm = gradient.float().flatten(1).norm(2, dim=1)  # in float32, as tfgan2's
            self.apply(loss + PENALTY * ((norm - 1) ** 2).mean(), 1)
        self.g.zero_grad()
        with self.autocast():
            loss = -self.d(self.g(self.latents())).float().mean()
        self.apply(loss, 0)

    def step(self) -> None:
        if self.mode.compiled:
            torch.compiler.cudagraph_mark_step_begin()
        getattr(self, self.flavour.replace("-", "_"))()

    def ready(self) -> Callable[[], None]:
        """Returns the step after a warm-up, as a CUDA graph if the mode says so."""
        if self.device.type != "cuda":
            if self.mode.graph:
                print("no CUDA device: the step runs without a graph", file=sys.stderr)
            for _ in range(WARM_UP_STEPS):
                self.step()
            return self.step
        # A warm-up on a side stream, as PyTorch's documentation on CUDA graphs has it.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        if not self.mode.graph:
            return self.step
        for optimizer in (self.g_optimizer, self.d_optimizer):
            optimizer.zero_grad(set_to_none=True)  # gradients get their memory from the graph
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        return graph.replay

    def wait(self) -> None:
        """Waits for the computation, and stops at a weight that is not finite."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        if not all(weight.isfinite().all() for weight in self.g.parameters()):
            raise SystemExit("a weight is not finite")


def images_of(options: argparse.Namespace) -> np.ndarray:
    """Returns uint8 images of shape (N, size, size, 3)."""
    if options.images:
        return np.load(options.images)
    shape = (2000, options.image_size, options.image_size, 3)
    return np.random.RandomState(0).randint(0, 256, shape, np.uint8)


def prepared(options: argparse.Namespace) -> tuple[Game, Callable[[], None]]:
    """Returns a game and its step; where torch.compile refuses channels_last, without it."""
    mode = MODES[options.mode]
    if mode.tuned and options.device != "cpu":
        try:
            game = Game(options, torch.channels_last)
            return game, game.ready()
        except Exception as error:
            if not mode.compiled:
                raise
            first = str(error).strip().splitlines()[:1]
            print(f"contiguous layout, since channels_last failed: {first}", file=sys.stderr)
            torch.compiler.reset()
    game = Game(options, torch.contiguous_format)
    return game, game.ready()


def about(options: argparse.Namespace, game: Game) -> dict[str, Any]:
    """Names the device and the versions."""
    on_gpu = game.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name() if on_gpu else f"CPU, {os.cpu_count()} cores",
        "PyTorch": torch.__version__,
        "PyTorch's CUDA": torch.version.cuda if on_gpu else None,
        "layout": str(game.layout),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flavour", choices=FLAVOURS)
    parser.add_argument("--mode", choices=MODES, default="example")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--image-size", type=int, default=32, help="a power of two")
    parser.add_argument("--base-channels", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--feed", choices=("random", "fixed"), default="random")
    parser.add_argument("--images", type=Path, help="uint8, (N, size, size, 3), .npy; else noise")
    options = parser.parse_args()
    if MODES[options.mode].tuned:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    game, step = prepared(options)
    train(step, game.wait, about(options, game))


if __name__ == "__main__":
    main()
