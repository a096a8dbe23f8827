"""The yardstick: one training step in NumPy, as somebody who knows both backpropagation and NumPy writes it."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class ByHand:
    """A network x → tanh(x W₁ + b₁) → · W₂ + b₂ with softmax cross-entropy, trained by gradient descent.

    Weights lie as (in, out), every large array is allocated once, and what can be done in place is.
    `weights`: W₁ᵀ, b₁, W₂ᵀ, b₂, the matrices of shape (out, in) as PyTorch has them; they are copied.
    """

    def __init__(self, weights: list[Array], batch: int, lr: float) -> None:
        w1, b1, w2, b2 = weights
        self.w1, self.b1 = np.ascontiguousarray(w1.T), b1.copy()
        self.w2, self.b2 = np.ascontiguousarray(w2.T), b2.copy()
        self.lr = w1.dtype.type(lr)
        self.rows = np.arange(batch)
        hidden, classes = self.w2.shape
        self.h = np.empty((batch, hidden), w1.dtype)
        self.z = np.empty((batch, classes), w1.dtype)
        self.dh, self.slope = np.empty_like(self.h), np.empty_like(self.h)
        self.dw1, self.dw2 = np.empty_like(self.w1), np.empty_like(self.w2)

    def step(self, x: Array, labels: Array) -> Any:
        """Change the weights by one step on a batch `x` (batch, in) with `labels` (batch,); return the loss."""
        h, z, dh, slope, rows = self.h, self.z, self.dh, self.slope, self.rows
        # Forward.
        np.matmul(x, self.w1, out=h)
        h += self.b1
        np.tanh(h, out=h)
        np.matmul(h, self.w2, out=z)
        z += self.b2
        # Softmax cross-entropy; z becomes the probabilities, and then δ₂ = (p − onehot) / n.
        z -= z.max(axis=1, keepdims=True)
        chosen = z[rows, labels]
        np.exp(z, out=z)
        total = z.sum(axis=1)
        loss = (np.log(total) - chosen).mean()
        z /= total[:, None]
        z[rows, labels] -= 1
        z /= len(labels)
        # Back: δ₁ = δ₂ W₂ᵀ ∘ (1 − h²).
        np.matmul(z, self.w2.T, out=dh)
        np.multiply(h, h, out=slope)
        np.subtract(1, slope, out=slope)
        dh *= slope
        # Descent; the gradients' own memory takes lr · gradient.
        np.matmul(h.T, z, out=self.dw2)
        np.matmul(x.T, dh, out=self.dw1)
        self.w2 -= np.multiply(self.dw2, self.lr, out=self.dw2)
        self.b2 -= self.lr * z.sum(axis=0)
        self.w1 -= np.multiply(self.dw1, self.lr, out=self.dw1)
        self.b1 -= self.lr * dh.sum(axis=0)
        return loss
