"""L-BFGS in 60 digits: what PyTorch's algorithm gives when nothing is rounded. Written again, for its tests alone.

`minimise` takes steps as `torch.optim.LBFGS.step` does; numbers are mpmath's, vectors are lists of them.
"""

import mpmath
from mpmath import mp, mpf


def dot(a, b):
    return mpmath.fdot(a, b)


def along(x, length, direction):
    return [p + length * d for p, d in zip(x, direction, strict=True)]


def largest(x):
    return max(abs(e) for e in x)


def cubic(t1, f1, s1, t2, f2, s2, low, high):
    d1 = s1 + s2 - 3 * (f1 - f2) / (t1 - t2)
    square = d1 * d1 - s1 * s2
    if square < 0:
        return (low + high) / 2
    d2 = mp.sqrt(square)
    if t1 > t2:
        (t1, s1), (t2, s2) = (t2, s2), (t1, s1)
    return min(max(t2 - (t2 - t1) * ((s2 + d2 - d1) / (s2 - s1 + 2 * d2)), low), high)


def search(at, t, f, g, slope, size, most):
    """Nocedal & Wright's line search for Wolfe's strong conditions, with minFunc's safeguards."""
    few, flat, tolerance = mpf(1e-4), mpf(0.9), mpf(1e-9)
    before = start = (mpf(0), f, g, slope)
    now, calls, n = at(t), 1, 0
    enough = lambda p: p[1] <= f + few * p[0] * slope
    while n < most:
        if not enough(now) or (n > 1 and now[1] >= before[1]) or now[3] >= 0:
            if enough(now) and not (n > 1 and now[1] >= before[1]) and abs(now[3]) <= -flat * slope:
                return now, calls
            ends = [before, now]
            break
        if abs(now[3]) <= -flat * slope:
            return now, calls
        low, high = now[0] + mpf(0.01) * (now[0] - before[0]), now[0] * 10
        t = cubic(before[0], before[1], before[3], now[0], now[1], now[3], low, high)
        before, now = now, at(t)
        calls, n = calls + 1, n + 1
    else:
        ends = [start, now]
    stuck = False
    low = 0 if ends[0][1] <= ends[1][1] else 1
    while n < most:
        least, greatest = sorted(e[0] for e in ends)
        if (greatest - least) * size < tolerance:
            break
        a, b = ends
        t = cubic(a[0], a[1], a[3], b[0], b[1], b[3], least, greatest)
        margin = mpf(0.1) * (greatest - least)
        near = min(greatest - t, t - least) < margin
        if near and (stuck or t >= greatest or t <= least):
            t, stuck = (greatest - margin if abs(t - greatest) < abs(t - least) else least + margin), False
        else:
            stuck = near
        now = at(t)
        calls, n = calls + 1, n + 1
        if not enough(now) or now[1] >= ends[low][1]:
            ends[1 - low] = now
            low = 0 if ends[0][1] <= ends[1][1] else 1
            continue
        done = abs(now[3]) <= -flat * slope
        if not done and now[3] * (ends[1 - low][0] - ends[low][0]) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
        if done:
            break
    return ends[low], calls


def direction_of(g, pairs):
    """−H g by Nocedal's two loops; `pairs`: the remembered (s, y)."""
    q, shares = [-e for e in g], []
    for s, y in reversed(pairs):
        shares.append(dot(s, q) / dot(y, s))
        q = along(q, -shares[-1], y)
    if pairs:
        s, y = pairs[-1]
        q = [e * dot(y, s) / dot(y, y) for e in q]
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q = along(q, share - dot(y, q) / dot(y, s), s)
    return q


@mp.workdps(60)
def minimise(
    loss_and_gradient, x, steps, lr=1.0, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
    history_size=100, line_search_fn=None,
):  # fmt: skip
    """Return where each of `steps` steps ends."""
    max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
    lr, x, path, pairs, iterations = mpf(lr), [mpf(e) for e in x], [], [], 0
    d, t, before = [], mpf(0), []  # the last direction, length and gradient
    for _ in range(steps):
        f, g = loss_and_gradient(x)
        used = 1
        for i in range(1, max_iter + 1):
            if largest(g) <= tolerance_grad:
                break
            iterations += 1
            if iterations > 1:
                s, y = [t * e for e in d], along(g, -1, before)
                if dot(y, s) > 1e-10:
                    pairs = [*pairs, (s, y)][-history_size:]
            d = direction_of(g, pairs)
            t = min(mpf(1), 1 / sum(map(abs, g))) * lr if iterations == 1 else lr
            before, last, slope = g, f, dot(g, d)
            if slope > -tolerance_change:
                break
            if line_search_fn is None:
                x = along(x, t, d)
                if i < max_iter:
                    f, g = loss_and_gradient(x)
                    used += 1
            else:

                def at(t, x=x, d=d):
                    f, g = loss_and_gradient(along(x, t, d))
                    return t, f, g, dot(g, d)

                (t, f, g, _), calls = search(at, t, f, g, slope, largest(d), max_eval - used)
                x = along(x, t, d)
                used += calls
            if used >= max_eval or t * largest(d) <= tolerance_change or abs(f - last) < tolerance_change:
                break
        path.append(list(x))
    return path
