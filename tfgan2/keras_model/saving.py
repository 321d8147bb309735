"""A flavour as a .keras file: its configuration, its optimizers, and all of their state."""

from __future__ import annotations

from typing import Any

import keras

from tfgan2.errors import UserError
from tfgan2.keras_model import registered_name
from tfgan2.nn.precision import precision


class SavedModel(keras.Model):
    """A Keras model that a .keras file gives back as it was, and trains on from there."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Registers the class for `keras.models.load_model`."""
        super().__init_subclass__(**kwargs)
        package, _, name = registered_name(cls.__module__, cls.__name__).partition(">")
        keras.saving.register_keras_serializable(package, name)(cls)

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Like `tf.keras.Model.save`: networks, averages, optimizers and all of their state.

        Raises:
            UserError: not a .keras file.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise UserError(f"{str(filepath)!r} cannot hold a GAN: save it as a .keras file")
        super().save(filepath, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Every hyperparameter, resolved, the precision and the planned number of steps."""
        policy = keras.dtype_policies.serialize(self.dtype_policy)
        return {**dict(self.config), "dtype": policy, "planned_steps": self.planned_steps}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """A model like the one that gave this `get_config`, with fresh weights."""
        options = dict(config)
        policy, steps = options.pop("dtype", None), options.pop("planned_steps", None)
        with precision(keras.dtype_policies.get(policy or keras.config.dtype_policy())):
            model = cls(**options)
        if steps is not None:
            model.planned_steps = steps
        return model

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        # The others follow from the hyperparameters.
        chosen = {name: self.optimizers[name] for name in self._chosen}
        serialized = {name: keras.optimizers.serialize(each) for name, each in chosen.items()}
        return {"optimizers": serialized, **self._settings}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        settings = dict(config)
        serialized = settings.pop("optimizers").items()
        self.compile(
            **{name: keras.optimizers.deserialize(each) for name, each in serialized}, **settings
        )

    def _own_state(self) -> list[keras.Variable]:
        """The model's own variables, and the seeds of its layers, which Keras would not save."""
        known = {id(variable) for variable in self.weights}
        seeds = [v for v in self.weights_by_name().values() if id(v) not in known]
        return [*self._trainable_variables, *self._non_trainable_variables, *seeds]

    def save_own_variables(self, store: Any) -> None:
        for index, variable in enumerate(self._own_state()):
            store[str(index)] = variable

    def load_own_variables(self, store: Any) -> None:
        own = self._own_state()
        if len(store.keys()) != len(own):
            raise UserError(f"the file is not of this {type(self).__name__}: load_model makes it")
        for index, variable in enumerate(own):
            variable.assign(store[str(index)])
