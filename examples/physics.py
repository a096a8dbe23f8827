"""Solve a differential equation with a network: its derivatives are in the loss (a physics-informed network).

Burgers' equation, u_t + u u_x = ν u_xx, from u(0, x) = −sin πx with u(t, ±1) = 0, is a wave that overtakes itself until
viscosity holds it, in a steep front at x = 0. The network never sees the solution. It is told how far it is from
solving the equation, at 2,000 points of time and space, and its own derivatives say so: `pb.grad` gives u_t and u_x,
`pb.jvp` of that gives u_xx, `pb.vmap` does it at all points, and `backward()` goes through all three. `pb.compile`
makes one native function of the four, several times as fast as its steps one by one.

The form u = −sin πx + t (1 − x²) network(t, x) keeps the initial and the boundary values whatever the weights are, so
that there is nothing else to be learnt than the equation.

    python examples/physics.py            # draws runs/examples/physics.png
    python examples/physics.py --quick    # fewer points and iterations

Sources: M. Raissi, P. Perdikaris, G. E. Karniadakis, "Physics-informed neural networks", Journal of Computational
Physics 378, 2019 (the problem, there with ν = 0.01/π); I. E. Lagaris, A. Likas, D. I. Fotiadis, IEEE Transactions on
Neural Networks 9, 1998 (the form that keeps the boundary values); the exact solution is that of Cole (1951) and Hopf
(1950).

Reached: a relative L2 error of 1.2e-3, 3.1e-3 and 9.8e-4 (seeds 0, 1, 2) after 1,600 iterations of L-BFGS, in about 10
seconds on one core.
"""

import sys
from pathlib import Path

import numpy as np

import pullback as pb
from pullback import nn, optim

GOALS = {"relative L2 error": ("<=", 0.005)}
PICTURE = Path("runs/examples/physics.png")

VISCOSITY = 0.02


class Solution(nn.Module):
    """u(t, x) for numbers t and x, with the initial and the boundary values built in."""

    def __init__(self, width=20):
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, 1),
        )  # fmt: skip
        self.double()  # L-BFGS compares losses whose difference is far below what single precision tells apart

    def forward(self, t, x):
        return -pb.sin(np.pi * x) + t * (1 - x**2) * self.network(pb.stack([t, x]))[0]


def residual(u, t, x):
    """u_t + u u_x − ν u_xx at one point: 0 where u solves the equation."""

    def value_and_slopes(x):
        return pb.value_and_grad(u, argnums=(0, 1))(t, x)

    (value, (u_t, u_x)), (_, (_, u_xx)) = pb.jvp(value_and_slopes, (x,), (pb.ones_like(x),))
    defect = u_t + value * u_x - VISCOSITY * u_xx
    # In the front, where everything is steep, the same error in u makes a defect many times as large.
    return defect / (1 + 0.2 * pb.abs(u_x))


def exact(t, x, nodes=150):
    """The solution as a quotient of two integrals (Cole and Hopf), by Gauss' and Hermite's quadrature."""
    z, weight = np.polynomial.hermite.hermgauss(nodes)
    y = x[..., None] - 2 * np.sqrt(VISCOSITY * t)[..., None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * VISCOSITY)
    mass = weight * np.exp(exponent - exponent.max(-1, keepdims=True))
    return -(np.sin(np.pi * y) * mass).sum(-1) / mass.sum(-1)


def points(count, generator):
    """Where the equation is to hold: anywhere, and three in ten near the front."""
    t, x = generator.random(count), generator.uniform(-1, 1, count)
    near = count * 3 // 10
    x[:near] = np.clip(generator.normal(0, 0.1, near), -1, 1)
    return t, x


def draw(t, x, found, true, errors):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('no picture: matplotlib is not installed; pip install "pullback[plot]"')
        return
    figure = Figure(figsize=(12, 3.4), dpi=160, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    shown = left.pcolormesh(t, x, found, cmap="RdBu_r", shading="gouraud")
    left.set(xlabel="t", ylabel="x", title="u(t, x) of the network")
    figure.colorbar(shown, ax=left)
    moments = (0, len(t) // 4, len(t) // 2, len(t) - 1)
    for i, colour in zip(moments, ("#30343a", "#2f6f9f", "#5a9367", "#d9782d"), strict=True):
        middle.plot(x[i], true[i], color="#d8dce1", linewidth=5)
        middle.plot(x[i], found[i], color=colour, linewidth=1.2, label=f"t = {t[i, 0]:.2g}")
    middle.legend(frameon=False)
    middle.set(xlabel="x", ylabel="u", title="network (thin) and exact solution (broad)")
    right.semilogy(*zip(*errors, strict=True), color="#2f6f9f", marker="o")
    right.set(xlabel="evaluations of loss and gradient", title="relative L2 error")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE)
    print(f"picture: {PICTURE}")


def main(quick: bool = False, seed: int = 0) -> dict[str, float]:
    pb.random.manual_seed(seed)
    u = Solution()
    t, x = points(600 if quick else 2000, np.random.default_rng(seed))
    rounds, iterations = (6, 40) if quick else (16, 100)
    optimizer = optim.LBFGS(
        u.parameters(), max_iter=iterations, history_size=50, tolerance_change=0, line_search_fn="strong_wolfe"
    )
    evaluations = 0

    @pb.compile
    def loss_and_gradient(t, x):
        optimizer.zero_grad()
        loss = pb.mean(pb.vmap(lambda t, x: residual(u, t, x))(t, x) ** 2)
        loss.backward()
        return loss.detach()

    def closure():
        nonlocal evaluations
        evaluations += 1
        return loss_and_gradient(t, x)

    grid_t, grid_x = np.meshgrid(np.linspace(0, 1, 101), np.linspace(-1, 1, 201), indexing="ij")
    true = exact(grid_t, grid_x)
    everywhere = pb.compile(pb.vmap(u))
    errors = []
    for _ in range(rounds):
        optimizer.step(closure)
        defect = loss_and_gradient(t, x).item()
        with pb.no_grad():
            found = everywhere(grid_t.ravel(), grid_x.ravel()).numpy().reshape(true.shape)
        error = float(np.linalg.norm(found - true) / np.linalg.norm(true))
        errors.append((evaluations, error))
        print(f"{evaluations:4d} evaluations: mean squared residual {defect:.2e}, relative L2 error {error:.2e}")
    draw(grid_t, grid_x, found, true, errors)
    return {"relative L2 error": error, "largest error": float(np.abs(found - true).max()), "residual": defect}


if __name__ == "__main__":
    pb.set_num_threads(1)  # these matrices are too small for more
    main(quick="--quick" in sys.argv)
