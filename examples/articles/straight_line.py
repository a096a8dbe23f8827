"""A straight line fitted by gradient descent, and why a learning rate is too large.

The data are x = 1 … 5, y = 2x; the model is w·x + b, the loss the mean squared error.

Usually told wrong: "with learning rate 0.1 the loss falls". It does not: it grows without bound. Near the
minimum a step of gradient descent multiplies the distance along each eigenvector of the Hessian by 1 − lr·λ,
so it converges exactly when |1 − lr·λ| < 1 for every eigenvalue: lr < 2/λmax. The loss is quadratic, so its
Hessian is the same everywhere: here [[22, 6], [6, 2]], λmax = 12 + √136 ≈ 23.66, and the bound is 0.0845.

Reached: at 0.1 the loss goes from 44 to 8e14 in 50 steps; at 0.01 to 1e-16 in 5,000, w = 2, b = 2e-8. One
per cent above the bound it diverges, one per cent below it converges.
"""

import numpy as np

import pullback as pb

X = np.arange(1.0, 6.0)
Y = 2 * X


def loss(parameters):
    w, b = parameters[0], parameters[1]
    return pb.mean((w * X + b - Y) ** 2)


def descend(lr, steps):
    """Gradient descent from w = b = 0; return the parameters and the loss after every step."""
    parameters = np.zeros(2)
    losses = []
    value_and_gradient = pb.value_and_grad(loss)
    for _ in range(steps):
        value, gradient = value_and_gradient(parameters)
        losses.append(value.item())
        parameters = parameters - lr * gradient.numpy()
    return parameters, losses


GOALS = {"error at lr 0.01": ("<=", 1e-6)}


def main():
    hessian = pb.hessian(loss)(np.zeros(2)).numpy()
    eigenvalues = np.linalg.eigvalsh(hessian)
    bound = 2 / eigenvalues[-1]
    print(f"Hessian {hessian.tolist()}, eigenvalues {eigenvalues[0]:.4f} and {eigenvalues[-1]:.4f}")
    print(f"gradient descent converges for learning rates below 2/λmax = {bound:.5f}\n")

    figures = {"hessian": hessian, "bound": bound}
    for lr, steps in ((0.1, 50), (1.01 * bound, 500), (0.99 * bound, 500), (0.01, 5000)):
        (w, b), losses = descend(lr, steps)
        growth = max(abs(1 - lr * eigenvalues))
        verdict = "converges" if growth < 1 else "diverges"
        print(f"lr {lr:.5f}: |1 − lr·λ| ≤ {growth:.4f}, {verdict}: loss {losses[0]:.3g} → {losses[-1]:.3g}", end="")
        print(f" after {steps} steps, w = {w:.6g}, b = {b:.3g}")
        figures[round(lr / bound, 2)] = {"w": w, "b": b, "losses": losses}
    figures["error at lr 0.01"] = abs(w - 2) + abs(b)
    return figures


if __name__ == "__main__":
    main()
