"""Training and using runs from Python, as the command line does.

    run = tfgan2.fit("dcgan", "digits", steps=2000, hyperparameters={"latent_dim": 10})
    images = run.sample(64, seed=0)  # float32 in [-1, 1], (64, 16, 16, 1)
    run.export("tflite", precision="int8")
    tfgan2.load("runs/00000-dcgan-digits/export/generator.int8.tflite").generate(16, seed=0)

Imports no TensorFlow until something is trained or a run's model is needed.
"""

from tfgan2.api.run import Run, Samples, fit, open_run

__all__ = ["Run", "Samples", "fit", "open_run"]
