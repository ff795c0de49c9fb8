"""The exercises of the chapter `bptt`: three steps back, the read-out, a cell with a shortcut, a table's reach."""

import numpy as np

from rnnbook.check import Answer, Array, Text, exercise


@exercise(
    "bptt-1",
    hints=(
        (
            "Forward first: h_1 = tanh(0.6), then h_2 and h_3. Each slope is 1 − h².",
            "先做前向：h_1 = tanh(0.6)，再求 h_2 和 h_3。每个斜率都是 1 − h²。",
        ),
        (
            "delta_3 = (1 − h_3²)(h_3 − y_3). At h_2 two gradients meet: h_2 − y_2 and W_h·delta_3.",
            "delta_3 = (1 − h_3²)(h_3 − y_3)。在 h_2 处有两份梯度会合：h_2 − y_2 和 W_h·delta_3。",
        ),
        (
            "At h_1 only W_h·delta_2 arrives, for step 1 has no target. delta_2 is −0.707.",
            "传到 h_1 的只有 W_h·delta_2，因为第 1 步没有目标。delta_2 是 −0.707。",
        ),
    ),
)
def delta_1(answer: Answer) -> None:
    W_h, W_x, b, y_2, y_3 = -0.8, 0.5, 0.1, 0.5, -0.3
    h_1 = np.tanh(W_x * 1 + b)
    h_2 = np.tanh(W_h * h_1 + W_x * -1 + b)
    h_3 = np.tanh(W_h * h_2 + W_x * 2 + b)
    s_1, s_2, s_3 = 1 - h_1**2, 1 - h_2**2, 1 - h_3**2
    delta_3 = s_3 * (h_3 - y_3)
    delta_2 = s_2 * (h_2 - y_2 + W_h * delta_3)
    right = s_1 * W_h * delta_2
    flat = s_2 * (h_2 - y_2 + W_h * (h_3 - y_3))
    mistakes: list[tuple[float, Text]] = [
        (delta_2, ("That is delta_2; one more step back.", "这是 delta_2，还要再退一步。")),
        (delta_3, ("That is delta_3; two more steps back.", "这是 delta_3，还要再退两步。")),
        (W_h * delta_2, ("That is the gradient at h_1; the slope is missing.", "这是 h_1 处的梯度，还没有乘斜率。")),
        (
            s_1 * W_h * s_2 * (h_2 - y_2),
            ("You left out what comes back from step 3.", "你漏了从第 3 步传回来的那一份。"),
        ),
        (
            s_1 * W_h * s_2 * W_h * delta_3,
            ("Step 2 has a target too: h_2 − y_2 joins at h_2.", "第 2 步也有目标：h_2 − y_2 要在 h_2 处汇入。"),
        ),
        (
            s_1 * (h_1 + W_h * delta_2),
            ("Step 1 has no target; only the future speaks there.", "第 1 步没有目标，那里只有将来的一份。"),
        ),
        (s_1 * W_h * flat, ("The slope at h_3 is missing.", "漏了 h_3 处的斜率。")),
        (
            s_1 * W_h * (h_2 - y_2 + W_h * delta_3),
            ("The slope at h_2 is missing.", "漏了 h_2 处的斜率。"),
        ),
        (
            W_h * (h_2 - y_2 + W_h * (h_3 - y_3)),
            ("All the slopes 1 − h² are missing.", "所有的斜率 1 − h² 都漏了。"),
        ),
        (s_1 * delta_2, ("The last step back must pass W_h.", "最后退的那一步要乘 W_h。")),
        (right / W_h * W_x, ("Errors go back through W_h, not through W_x.", "误差经 W_h 往回传，不是 W_x。")),
        (
            s_1 * W_h * s_2 * (h_2 - y_2 - W_h * delta_3),
            ("The two gradients at h_2 are added.", "h_2 处的两份梯度要相加。"),
        ),
        (
            -s_1 * W_h * s_2 * (h_2 - y_2 - W_h * delta_3),
            ("You lost the minus sign of W_h on the way back.", "往回走时 W_h 的负号丢了。"),
        ),
        (
            s_1 * W_h * s_2 * (h_2 - y_2 + W_h * s_3 * (h_3 + y_3)),
            ("You lost the minus sign of y_3.", "y_3 的负号丢了。"),
        ),
        (
            (1 - h_1) * W_h * (1 - h_2) * (h_2 - y_2 + W_h * (1 - h_3) * (h_3 - y_3)),
            ("The slope is 1 − h², not 1 − h.", "斜率是 1 − h²，不是 1 − h。"),
        ),
    ]
    answer.equals(answer.value(kind="number"), right, rtol=0, atol=1.5e-3, mistakes=mistakes)


