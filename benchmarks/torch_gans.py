"""DCGAN, SNGAN and WGAN-GP in PyTorch, in the style of PyTorch's DCGAN example.

python benchmarks/torch_gans.py dcgan --mode eager

The reference of `train_speed.py` and `gpu.py`: 32x32x3, 64-128-256 channels, Adam. Needs PyTorch
and NumPy, not tfgan2. Images come from one tensor in memory without a loader, the best case for
PyTorch. Trains until it is killed, and prints the number of finished steps every `--every` steps.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

LATENTS, CRITIC_STEPS, PENALTY = 100, 5, 10.0
FLAVOURS = ("dcgan", "sngan", "wgan-gp")
Loss = Callable[[torch.Tensor], torch.Tensor]


def initialize(module: nn.Module) -> None:
    """Initializes the weights as the example does."""
    name = type(module).__name__
    if name.startswith("Conv"):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif name.startswith("BatchNorm"):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def generator(base: int) -> nn.Module:
    def up(before: int, after: int, *shape: int) -> list[nn.Module]:
        return [
            nn.ConvTranspose2d(before, after, *shape, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(True),
        ]

    return nn.Sequential(
        *up(LATENTS, 4 * base, 4, 1, 0),
        *up(4 * base, 2 * base, 4, 2, 1),
        *up(2 * base, base, 4, 2, 1),
        nn.ConvTranspose2d(base, 3, 4, 2, 1),
        nn.Tanh(),
    )


def discriminator(base: int, flavour: str) -> nn.Module:
    """Has batch norm, spectral norm or none, depending on the flavour."""

    def constrained(convolution: nn.Module) -> nn.Module:
        return spectral_norm(convolution) if flavour == "sngan" else convolution

    def down(before: int, after: int, normalized: bool) -> list[nn.Module]:
        normalized = normalized and flavour == "dcgan"
        convolution = constrained(nn.Conv2d(before, after, 4, 2, 1, bias=not normalized))
        normalization = [nn.BatchNorm2d(after)] if normalized else []
        return [convolution, *normalization, nn.LeakyReLU(0.2, inplace=True)]

    return nn.Sequential(
        *down(3, base, False),
        *down(base, 2 * base, True),
        *down(2 * base, 4 * base, True),
        constrained(nn.Conv2d(4 * base, 1, 4, 1, 0)),
        nn.Flatten(0),
    )


def adam(network: nn.Module, learning_rate: float, betas: tuple[float, float]) -> Any:
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=betas)


class Game:
    """Two networks, their optimizers, and the steps of the flavours."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device, self.batch = torch.device(options.device), options.batch_size
        self.half = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[
            options.precision
        ]
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        gradient_penalty = options.flavour == "wgan-gp"
        networks = [
            generator(options.base_channels),
            discriminator(options.base_channels, options.flavour),
        ]
        networks = [net.apply(initialize).to(self.device, memory_format=layout) for net in networks]
        rates = (1e-4, (0.0, 0.9)) if gradient_penalty else (2e-4, (0.5, 0.999))
        self.g_optimizer, self.d_optimizer = (adam(net, *rates) for net in networks)
        enabled = self.half is torch.float16
        self.scalers = [torch.amp.GradScaler(self.device.type, enabled=enabled) for _ in networks]
        if options.mode == "compile":
            networks[0] = torch.compile(networks[0])
            if not gradient_penalty:  # PyTorch has no second derivatives of a compiled network
                networks[1] = torch.compile(networks[1])
        self.g, self.d = networks
        images = np.load(options.images) if options.images else None
        if images is None:
            images = np.random.RandomState(0).randint(0, 256, (2000, 32, 32, 3), np.uint8)
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(self.device)
        self.layout = layout

    def autocast(self) -> Any:
        if self.half is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.half)

    def real(self) -> torch.Tensor:
        chosen = torch.randint(len(self.images), (self.batch,), device=self.device)
        images = self.images[chosen].float() / 127.5 - 1.0
        return images.contiguous(memory_format=self.layout)

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
            logits = self.d(between)  # in float32: squares of gradients overflow in float16
            (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
            norm = gradient.flatten(1).norm(2, dim=1)
            self.apply(loss + PENALTY * ((norm - 1) ** 2).mean(), 1)
        self.g.zero_grad()
        with self.autocast():
            loss = -self.d(self.g(self.latents())).float().mean()
        self.apply(loss, 0)

    def step(self, flavour: str) -> Callable[[], None]:
        return getattr(self, flavour.replace("-", "_"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flavour", choices=FLAVOURS)
    parser.add_argument("--mode", choices=("eager", "compile"), default="eager")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16", "float16"), default="float32"
    )
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--base-channels", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=Path, help="uint8, (N, 32, 32, 3), .npy; default: noise")
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--steps", type=int, default=0, help="0: until killed")
    options = parser.parse_args()
    torch.manual_seed(0)
    step = Game(options).step(options.flavour)
    done = 0
    while not options.steps or done < options.steps:
        step()
        done += 1
        if done % options.every == 0:
            if options.device != "cpu":
                torch.cuda.synchronize()
            print(done, flush=True)


if __name__ == "__main__":
    main()
