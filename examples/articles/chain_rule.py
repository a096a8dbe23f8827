"""The chain rule on f(x, y) = (x² + xy) · y³ at (1, 2): 32 and 44, found in seven ways.

Usually told wrong: y reaches f along two paths, through xy and through y³. Who follows only the obvious one
finds ∂f/∂y = 36. A derivative is a sum over *all* paths of the products of the local derivatives along each.

Reached: ∂f/∂x = 32 and ∂f/∂y = 44 exactly, in float32 as in float64; finite differences agree to 1e-8.
"""

import numpy as np

import pullback as pb


def f(x, y):
    return (x**2 + x * y) * y**3


def by_hand(x, y):
    """Forward through the intermediate values, then back along every path."""
    p = x**2
    q = x * y
    u = p + q
    v = y**3
    value = u * v
    print(f"forward:  p = x² = {p}   q = xy = {q}   u = p + q = {u}   v = y³ = {v}   f = uv = {value}")

    df_du, df_dv = v, u
    du_dp, du_dq = 1, 1
    dp_dx, dq_dx, dq_dy, dv_dy = 2 * x, y, x, 3 * y**2
    print(f"local:    ∂f/∂u = v = {df_du}   ∂f/∂v = u = {df_dv}   ∂u/∂p = ∂u/∂q = 1")
    print(f"          ∂p/∂x = 2x = {dp_dx}   ∂q/∂x = y = {dq_dx}   ∂q/∂y = x = {dq_dy}   ∂v/∂y = 3y² = {dv_dy}")

    along_p = df_du * du_dp * dp_dx
    along_q = df_du * du_dq * dq_dx
    df_dx = along_p + along_q
    print(f"∂f/∂x:    f←u←p←x: {df_du}·{du_dp}·{dp_dx} = {along_p}")
    print(f"          f←u←q←x: {df_du}·{du_dq}·{dq_dx} = {along_q}")
    print(f"          together {df_dx}")

    along_q = df_du * du_dq * dq_dy
    along_v = df_dv * dv_dy
    df_dy = along_q + along_v
    print(f"∂f/∂y:    f←u←q←y: {df_du}·{du_dq}·{dq_dy} = {along_q}")
    print(f"          f←v←y:   {df_dv}·{dv_dy} = {along_v}")
    print(f"          together {df_dy}")
    return df_dx, df_dy


def by_backward(dtype):
    """`.backward()` on tensors."""
    x = pb.tensor(1.0, dtype=dtype, requires_grad=True)
    y = pb.tensor(2.0, dtype=dtype, requires_grad=True)
    f(x, y).backward()
    return x.grad.item(), y.grad.item()


def by_scalars():
    """Scalars in the manner of micrograd."""
    x, y = pb.value(1.0), pb.value(2.0)
    f(x, y).backward()
    return x.grad.item(), y.grad.item()


def by_transform():
    """The function turned into its gradient."""
    df_dx, df_dy = pb.grad(f, argnums=(0, 1))(1.0, 2.0)
    return df_dx.item(), df_dy.item()


def by_forward_mode():
    """Forward mode: one pass per direction, from the inputs on."""
    point = (1.0, 2.0)
    _, df_dx = pb.jvp(f, point, (1.0, 0.0))
    _, df_dy = pb.jvp(f, point, (0.0, 1.0))
    return df_dx.item(), df_dy.item()


def by_finite_differences(h=1e-5):
    """No derivative at all: (f(x + h) − f(x − h)) / 2h."""
    x, y = np.float64(1), np.float64(2)
    df_dx = (f(x + h, y) - f(x - h, y)) / (2 * h)
    df_dy = (f(x, y + h) - f(x, y - h)) / (2 * h)
    return float(df_dx), float(df_dy)


GOALS = {"largest error": ("<=", 1e-6)}  # of the finite differences


def main():
    found = {"by hand": by_hand(1, 2)}
    found["backward, float32"] = by_backward(np.float32)
    found["backward, float64"] = by_backward(np.float64)
    found["scalars"] = by_scalars()
    found["pb.grad"] = by_transform()
    found["forward mode"] = by_forward_mode()
    found["finite differences"] = by_finite_differences()
    print()
    for way, (df_dx, df_dy) in found.items():
        print(f"{way:20} ∂f/∂x = {df_dx:.10g}   ∂f/∂y = {df_dy:.10g}")
    found["largest error"] = max(abs(df_dx - 32) + abs(df_dy - 44) for df_dx, df_dy in found.values())
    return found


if __name__ == "__main__":
    main()
