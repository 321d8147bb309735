"""StackGAN: text to photo-realistic image synthesis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfgan2.distributed import replicas
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.images import resize_matrix
from tfgan2.inputs import words
from tfgan2.models.adversarial import Metrics
from tfgan2.models.base import Batch, View, check_range, make_optimizer
from tfgan2.models.latent import LatentModel
from tfgan2.networks import stacked
from tfgan2.nn import losses
from tfgan2.nn.resizing import resized_by

TEXT, STAGE_ONE, STAGE_TWO = "text", "stage one", "stage two"
TEMPERATURE = 0.1
OPTIMIZERS = ("text", "generator_one", "discriminator_one", "generator_two", "discriminator_two")


class StackGAN(LatentModel):
    """Sentences become images in two stages, Zhang et al. 2016 (arXiv:1612.03242).

    A sentence's condition is drawn from N(m, s^2), both made from its embedding. Stage one makes a
    small image of it and of the latents; stage two, with stage one frozen, makes a large one of the
    small image and a condition of its own. Each stage's discriminator sees image and sentence, and
    minimises -log D(x, t) - (log(1 - D(G, t)) + log(1 - D(x, another t))) / 2, the generator
    -log D(G, t) + kl_weight * KL(N(m, s^2) || N(0, I)).

    The paper takes its sentences' embeddings from a network trained before, on captions and images
    together, and so is it here: for the first text_steps the text encoder learns, with an encoder
    of images, to find which caption of a batch belongs to which image; then it is frozen. Images
    are made with the mean condition, so that latents and sentence decide all.
    """

    data_kind = "captions"
    phase = STAGE_TWO

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        vocabulary: tuple[str, ...],
        caption_length: int,
        captions: tuple[str, ...],
        latent_dim: int = 100,
        text_dim: int = 128,
        condition_dim: int = 128,
        refinement: int | None = None,
        width: int = 64,
        blocks: int = 4,
        kl_weight: float = 1.0,
        text_steps: int | None = None,
        stage_one_steps: int | None = None,
        optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam",
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        text_learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        """Builds the networks.

        Args:
            image_shape: (size, size, channels) of the large images.
            vocabulary: the words that are known.
            caption_length: how many words of a caption are read.
            captions: what is sampled when no text is given.
            latent_dim: length of the latents.
            text_dim: length of a sentence's embedding.
            condition_dim: length of a sentence's condition.
            refinement: how many times as large stage two makes the images, 2 or 4; none: 4 from 128
                pixels on, as in the paper, else 2.
            width: channels at the images' end, all networks.
            blocks: residual blocks of stage two.
            kl_weight: of the KL term of both stages.
            text_steps: steps that the text encoder learns; none: a tenth of those planned at first.
            stage_one_steps: steps of stage one; none: half of those that are left then.
            optimizer: adam, adamw, rmsprop or sgd.
            learning_rate: of both players of both stages.
            beta_1: decay of Adam's first moment.
            text_learning_rate: of the text encoder.
            seed: of the initial weights and of all noise.

        Raises:
            UserError: a value that is not possible.
        """
        super().__init__(image_shape, seed=seed)
        height, breadth, channels = self.image_shape
        refinement = refinement or (4 if height >= 128 else 2)
        if refinement not in (2, 4):
            raise UserError(f"refinement must be 2 or 4, not {refinement}")
        small = height // refinement
        if height != breadth or height % refinement or small < 8 or small & (small - 1):
            raise UserError(
                f"stackgan needs square images of a power of 2, {8 * refinement} pixels or more, "
                f"not {height}x{breadth}: give --image-size"
            )
        for name, value in (
            *(("latent_dim", latent_dim), ("text_dim", text_dim), ("width", width)),
            *(("condition_dim", condition_dim), ("blocks", blocks)),
        ):
            check_range(name, value, 1)
        check_range("kl_weight", kl_weight, 0.0)
        check_range("text_steps", text_steps or 0, 0)
        check_range("stage_one_steps", stage_one_steps or 0, 0)
        self.vocabulary = tuple(vocabulary)
        self.caption_length = caption_length
        self.captions = tuple(captions)
        self.latent_dim = latent_dim
        self.text_dim = text_dim
        self.condition_dim = condition_dim
        self.refinement = refinement
        self.width = width
        self.blocks = blocks
        self.kl_weight = kl_weight
        self.text_steps = text_steps
        self.stage_one_steps = stage_one_steps
        self.optimizer_name = optimizer
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.text_learning_rate = text_learning_rate
        self._optimizer(text_learning_rate)  # so that a wrong value is told before training
        self._optimizer(learning_rate)
        self.small_shape = (small, small, channels)
        self._down = resize_matrix(height, small)
        self._build(10 * self.seed)

    @classmethod
    def data_hyperparameters(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        names = ("vocabulary", "caption_length", "captions")
        return {**super().data_hyperparameters(facts), **{name: facts[name] for name in names}}

    def hyperparameter(self, name: str) -> Any:
        return self.optimizer_name if name == "optimizer" else super().hyperparameter(name)

    def _build(self, seed: int) -> None:
        sizes = {"width": self.width}
        dims = (self.text_dim, self.condition_dim)
        self.text_encoder = stacked.text_encoder(
            len(self.vocabulary) + words.FIRST, self.caption_length, self.text_dim, seed=seed
        )
        self.image_encoder = stacked.image_encoder(
            self.image_shape, self.text_dim, seed=seed + 1, **sizes
        )
        self.conditions = [
            stacked.conditioning(*dims, seed=seed + 2 + stage, name=f"condition_{stage + 1}")
            for stage in (0, 1)
        ]
        one = stacked.stage_one(
            self.small_shape, self.latent_dim, self.condition_dim, seed=seed + 4, **sizes
        )
        two = stacked.stage_two(
            self.small_shape,
            self.image_shape,
            self.condition_dim,
            blocks=self.blocks,
            seed=seed + 5,
            **sizes,
        )
        self.stages = [one, two]
        self.judges = [
            stacked.discriminator(
                shape,
                self.text_dim,
                seed=seed + 6 + stage,
                name=f"discriminator_{stage + 1}",
                **sizes,
            )
            for stage, shape in enumerate((self.small_shape, self.image_shape))
        ]
        z = keras.Input((self.latent_dim,), name="z")
        text = keras.Input((self.text_dim,), name="text")
        small = one([z, self.conditions[0](text)[0]])
        large = two([small, self.conditions[1](text)[0]])
        image = layers.Activation("linear", dtype="float32", name="image")(large)
        self.generator = keras.Model([z, text], image, name="generator")

    def networks(self) -> dict[str, keras.Model]:
        return {
            "generator": self.generator,
            "discriminator_one": self.judges[0],
            "discriminator_two": self.judges[1],
            "text_encoder": self.text_encoder,
            "image_encoder": self.image_encoder,
        }

    def exports(self) -> dict[str, ExportSpec]:
        encoder = {"vocabulary": self.vocabulary, "caption_length": self.caption_length}

        def texts(examples: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
            return {"text": self.text_encoder.predict(examples[1], verbose=0)}

        return {
            "generator": ExportSpec(
                self.generator, facts={"captions": self.captions}, inputs_of=texts
            ),
            "text_encoder": ExportSpec(
                self.text_encoder, facts=encoder, inputs_of=lambda examples: {"words": examples[1]}
            ),
        }

    # --- optimizers ------------------------------------------------------------------------------

    def _optimizer(self, learning_rate: float) -> keras.optimizers.Optimizer:
        return make_optimizer(self.optimizer_name, learning_rate, beta_1=self.beta_1)

    def compile(self, **kwargs: Any) -> None:
        """Makes the optimizers, one for the encoders and one for each player of each stage.

        Args:
            **kwargs: `jit_compile`, `run_eagerly`, `steps_per_execution`.
        """
        super().compile(optimizer=None, **kwargs)
        rates = [self.text_learning_rate, *[self.learning_rate] * 4]
        self._optimizers = {
            name: self.prepared(self._optimizer(rate), self._variables(name))
            for name, rate in zip(OPTIMIZERS, rates, strict=True)
        }

    def optimizers_by_name(self) -> dict[str, keras.optimizers.Optimizer]:
        return {f"{name}_optimizer": found for name, found in self._optimizers.items()}

    def _variables(self, name: str) -> list[keras.Variable]:
        stage = int(name.endswith("two"))
        owners = {
            "text": [self.text_encoder, self.image_encoder],
            "generator": [self.conditions[stage], self.stages[stage]],
            "discriminator": [self.judges[stage]],
        }[name.partition("_")[0]]
        return [variable for owner in owners for variable in owner.trainable_variables]

    def _update(self, name: str, tape: tf.GradientTape, scaled: tf.Tensor) -> None:
        variables = self._variables(name)
        self._optimizers[name].apply(tape.gradient(scaled, variables), variables)

    # --- the game --------------------------------------------------------------------------------

    def _first_steps(self) -> tuple[int, int]:
        """How many steps the first two phases take."""
        text = self.planned_steps // 10 if self.text_steps is None else self.text_steps
        left = max(0, self.planned_steps - text)
        return text, left // 2 if self.stage_one_steps is None else self.stage_one_steps

    def plan(self, steps: int) -> None:
        super().plan(steps)
        self.text_steps, self.stage_one_steps = self._first_steps()

    def phase_at(self, step: int) -> str:
        text, one = self._first_steps()
        return TEXT if step < text else STAGE_ONE if step < text + one else STAGE_TWO

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        if batch_size < 2:
            raise UserError(
                "stackgan shows each image with the sentence of another: give a --batch-size of 2 "
                "or more"
            )

    def train_step(self, batch: Batch) -> Metrics:
        """An update of what the phase trains: the encoders, or both players of a stage.

        Args:
            batch: images, float32 in [-1, 1], shape (B, size, size, channels), and the words of
                their captions, int32, shape (B, caption_length).

        Returns:
            Float32 scalars: the losses of what was trained.

        Raises:
            UserError: a batch of one.
        """
        images, numbers = batch
        if images.shape[0]:
            self.check_batch_size(images.shape[0] * replicas.count())
        if self.phase == TEXT:
            metrics = self._text_step(images, numbers)
        elif self.phase == STAGE_ONE:
            metrics = self._stage_step(0, resized_by(images, self._down, self._down), numbers)
        else:
            metrics = self._stage_step(1, images, numbers)
        self.step.assign_add(1)
        return metrics

    def _text_step(self, images: tf.Tensor, numbers: tf.Tensor) -> Metrics:
        optimizer = self._optimizers["text"]
        with tf.GradientTape() as tape:
            texts = tf.math.l2_normalize(self.text_encoder(numbers, training=True), axis=1)
            seen = tf.math.l2_normalize(self.image_encoder(images, training=True), axis=1)
            # Of all replicas: else each would have fewer captions to tell apart, an easier task.
            texts, seen = replicas.gathered(texts), replicas.gathered(seen)
            similar = tf.matmul(texts, seen, transpose_b=True) / TEMPERATURE
            own = tf.range(tf.shape(similar)[0])
            both = [
                tf.nn.sparse_softmax_cross_entropy_with_logits(own, logits)
                for logits in (similar, tf.transpose(similar))
            ]
            loss = 0.5 * (tf.reduce_mean(both[0]) + tf.reduce_mean(both[1]))
            scaled = self.scaled(loss, optimizer)
        self._update("text", tape, scaled)
        return {"text_loss": loss}

    def _condition(self, stage: int, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A condition drawn for each sentence, and the KL term."""
        mean, log_var = self.conditions[stage](text, training=True)
        noise = tf.random.stateless_normal(tf.shape(mean), self.noise_seed(f"condition {stage}"))
        return mean + tf.exp(0.5 * log_var) * noise, losses.kl_divergence(mean, log_var)

    def _made(self, stage: int, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images of a stage, with a gradient to it, and its KL term."""
        latents = self.random_latents(tf.shape(text)[0], "latents")
        if stage == 0:
            condition, kl = self._condition(0, text)
            made = self.stages[0]([latents, condition], training=True)
            if replicas.count() > 1:
                # One stage one for all: stage two will use it as it is, and so will a resumed run.
                for statistic in self.stages[0].non_trainable_variables:
                    statistic.assign(replicas.mean(statistic.value))
            return made, kl
        small = self.stages[0]([latents, self.conditions[0](text)[0]], training=False)
        condition, kl = self._condition(1, text)
        return self.stages[1]([tf.stop_gradient(small), condition], training=True), kl

    def _stage_step(self, stage: int, images: tf.Tensor, numbers: tf.Tensor) -> Metrics:
        text = self.text_encoder(numbers, training=False)
        judge = self.judges[stage]
        player, opponent = (
            f"{name}_{('one', 'two')[stage]}" for name in ("generator", "discriminator")
        )
        with tf.GradientTape() as tape:
            made, kl = self._made(stage, text)
            with tape.stop_recording():
                still = tf.stop_gradient(made)
                metrics = self._judge_step(opponent, judge, images, still, text)
            adversarial = losses.non_saturating_generator_loss(judge([made, text], training=True))
            loss = adversarial + self.kl_weight * kl
            scaled = self.scaled(loss, self._optimizers[player])
        self._update(player, tape, scaled)
        return {"generator_loss": loss, **metrics, "adversarial_loss": adversarial, "kl_loss": kl}

    def _judge_step(
        self, name: str, judge: keras.Model, images: tf.Tensor, made: tf.Tensor, text: tf.Tensor
    ) -> Metrics:
        with tf.GradientTape() as tape:
            real = judge([images, text], training=True)
            fake = judge([made, text], training=True)
            # The sentences move on by one: each image is shown with that of another.
            others = replicas.own_share(tf.roll(replicas.gathered(text), 1, axis=0))
            wrong = judge([images, others], training=True)
            negatives = tf.concat([fake, wrong], axis=0)  # their mean: half of each
            loss = losses.minimax_discriminator_loss(real, negatives)
            scaled = self.scaled(loss, self._optimizers[name])
        self._update(name, tape, scaled)
        scores = {"real": real, "fake": fake, "mismatched": wrong}
        shown = {
            f"{key}_score": tf.reduce_mean(tf.sigmoid(tf.cast(value, tf.float32)))
            for key, value in scores.items()
        }
        return {"discriminator_loss": loss, **shown}

    # --- sampling --------------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Sentences as the generator takes them, float32, shape (N, text_dim).

        Raises:
            UserError: a text without a word that is known.
        """
        numbers = words.encode_words(texts, self.vocabulary, self.caption_length)
        return self.text_encoder(numbers, training=False).numpy()

    def preview_count(self, about: int = 64) -> int:
        """How many samples one picture takes: whole rows of captions."""
        return max(1, round(about / len(self.captions))) * len(self.captions)

    def generate(
        self,
        latents: np.ndarray | tf.Tensor,
        texts: np.ndarray | Sequence[str] | None = None,
        *,
        batch_size: int = 64,
    ) -> np.ndarray:
        """Makes images of sentences in inference mode.

        Args:
            latents: shape (N, latent_dim); `draw_latents` makes some.
            texts: N sentences; default: `captions` in turn.
            batch_size: how many images at a time.

        Returns:
            float32 in [-1, 1], shape (N, size, size, channels).

        Raises:
            UserError: latents of another shape, or a text without a word that is known.
        """
        latents = self.checked_latents(latents)
        if texts is None:
            texts = words.in_turn(self.captions, len(latents))
        if len(texts) != len(latents):
            raise UserError(f"{len(latents)} latents need as many texts, not {len(texts)}")
        inputs = {"z": latents, "text": self.encode([str(text) for text in texts])}
        return self.run_generator(self.generator, inputs, batch_size=batch_size)

    def previews(
        self, examples: tuple[np.ndarray, ...], *, about: int = 64, seed: int = 0
    ) -> dict[str, View]:
        """Samples of the captions, each a column, and what stage one made of them."""
        latents = self.draw_latents(self.preview_count(about), seed=seed)
        texts = words.in_turn(self.captions, len(latents))
        columns = len(self.captions)
        text = self.encode(texts)
        mean = self.conditions[0](text, training=False)[0].numpy()
        inputs = {"z": latents, "condition": mean}
        small = self.run_generator(self.stages[0], inputs)
        return {
            "": View(self.generate(latents, texts), columns),
            "stage-one": View(small, columns),
        }
