"""Chinese: drawings and the page. Values are put into the strings of the page by the page itself."""

STRINGS: dict[str, str] = {
    # groups
    "graph.repetition": "×{times}",
    "graph.round": "第 {number} 次，共 {times} 次",
    "graph.chunk": "映射 {first}–{last}",
    "graph.inputs": "{count} 个输入",
    "graph.mappings": "映射：{count} 个",
    # a notebook
    "notebook.made_by": "由 {name} 得到",
    "notebook.corner": "左上角；整体从 {low} 到 {high}，均值 {mean}，范数 {norm}",
    "notebook.parameters": "参数：{count} 个",
    # the page: the bar
    "page.showing": "显示内容",
    "page.direction_forward": "前向",
    "page.direction_backward": "反向",
    "page.direction_both": "双向",
    "page.stepping": "逐个映射",
    "page.first": "回到开头",
    "page.runBack": "退到上一个断点",
    "page.stepBackward": "后退一步",
    "page.play": "播放",
    "page.pause": "暂停",
    "page.step": "前进一步",
    "page.run": "运行到下一个断点",
    "page.last": "直到结尾",
    "page.position": "步骤",
    "page.folding": "折叠",
    "page.foldAll": "全部折叠",
    "page.unfoldAll": "尽量展开",
    "page.zoomIn": "放大",
    "page.zoomOut": "缩小",
    "page.fit": "适合窗口",
    "page.help": "按键",
    "page.close": "关闭",
    "page.keys": (
        "Tab|从工具栏到图，再到收据\n"
        "← ↑ → ↓|移到该方向的下一个方框；在矩阵或图像中移到相邻元素\n"
        "Shift ← ↑ → ↓|在图像中移动十个元素\n"
        "PgUp PgDn|在多于两个轴的图像中沿再前一个轴移动；其余的轴用滑块\n"
        "Enter|打开方框的收据；展开或折叠一组；可编辑时编辑元素\n"
        "Esc|折叠方框所在的组\n"
        ". ,|前进一个映射，后退一个映射\n"
        "> <|运行到下一个断点，退到上一个断点\n"
        "b|为选中的映射设置或取消断点\n"
        "Space|播放，暂停\n"
        "Home End|回到开头，直到结尾\n"
        "r|移到收据\n"
        "+ − 0|放大，缩小，适合窗口"
    ),
    # the page: the drawing
    "page.drawingOf": "{title} 的图：{count} 个方框",
    "page.mappings": "映射：{count} 个",
    "page.folded": "已折叠",
    "page.value": "值",
    "page.gradient": "梯度",
    "page.gradientLong": "梯度：结果随该值如何变化",
    "page.unfolded": "{title} 已展开；方框：{count} 个",
    "page.foldedNow": "{title} 已折叠；方框：{count} 个",
    # the page: the receipt
    "page.intro": "映射：{count} 个。每个映射把值传下去，把梯度带回来。",
    "page.howTo": "选中方框查看收据，指向元素查看它由什么得来，或用 . 和 , 键逐步前进和后退。",
    "page.key_leaf": "叶子",
    "page.key_mapping": "映射",
    "page.key_constant": "常数",
    "page.key_group": "折叠的组",
    "page.leaf": "叶子：要求其梯度的张量",
    "page.parameter": "参数",
    "page.constant": "常数：不求梯度",
    "page.mapping": "映射",
    "page.type": "类型",
    "page.module": "模块",
    "page.origin": "产生于",
    "page.kink": "折点",
    "page.forward": "前向",
    "page.arrives": "到达的梯度",
    "page.backward": "传回各输入",
    "page.nothingBack": "没有梯度从这里传回",
    "page.goes": "传给 {symbol}",
    "page.rule": "映射自身的规则写作",
    "page.unknown": "未知",
    "page.range": "{shape}，从 {low} 到 {high}，均值 {mean}，范数 {norm}",
    "page.corner": "左上角，整体为",
    "page.pointing": "指向一个元素，或用方向键移到它，查看它由什么得来。",
    "page.madeOf": "{where} 由以下元素得来（括号内为斜率）：{list}",
    "page.goesInto": "{where} 进入以下元素（括号内为斜率）：{list}",
    "page.sentTo": "{where} 传回以下元素（括号内为斜率）：{list}",
    "page.comesFrom": "{where} 来自以下元素（括号内为斜率）：{list}",
    "page.sentToRule": "{where} 传回以下元素：{list}",
    "page.comesFromRule": "{where} 来自以下元素：{list}",
    "page.madeOfRule": "{where} 由以下元素得来：{list}",
    "page.goesIntoRule": "{where} 进入以下元素：{list}",
    "page.partnersUnknown": "{where}；此处不知道哪些元素与它相关",
    # the page: larger arrays
    "page.picture": "数组的图像",
    "page.pictureLabel": "{label}：{range}。用方向键逐个移动元素。",
    "page.pictureRounded": "数值舍入到 ±{step}",
    "page.pictureBlocks": "过大，无法完整携带：为 {block} 分块的均值，舍入到 ±{step}",
    "page.blockMean": "（所在块的均值）",
    "page.axis": "{label}：第 {axis} 轴上的下标",
    "page.axisShort": "第 {axis} 轴",
    "page.more": "，另有 {count} 个",
    "page.breakpoint": "断点",
    "page.breakpointSet": "已在 {title} 设置断点",
    "page.breakpointGone": "已取消 {title} 的断点",
    "page.goHere": "转到这一步",
    "page.foldAround": "折叠所在的组",
    "page.unfold": "展开",
    "page.asText": "文本形式",
    "page.copy": "复制",
    "page.copied": "已复制",
    "page.fullReceipt": "从损失回到 {symbol} 的全程",
    "page.element": "元素",
    "page.show": "显示",
    "page.noElement": "{text} 不是 {shape} 数组的元素",
    "page.notCarried_constant": "常数：不计算它的梯度，因此没有收据。",
    "page.notCarried_none": "绘图时没有求梯度，因此没有收据。",
    "page.notCarried_given": "反向从给定的梯度开始。全程的收据只针对一个数的梯度：请绘制那个数。",
    "page.notCarried_some": (
        "上面的收据说到读取它的映射为止。为保持小巧，本页携带 {count} 份全程的收据，其中没有这一份。在 Python 中用 "
        "pb.explain({loss}, …) 写出；用 pullback graph … --serve 打开的页面会取来它。"
    ),
    "page.notCarried_large": (
        "上面的收据说到读取它的映射为止，沿着其中的链接可以逐个方框走下去。这个图有 {count} 个映射，"
        "页面无法携带全程的收据。在 Python 中用 pb.explain({loss}, …) 写出；"
        "用 pullback graph … --serve 打开的页面会取来它。"
    ),
    # 页面：逐个映射说明传来的梯度；终端说同样的话
    "page.local_missing": "{name}：没有梯度",
    "page.local_empty": "{name}：没有元素的数组，没有什么可加",
    "page.local_uses": "来自读取 {x} 的映射：",
    "page.local_element": "梯度最大的元素 {element}：{gradient}",
    "page.local_reason": "原因：{code}——{words}",
    "page.local_downstream": "在 {symbol} 处。",
    "page.local_part": "来自",
    "page.local_go": "看它的收据",
    "page.local_hook": "钩子把这个梯度从 {before} 改成了 {after}",
    "page.local_check_agrees": "对 {mapping} 求有限差分：{numeric} ✓",
    "page.local_check_rounding": "对 {mapping} 求有限差分：{numeric}，相差的只是 {dtype} 的舍入 ✓",
    "page.local_check_kink": "{mapping} 的有限差分（{numeric}）够得到一个折点：{kink}",
    "page.local_check_differs": "{mapping} 的有限差分与此不符：{numeric} ✗",
    "page.local_check_not_finite": "没有用有限差分检验：有的数不是有限数",
    "page.local_check_refused": "没有用有限差分检验：{mapping} 不接受别的数",
    "page.local_check_too_large": "为了不让大数组拖慢页面，这里没有测量：pb.explain 会测量",
    "page.local_sends": "{mapping} 的拉回传来 {product}",
    "page.local_terms_more": "还有 {count} 个乘积",
    "page.local_omitted": "还有 {count} 个映射读取它，合计 {total}",
    "page.local_sum": "总和 {total}，与引擎的梯度一位不差 ✓",
    "page.local_sum_rounded": "总和 {total}，除舍入外就是引擎的梯度 {gradient} ✓",
    "page.local_sum_wrong": "总和 {total}，但引擎的梯度是 {gradient} ✗",
    "page.local_root": "回程从这里开始，起点是 {gradient}。",
    # the page: stepping
    "page.atStart": "在开头：只有叶子和常数有值。",
    "page.stepForward": "第 {step} 步，共 {total} 步，前向：{title} = {value}",
    "page.stepBack": "第 {step} 步，共 {total} 步，反向经过 {title}：到达的梯度为 {gradient}；{sent}",
    # the page: editing
    "page.newValue": "新的值",
    "page.set": "设置",
    "page.mayEdit": "可以修改其中的数：在输入框中修改，或在元素上按 Enter 键或双击。",
    "page.computed": "它是计算出来的，不能单独修改；请修改得出它的量：",
    "page.fixed": "程序中的常数，不能在此修改。",
    "page.asking": "正在计算……",
    "page.edited": "{where} 现为 {value}：{title} = {result}",
    "page.failed": "未能完成：{why}",
}
