"""Programs as people write them for Keras run as they are but for the imports; each is one kind of program."""

import contextlib
import io

import pytest

IMPORTS = """
import numpy as np
from pullback import keras
from pullback.keras import layers
"""

DATA = """
keras.utils.set_random_seed(1)
from pullback.data import load_digits
(x_train, y_train), (x_test, y_test) = load_digits("train"), load_digits("test")
"""

CONVNET = """
num_classes = 10
x_train = np.expand_dims(x_train.reshape(-1, 8, 8), -1)
x_test = np.expand_dims(x_test.reshape(-1, 8, 8), -1)
y_train = keras.utils.to_categorical(y_train, num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)

model = keras.Sequential(
    [
        keras.Input(shape=(8, 8, 1)),
        layers.Conv2D(16, kernel_size=(3, 3), padding="same", activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(32, kernel_size=(3, 3), padding="same", activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(num_classes, activation="softmax"),
    ]
)
model.summary()
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=15, validation_split=0.1)
score = model.evaluate(x_test, y_test, verbose=0)
print("Test loss:", score[0])
print("Test accuracy:", score[1])
reached = score[1]
"""

FUNCTIONAL = """
inputs = keras.Input(shape=(8, 8, 1), name="img")
x = layers.Conv2D(8, 3, activation="relu", padding="same")(inputs)
block_1_output = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(8, 3, activation="relu", padding="same")(block_1_output)
x = layers.Conv2D(8, 3, activation="relu", padding="same")(x)
block_2_output = layers.add([x, block_1_output])
x = layers.GlobalAveragePooling2D()(block_2_output)
x = layers.Dense(32, activation="relu")(x)
x = layers.Dropout(0.1)(x)
outputs = layers.Dense(10)(x)
model = keras.Model(inputs, outputs, name="toy_resnet")
model.summary()
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-2),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["acc"],
)
history = model.fit(
    x_train.reshape(-1, 8, 8, 1), y_train, batch_size=64, epochs=30, validation_split=0.2,
    callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
               keras.callbacks.ReduceLROnPlateau(patience=3)],
)
reached = max(history.history["val_acc"])
"""

SEVERAL = """
num_tags, num_words, num_departments = 12, 100, 4
title_input = keras.Input(shape=(None,), name="title")
body_input = keras.Input(shape=(None,), name="body")
tags_input = keras.Input(shape=(num_tags,), name="tags")
title_features = layers.Embedding(num_words, 8)(title_input)
body_features = layers.Embedding(num_words, 8)(body_input)
title_features = layers.LSTM(8)(title_features)
body_features = layers.LSTM(4)(body_features)
x = layers.concatenate([title_features, body_features, tags_input])
priority_pred = layers.Dense(1, name="priority")(x)
department_pred = layers.Dense(num_departments, name="department")(x)
model = keras.Model(
    inputs=[title_input, body_input, tags_input],
    outputs={"priority": priority_pred, "department": department_pred},
)
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={
        "priority": keras.losses.BinaryCrossentropy(from_logits=True),
        "department": keras.losses.CategoricalCrossentropy(from_logits=True),
    },
    loss_weights={"priority": 1.0, "department": 0.2},
)
title_data = np.random.randint(num_words, size=(128, 6))
body_data = np.random.randint(num_words, size=(128, 10))
tags_data = np.random.randint(2, size=(128, num_tags)).astype("float32")
priority_targets = np.random.random(size=(128, 1))
dept_targets = np.random.randint(2, size=(128, num_departments))
history = model.fit(
    {"title": title_data, "body": body_data, "tags": tags_data},
    {"priority": priority_targets, "department": dept_targets},
    epochs=2,
    batch_size=32,
)
assert sorted(history.history) == ["department_loss", "loss", "priority_loss"]
reached = 1.0
"""

AUTOENCODER = """
latent = 8
class Autoencoder(keras.Model):
    def __init__(self, latent_dim):
        super().__init__()
        self.encoder = keras.Sequential([layers.Flatten(), layers.Dense(latent_dim, activation="relu")])
        self.decoder = keras.Sequential([layers.Dense(64, activation="sigmoid"), layers.Reshape((8, 8))])

    def call(self, x):
        encoded = self.encoder(x)
        decoded = self.decoder(encoded)
        return decoded

images = x_train.reshape(-1, 8, 8)
autoencoder = Autoencoder(latent)
autoencoder.compile(optimizer="adam", loss=keras.losses.MeanSquaredError())
history = autoencoder.fit(images, images, epochs=15, shuffle=True, validation_data=(images[:100], images[:100]))
encoded = autoencoder.encoder(images[:5]).numpy()
assert encoded.shape == (5, latent)
reached = 1 - history.history["val_loss"][-1] / images.var()
"""

CUSTOM_LAYER = """
class Linear(layers.Layer):
    def __init__(self, units=32):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.w) + self.b

model = keras.Sequential()
model.add(keras.Input(shape=(64,)))
model.add(Linear(32))
model.add(layers.Activation("relu"))
model.add(Linear(10))
model.add(layers.Softmax())
model.compile(keras.optimizers.Adam(learning_rate=0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=6, batch_size=32, verbose=2)
loss, reached = model.evaluate(x_test, y_test)
predictions = model.predict(x_test)
assert (predictions.argmax(axis=1) == y_test).mean() == reached
"""


@pytest.mark.parametrize(
    ("script", "least"),
    [(CONVNET, 0.95), (FUNCTIONAL, 0.8), (SEVERAL, 1.0), (AUTOENCODER, 0.45), (CUSTOM_LAYER, 0.93)],
    ids=["convnet", "residual", "several inputs and outputs", "a model class", "a layer class"],
)
def test_it_runs_and_learns(script, least):
    names: dict = {"__name__": "script"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        program = compile(IMPORTS + DATA + script, "script", "exec")
        exec(program, names)  # the test's own text
    assert names["reached"] >= least
    assert "Epoch 1/" in printed.getvalue() and "/step" in printed.getvalue()
