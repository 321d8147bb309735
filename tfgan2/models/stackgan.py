"""StackGAN: text to photo-realistic image synthesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan2.distributed import microbatches, replicas
from tfgan2.errors import UserError
from tfgan2.export.spec import ExportSpec
from tfgan2.hyperparameters import data_option, option, preset
from tfgan2.images import resize_matrix
from tfgan2.inputs import words
from tfgan2.models.base import Batch, Examples, Metrics, Objective, View
from tfgan2.models.latent import LatentModel
from tfgan2.models.options import Adam, Blocks, Channels, OptimizerChoice
from tfgan2.networks import stackgan as networks
from tfgan2.networks.layers import output
from tfgan2.nn import losses
from tfgan2.nn.resizing import resized_by

TEXT, STAGE_ONE, STAGE_TWO = "text", "stage one", "stage two"
TEMPERATURE = 0.1
TEXT_OPTIMIZER = "text_optimizer"
STAGE_OPTIMIZERS = (
    ("generator_one_optimizer", "discriminator_one_optimizer"),
    ("generator_two_optimizer", "discriminator_two_optimizer"),
)


class StackGAN(LatentModel):
    """Sentences become images in two stages, Zhang et al. 2016 (arXiv:1612.03242).

    A sentence's condition is drawn from N(m, s^2), both computed from its embedding. Stage one
    makes a small image from it and from latents. Stage two, with stage one frozen, makes a large
    image from the small one and a condition of its own. Each discriminator sees image and sentence,
    and minimizes -log D(x, t) - (log(1 - D(G, t)) + log(1 - D(x, another t))) / 2, the
    generator -log D(G, t) + kl_weight * KL(N(m, s^2) || N(0, I)). Another t is that of the image
    before in the batch; images that have the same one are left out of its mean.

    The paper takes the embeddings from an encoder trained before on images with captions. So is it
    here: for the first text_steps the text encoder learns, with an encoder of images, to find the
    caption of each image among the others of the batch; then it is frozen. Images are generated
    with the mean condition, so that latents and sentence decide all.
    """

    class Config(Blocks, Channels, OptimizerChoice, Adam, LatentModel.Config):
        vocabulary: tuple[str, ...] = data_option("known words", itemgetter("vocabulary"))
        caption_length: int = data_option("words read of a caption", itemgetter("caption_length"))
        captions: tuple[str, ...] = data_option("captions to sample", itemgetter("captions"))
        text_dim: int = option(128, "length of a sentence's embedding", at_least=1)
        condition_dim: int = option(128, "length of a sentence's condition", at_least=1)
        refinement: int = option(
            None, "enlargement by stage two; none: 4 from 128 pixels on, else 2", choices=(2, 4)
        )
        kl_weight: float = option(1.0, "weight of the KL term of both stages")
        text_steps: int | None = option(None, "steps of the text encoder; none: a tenth of all")
        stage_one_steps: int | None = option(None, "steps of stage one; none: half of the rest")
        learning_rate: float = option(help="learning rate of both stages")
        text_learning_rate: float = option(1e-3, "learning rate of the text encoder")

        cpu = preset(base_channels=24, blocks=2, batch_size=32, steps=5_000)

        def resolve(self) -> None:
            super().resolve()
            height, width, _ = self.image_shape
            self.default("refinement", 4 if height >= 128 else 2)
            small = height // self.refinement
            if height != width or height % self.refinement or small < 8 or small & (small - 1):
                raise UserError(
                    f"stackgan needs square images of a power of 2, {8 * self.refinement} pixels "
                    f"or more, not {height}x{width}: give --image-size"
                )

    data_kind = "captions"
    network_count = 10
    fewest_samples = 2
    phase = STAGE_TWO

    @property
    def captions(self) -> tuple[str, ...]:
        return self.config.captions

    def build_networks(self) -> None:
        config, shape = self.config, self.image_shape
        size, channels = shape[0] // config.refinement, shape[-1]
        small_shape = (size, size, channels)
        self._down = resize_matrix(shape[0], size)

        words_known = len(config.vocabulary) + words.FIRST
        make = self.layer_maker
        self.text_encoder = networks.text_encoder(
            words_known, config.caption_length, config.text_dim, make(0)
        )
        self.image_encoder = networks.image_encoder(shape, config.text_dim, make(1))
        dims = (config.text_dim, config.condition_dim)
        self.conditions = [
            networks.conditioning(*dims, make(1 + stage), f"condition_{stage}") for stage in (1, 2)
        ]
        self.stages = [
            networks.stage_one(small_shape, config.latent_dim, config.condition_dim, make(4)),
            networks.stage_two(small_shape, shape, config.condition_dim, config.blocks, make(5)),
        ]
        self.discriminators = [
            networks.discriminator(each, config.text_dim, make(5 + stage), f"discriminator_{stage}")
            for stage, each in ((1, small_shape), (2, shape))
        ]
        z = keras.Input((config.latent_dim,), name="z")
        text = keras.Input((config.text_dim,), name="text")
        small = self.stages[0]([z, self.conditions[0](text)[0]])
        large = self.stages[1]([small, self.conditions[1](text)[0]])
        self.generator = keras.Model([z, text], output(large, "linear"), name="generator")

    def networks(self) -> dict[str, keras.Model]:
        return {
            "generator": self.generator,
            "discriminator_one": self.discriminators[0],
            "discriminator_two": self.discriminators[1],
            "text_encoder": self.text_encoder,
            "image_encoder": self.image_encoder,
        }

    def exports(
        self, *, truncation: float | None = None, standing_statistics: int = 0
    ) -> dict[str, ExportSpec]:
        specs = super().exports(truncation=truncation, standing_statistics=standing_statistics)
        generator, options = specs["generator"], self.get_config()

        def texts(examples: Examples) -> dict[str, np.ndarray]:
            return {"text": self.text_encoder.predict(examples[1], verbose=0)}

        def indices(examples: Examples) -> dict[str, np.ndarray]:
            return {"words": examples[1]}

        facts = {"captions": options["captions"]}
        encoder_facts = {key: options[key] for key in ("vocabulary", "caption_length")}
        return {
            "generator": replace(generator, facts={**generator.facts, **facts}, inputs_of=texts),
            "text_encoder": ExportSpec(self.text_encoder, facts=encoder_facts, inputs_of=indices),
        }

    # --- optimizers and phases -------------------------------------------------------------------

    def trained_by(self) -> dict[str, list[keras.Model]]:
        trained = {TEXT_OPTIMIZER: [self.text_encoder, self.image_encoder]}
        for stage, (generator, discriminator) in enumerate(STAGE_OPTIMIZERS):
            trained[generator] = [self.conditions[stage], self.stages[stage]]
            trained[discriminator] = [self.discriminators[stage]]
        return trained

    def _first_steps(self) -> tuple[int, int]:
        """The lengths of the first two phases."""
        text, one = self.config.text_steps, self.config.stage_one_steps
        text = self.planned_steps // 10 if text is None else text
        return text, max(0, self.planned_steps - text) // 2 if one is None else one

    def plan(self, steps: int) -> None:
        super().plan(steps)
        self.config.text_steps, self.config.stage_one_steps = self._first_steps()

    def phase_at(self, step: int) -> str:
        text, one = self._first_steps()
        return TEXT if step < text else STAGE_ONE if step < text + one else STAGE_TWO

    def check_batch_size(self, batch_size: int, replicas: int = 1) -> None:
        super().check_batch_size(batch_size, replicas)
        if batch_size < 2:
            raise UserError(
                "stackgan pairs each image with the text of another",
                ": give a --batch-size of 2 or more",
            )

    # --- the step --------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> Metrics:
        """An update of what the phase trains: the encoders, or a stage and its discriminator.

        Args:
            batch: images, float32 in [-1, 1], shape (B, size, size, channels), and the words of
                their captions, int32, shape (B, caption_length).

        Returns:
            Float32 scalars: the losses of what was trained.
        """
        images, indices = batch
        if self.phase == STAGE_ONE:
            images = resized_by(images, self._down, self._down)
        if self.phase == TEXT:
            metrics = self._text_step(images, indices)
        else:
            metrics = self._stage_step(int(self.phase == STAGE_TWO), images, indices)
        self.step.assign_add(1)
        return metrics

    def _text_step(self, images: tf.Tensor, indices: tf.Tensor) -> Metrics:
        def objective(tape: tf.GradientTape) -> Objective:
            texts = tf.math.l2_normalize(self.text_encoder(indices, training=True), axis=1)
            seen = tf.math.l2_normalize(self.image_encoder(images, training=True), axis=1)
            # Of all replicas: with its own captions alone, each would have an easier task.
            everything = (replicas.gathered(each) for each in (texts, seen, indices))
            return text_loss(*everything), {}

        loss, _ = self.minimize(TEXT_OPTIMIZER, objective)
        return {"text_loss": loss}

    def _condition(self, stage: int, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A random condition for each sentence, and the KL term."""
        mean, log_var = self.conditions[stage](text, training=True)
        noise = microbatches.normal(tf.shape(mean), self.noise_seed(f"condition {stage}"))
        return mean + tf.exp(0.5 * log_var) * noise, losses.kl_divergence(mean, log_var)

    def _fake_images(self, stage: int, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images of a stage, with gradients to it, and its KL term."""
        latents = self.random_latents(tf.shape(text)[0], "latents")
        if stage == 0:
            condition, kl = self._condition(0, text)
            images = self.stages[0]([latents, condition], training=True)
            if replicas.count() > 1:
                # One stage one for all: stage two uses it as it is, and so does a resumed run.
                statistics = self.stages[0].non_trainable_variables
                means = replicas.mean([statistic.value for statistic in statistics])
                for statistic, mean in zip(statistics, means, strict=True):
                    statistic.assign(mean)
            return images, kl
        small = self.stages[0]([latents, self.conditions[0](text)[0]], training=False)
        condition, kl = self._condition(1, text)
        return self.stages[1]([tf.stop_gradient(small), condition], training=True), kl

    def _stage_step(self, stage: int, images: tf.Tensor, indices: tf.Tensor) -> Metrics:
        text = self.text_encoder(indices, training=False)
        generator, discriminator = STAGE_OPTIMIZERS[stage]
        network = self.discriminators[stage]

        def objective(tape: tf.GradientTape) -> Objective:
            fake, kl = self._fake_images(stage, text)
            with tape.stop_recording():
                seen = (images, tf.stop_gradient(fake), text, indices)
                loss, scores = self.minimize(
                    discriminator, lambda tape: self.discriminator_objective(network, *seen)
                )
            logits = network([fake, text], training=True)
            adversarial = losses.non_saturating_generator_loss(logits)
            metrics = {"discriminator_loss": loss, **scores}
            terms = {"adversarial_loss": adversarial, "kl_loss": kl}
            return adversarial + self.config.kl_weight * kl, {**metrics, **terms}

        loss, metrics = self.minimize(generator, objective)
        return {"generator_loss": loss, **metrics}

    @staticmethod
    def discriminator_objective(
        discriminator: keras.Model,
        images: tf.Tensor,
        fake: tf.Tensor,
        text: tf.Tensor,
        indices: tf.Tensor,
    ) -> Objective:
        """Cross entropy of real images, and of generated and mismatched ones, half each."""
        on_real = discriminator([images, text], training=True)
        on_fake = discriminator([fake, text], training=True)
        # The sentences rotate by one: each image appears with that of another.
        others = replicas.own_share(tf.roll(replicas.gathered(text), 1, axis=0))
        mismatched = tf.cast(discriminator([images, others], training=True), tf.float32)
        sentences = replicas.gathered(indices)
        differ = tf.reduce_any(sentences != tf.roll(sentences, 1, axis=0), axis=1)
        count = tf.reduce_sum(tf.cast(differ, tf.float32)) / replicas.shares()
        differ = tf.cast(replicas.own_share(differ), tf.float32)[:, None]

        def mean(values: tf.Tensor) -> tf.Tensor:
            return tf.math.divide_no_nan(tf.reduce_sum(differ * values), count)

        entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.zeros_like(mismatched), mismatched)
        wrong = losses.sigmoid_cross_entropy(on_fake, 0.0) + mean(entropy)
        scores = {
            f"{key}_score": tf.reduce_mean(tf.sigmoid(tf.cast(logits, tf.float32)))
            for key, logits in {"real": on_real, "fake": on_fake}.items()
        }
        loss = losses.sigmoid_cross_entropy(on_real, 1.0) + 0.5 * wrong
        return loss, {**scores, "mismatched_score": mean(tf.sigmoid(mismatched))}

    # --- sampling --------------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """The embeddings of sentences, float32, shape (N, text_dim); see `encode_words`."""
        indices = words.encode_words(texts, self.config.vocabulary, self.config.caption_length)
        return self.text_encoder(indices, training=False).numpy()

    def preview_count(self, about: int = 64) -> int:
        """Number of samples in one preview: whole rows of captions."""
        return max(1, round(about / len(self.captions))) * len(self.captions)

    def condition_inputs(self, condition: Any, count: int) -> dict[str, np.ndarray]:
        texts = words.in_turn(self.captions, count) if condition is None else condition
        if isinstance(texts, str):
            texts = [texts] * count
        if len(texts) != count:
            raise UserError(f"{count} latents need as many texts, not {len(texts)}")
        if isinstance(texts, np.ndarray) and texts.ndim == 2:  # encoded, as the data have them
            return {"text": self.text_encoder(texts, training=False).numpy()}
        return {"text": self.encode([str(text) for text in texts])}

    def previews(self, examples: Examples, *, about: int = 64, seed: int = 0) -> dict[str, View]:
        """Samples of the captions, one column each, and the small images of stage one."""
        latents = self.draw_latents(self.preview_count(about), seed=seed)
        texts = words.in_turn(self.captions, len(latents))
        columns = len(self.captions)
        mean = self.conditions[0](self.encode(texts), training=False)[0].numpy()
        small = self.run_generator(self.stages[0], {"z": latents, "condition": mean})
        large = self.generate(latents, texts)
        return {"": View(large, columns), "stage-one": View(small, columns)}


def text_loss(texts: tf.Tensor, seen: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """The cross entropy of finding the image of each caption and the caption of each image.

    An image with the same caption is no wrong answer, and left out.

    Args:
        texts: embeddings of the captions, float32, of length 1, shape (B, text_dim).
        seen: those of their images.
        indices: the words of the captions, int32, shape (B, caption_length).
    """
    similarity = tf.matmul(texts, seen, transpose_b=True) / TEMPERATURE
    count = tf.shape(similarity)[0]
    same = tf.reduce_all(indices[:, None] == indices[None], axis=2)
    others = same & ~tf.eye(count, dtype=tf.bool)
    similarity = tf.where(others, -1e9, similarity)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
    by_text, by_image = (
        tf.reduce_mean(entropy(tf.range(count), each))
        for each in (similarity, tf.transpose(similarity))
    )
    return 0.5 * (by_text + by_image)