def _outer(left: Array, right: Array) -> Array:
    """Σ over steps and sequences of left right'. (T, B, N), (T, B, M) -> (N, M)."""
    return np.asarray(np.einsum("tbn,tbm->nm", left, right))


@exercise(
    "bptt-2",
    arguments=("h", "o", "y", "m"),
    hints=(
        (
            "Begin with d = m * (o - y) / m.sum(): the gradient at the scores, (T, B, O).",
            "先求 d = m * (o - y) / m.sum()，这是打分处的梯度，形状 (T, B, O)。",
        ),
        (
            "One step and all its sequences: d_t.T @ h_t has the shape of V. Add over the steps.",
            "一步里的所有序列：d_t.T @ h_t，形状与 V 相同。再对各步求和。",
        ),
        (
            "dc is the sum of d over steps and sequences: axis=(0, 1).",
            "dc 是 d 对步和序列求和：axis=(0, 1)。",
        ),
    ),
)
def readout_gradients(answer: Answer) -> None:
    for T, B, H, O in ((5, 3, 4, 3), (2, 6, 3, 5), (1, 4, 2, 2)):
        rng = np.random.default_rng(T)
        h, z = np.tanh(rng.standard_normal((T, B, H))), rng.standard_normal((T, B, O))
        o = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        y = np.eye(O)[rng.integers(O, size=(T, B))]
        m = np.ones((T, B, 1))
        m[-1, : B // 2] = 0
        given = f"T={T}, B={B}, H={H}, O={O}"
        dV, dc = answer.call(h, o, y, m, given=given, returns=("dV", "dc"))
        d = m * (o - y) / m.sum()
        unmasked, whole = (o - y) / m.sum(), (o - y) / (T * B)
        one_step = d[-1]
        answer.equals(
            dV,
            _outer(d, h),
            given=given,
            name="dV",
            mistakes=[
                (_outer(d * m.sum(), h), ("Divide by the number of steps that count.", "还要除以计入的步数。")),
                (
                    _outer(d * m.sum() / (T * B), h),
                    (
                        "You divided by all T·B steps; divide by those that count, m.sum().",
                        "你除以了全部 T·B 步；应除以计入的步数 m.sum()。",
                    ),
                ),
                (
                    _outer(d * m.sum() / T, h),
                    (
                        "You divided by T; divide by the number of steps that count, m.sum().",
                        "你除以了 T；应除以计入的步数 m.sum()。",
                    ),
                ),
                (
                    _outer(d * m.sum() / m.sum(axis=0), h),
                    (
                        "One mean over the whole batch: divide by m.sum(), not sequence by sequence.",
                        "整批取一个平均：除以 m.sum()，不要逐个序列来除。",
                    ),
                ),
                (_outer(unmasked, h), ("The mask must multiply o - y.", "掩码要乘在 o - y 上。")),
                (_outer(whole, h), ("The mask is not used.", "没有用到掩码。")),
                (
                    one_step.T @ h[-1],
                    ("That is the last step alone; add over all steps.", "这只是最后一步，要对所有步求和。"),
                ),
                (d.sum(axis=(0, 1)), ("First dV, then dc.", "先返回 dV，再返回 dc。")),
                (
                    _outer(d[1:], h[:-1]),
                    ("The partner of d_t is h_t, not h_{t-1}.", "与 d_t 配对的是 h_t，不是 h_{t-1}。"),
                ),
            ],
        )
        answer.equals(
            dc,
            d.sum(axis=(0, 1)),
            given=given,
            name="dc",
            mistakes=[
                (d.sum(axis=0), ("Add over the sequences too.", "还要对序列求和。")),
                (d.sum(axis=1), ("Add over the steps too.", "还要对步求和。")),
                (
                    d.sum(axis=(0, 1)) * m.sum(),
                    ("Divide by the number of steps that count.", "还要除以计入的步数。"),
                ),
                (unmasked.sum(axis=(0, 1)), ("The mask must multiply o - y.", "掩码要乘在 o - y 上。")),
            ],
        )


def _shortcut_states(x: Array, h_0: Array, W_x: Array, W_h: Array, b: Array, alpha: float) -> tuple[Array, Array]:
    """h_t = h_{t-1} + α tanh(W_h h_{t-1} + W_x x_t + b): the states h_0..h_T, and tanh(a_1)..tanh(a_T)."""
    h, bends = [h_0], []
    for x_t in x:
        bends.append(np.tanh(h[-1] @ W_h.T + x_t @ W_x.T + b))
        h.append(h[-1] + alpha * bends[-1])
    return np.stack(h), np.stack(bends)


def _shortcut_gradient(
    h: Array, bends: Array, d: Array, W_h: Array, alpha: float, straight: float = 1.0, later: float = 1.0
) -> Array:
    """dL/dW_h. straight and later weight the two ways back from h_t to h_{t-1}; 1 is right."""
    dW_h, back = np.zeros_like(W_h), np.zeros_like(h[0])
    for t in range(len(d), 0, -1):
        g = d[t - 1] + back
        delta = alpha * (1 - bends[t - 1] ** 2) * g
        dW_h += delta.T @ h[t - 1]
        back = straight * g + later * delta @ W_h
    return dW_h


def _shortcut_mistakes(h: Array, bends: Array, d: Array, W_h: Array, alpha: float) -> list[tuple[Array, Text]]:
    T = len(d)
    transposed, shifted = np.zeros_like(W_h), np.zeros_like(W_h)
    back_T, back = np.zeros_like(h[0]), np.zeros_like(h[0])
    for t in range(T, 0, -1):
        g_T, g = d[t - 1] + back_T, d[t - 1] + back
        delta_T = alpha * (1 - bends[t - 1] ** 2) * g_T
        delta = alpha * (1 - bends[t - 1] ** 2) * g
        transposed += delta_T.T @ h[t - 1]
        shifted += delta.T @ h[t]
        back_T, back = g_T + delta_T @ W_h.T, g + delta @ W_h
    right = _shortcut_gradient(h, bends, d, W_h, alpha)
    return [
        (
            _shortcut_gradient(h, bends, d, W_h, alpha, straight=0),
            (
                "The straight arrow from h_t to h_{t+1} is missing: g_{t+1} comes back through it unchanged.",
                "漏了从 h_t 直通 h_{t+1} 的箭头：g_{t+1} 原样沿它回来。",
            ),
        ),
        (
            _shortcut_gradient(h, bends, d, W_h, alpha, later=0),
            (
                "Only the straight arrow is there; the one through W_h is missing.",
                "只有直通的箭头，漏了经过 W_h 的那一个。",
            ),
        ),
        (
            _shortcut_gradient(h, bends, d, W_h, alpha, straight=0, later=0),
            ("Nothing comes back from later steps.", "后面各步的梯度都没有传回来。"),
        ),
        (
            _shortcut_gradient(h, bends, d, W_h, alpha, straight=alpha),
            ("The straight arrow carries the factor 1, not alpha.", "直通的箭头因子是 1，不是 alpha。"),
        ),
        (right / alpha, ("delta_t has the factor alpha.", "delta_t 里有因子 alpha。")),
        (
            _shortcut_gradient(h, np.diff(h, axis=0), d, W_h, alpha),
            (
                "h_t - h_{t-1} is alpha times tanh(a_t): divide by alpha before you square.",
                "h_t - h_{t-1} 是 alpha 乘 tanh(a_t)：先除以 alpha，再平方。",
            ),
        ),
        (
            _shortcut_gradient(h, h[1:], d, W_h, alpha),
            (
                "The slope is that of tanh at a_t; with the shortcut it is no longer 1 - h_t**2.",
                "斜率是 tanh 在 a_t 处的斜率；有了直通路，它不再是 1 - h_t**2。",
            ),
        ),
        (
            transposed,
            (
                "With rows the way back is delta @ W_h, without the transpose.",
                "按行写时，往回是 delta @ W_h，不带转置。",
            ),
        ),
        (shifted, ("The partner of delta_t is h_{t-1}, not h_t.", "与 delta_t 配对的是 h_{t-1}，不是 h_t。")),
        (right / h.shape[1], ("Add over the sequences; no mean.", "对序列求和，不要取平均。")),
    ]


@exercise(
    "bptt-3",
    arguments=("x", "h_0", "d", "W_x", "W_h", "b", "alpha"),
    hints=(
        (
            "Forward: keep all states, and tanh(a_t) of every step as well.",
            "前向：所有状态都留下，每一步的 tanh(a_t) 也留下。",
        ),
        (
            "Three arrows leave h_t: to the loss, to a_{t+1}, and straight to h_{t+1}.",
            "从 h_t 出发的箭头有三个：到损失，到 a_{t+1}，还有一个直接到 h_{t+1}。",
        ),
        (
            "g_t = d_t + W_h.T delta_{t+1} + g_{t+1}, delta_t = alpha (1 - tanh² a_t) g_t; add up delta_t h_{t-1}.T.",
            "g_t = d_t + g_{t+1} + W_h.T delta_{t+1}，delta_t = alpha (1 - tanh² a_t) g_t；累加 delta_t h_{t-1}.T。",
        ),
    ),
)
def shortcut_gradient(answer: Answer) -> None:
    for T, B, I, H, alpha in ((1, 2, 3, 4, 0.7), (4, 3, 2, 5, 0.3), (7, 1, 4, 3, 1.5)):
        rng = np.random.default_rng(T)
        x, h_0, d = rng.standard_normal((T, B, I)), rng.standard_normal((B, H)), rng.standard_normal((T, B, H))
        W_x, W_h, b = rng.standard_normal((H, I)), rng.standard_normal((H, H)), rng.standard_normal(H)
        given = f"T={T}, B={B}, I={I}, H={H}, alpha={alpha}"
        h, bends = _shortcut_states(x, h_0, W_x, W_h, b, alpha)
        got = answer.call(x, h_0, d, W_x, W_h, b, alpha, given=given)
        answer.equals(
            got,
            _shortcut_gradient(h, bends, d, W_h, alpha),
            given=given,
            mistakes=_shortcut_mistakes(h, bends, d, W_h, alpha),
        )


def _reach(C: Array, share: float) -> Array:
    counts = []
    for t in range(len(C)):
        s = t
        while s >= 0 and C[t, s] >= share * C[t, t]:
            s -= 1
        counts.append(t - s)
    return np.array(counts)


@exercise(
    "bptt-4",
    arguments=("C", "share"),
    hints=(
        (
            "Row by row: begin with s = t and go down while C[t, s] >= share * C[t, t].",
            "一行一行地做：从 s = t 开始，只要 C[t, s] >= share * C[t, t]，s 就减一。",
        ),
        (
            "Stop at the first entry that is too small, even if those further back are large again; stop after s = 0.",
            "遇到第一个太小的格子就停，哪怕再往回又变大；过了 s = 0 也要停。",
        ),
        (
            "The count of row t is t - s, where s is the first column that failed (-1 if none did).",
            "第 t 行的计数是 t - s，其中 s 是第一个不合格的列（都合格时 s = -1）。",
        ),
    ),
)
def reach(answer: Answer) -> None:
    waves = np.array(
        [
            [3.5, 0, 0, 0, 0],
            [1.8, 4.0, 0, 0, 0],
            [3.0, 0.1, 3.0, 0, 0],
            [0.3, 0.5, 1.0, 1.0, 0],
            [2.0, 2.0, 2.0, 0.7, 1.5],
        ]
    )
    steps = np.arange(12)
    fading = np.where(steps[:, None] >= steps, 3.0 * 0.8 ** (steps[:, None] - steps), 0)
    growing = np.where(steps[:, None] >= steps, 1.5 ** (steps[:, None] - steps), 0)
    entries = f"C={waves.tolist()}"
    tables = (
        (entries, waves, 0.5),
        (entries, waves, 0.25),
        ("C[t, s] = 3 · 0.8^(t−s), T=12", fading, 0.1),
        ("C[t, s] = 1.5^(t−s), T=12", growing, 0.5),
    )
    for name, C, share in tables:
        T = len(C)
        given = f"{name}, share={share}"
        want = _reach(C, share)
        lower = np.tril(np.ones_like(C))
        diagonal = np.diag(C)[:, None]
        largest = C.max(axis=1, keepdims=True)
        from_largest = np.array([_run(C[t, : t + 1], share * largest[t, 0]) for t in range(T)])
        by_column = np.array([_run(C[s:, s][::-1], share * C[s, s]) for s in range(T)])
        with np.errstate(divide="ignore", invalid="ignore"):
            stepwise = [_run(np.append(C[t, :t] / C[t, 1 : t + 1], 1.0), share) for t in range(T)]
        answer.equals(
            answer.call(C, share, given=given),
            want,
            given=given,
            mistakes=[
                (
                    ((share * diagonal <= C) & (lower > 0)).sum(axis=1),
                    (
                        "Stop at the first entry that is too small; you counted large ones beyond it.",
                        "遇到第一个太小的格子就该停；你把再往回的大格子也数进去了。",
                    ),
                ),
                (want - 1, ("The state of the loss's own step counts too.", "损失自己那一步的状态也要算。")),
                (
                    np.minimum(want, np.arange(T)),
                    ("The first state counts too: go down to s = 0.", "第一个状态也要算：一直数到 s = 0。"),
                ),
                (
                    np.array([_run(C[t, : t + 1] / np.diag(C)[: t + 1], share) for t in range(T)]),
                    (
                        "Compare with the diagonal of the loss's own row, C[t, t].",
                        "要与这一行自己的对角线 C[t, t] 比。",
                    ),
                ),
                (
                    np.array([max(_run(C[t, : s + 1], share * C[t, t]) for s in range(t + 1)) for t in range(T)]),
                    (
                        "Begin at the loss's own step, s = t; a longer run further back does not count.",
                        "从损失自己那一步 s = t 数起；再往回更长的一段不算。",
                    ),
                ),
                (
                    np.array([_run(C[t, : t + 1], share) for t in range(T)]),
                    ("Compare with share times the diagonal, C[t, t].", "要与对角线 C[t, t] 的 share 倍相比。"),
                ),
                (
                    from_largest,
                    ("Compare with the diagonal, not with the largest entry.", "要与对角线比，不是与最大的格子比。"),
                ),
                (
                    np.array(stepwise),
                    (
                        "Compare every entry with the diagonal, not with its neighbour.",
                        "每一格都要与对角线比，不是与相邻的格子比。",
                    ),
                ),
                (
                    want[-1],
                    ("That is the last row alone; one count for every row.", "这只是最后一行，每一行都要数。"),
                ),
                (
                    by_column,
                    ("Rows are losses: go along a row, not down a column.", "行才是损失：沿着行走，不是沿着列。"),
                ),
                (
                    np.array([_run(C[t, : t + 1], np.nextafter(share * C[t, t], np.inf)) for t in range(T)]),
                    (
                        "An entry of exactly share times the diagonal still counts: at least.",
                        "恰好等于 share 倍的格子也算：“不小于”。",
                    ),
                ),
            ],
        )


def _run(row: Array, threshold: float) -> int:
    """How many entries from the end of the row are at least the threshold, without a gap."""
    small = np.flatnonzero(row[::-1] < threshold)
    return int(small[0]) if len(small) else len(row)
