"""Chinese."""

WORDS = {
    # the commands
    "help.main": "pullback：每个映射都带着自己的拉回（pullback）的深度学习库。",
    "help.train": (
        "用 DATA 训练一个网络，并留下一个运行文件夹。\n\n"
        "DATA 可以是 `digits`（随 pullback 附带的 1,797 个手写数字）、`idx:文件夹`（MNIST，或同样四个文件的数据），"
        "或者 `csv:文件`（配合 --target）。"
    ),
    "help.explain": (
        "说明 EXPR（或 RUN 的损失）的每个梯度为何是这个值。\n\n"
        'EXPR 是一个表达式，例如 "(x**2 + x*y) * y**3"，配合 --at x=1 --at y=2；RUN 是 `pullback train` 留下的文件夹。'
        "打印的是每个梯度的账目：每个因子、每个求和，并用有限差分检验。"
    ),
    "help.graph": (
        "画出 EXPR（或 RUN 的损失）如何计算、梯度如何传回。\n\n"
        "不加其他选项时打印 Mermaid 流程图。--html 写出可以探索的页面；"
        "--serve 打开由引擎支持的页面：修改一个数，看一切随之变化。"
    ),
    "help.at": "表达式中一个名称的值：x=1.5 或 w=[[1, 2], [3, 4]]。每个名称一次。",
    "help.wrt": "谁的梯度：x，或一个元素如 w[0,2]。可以重复；默认全部。",
    "help.items": "使用该运行的多少个训练样本。默认为其批大小。",
    "help.steps": "显示每一步，不折叠。",
    "help.json": "打印 JSON。",
    "help.html": "写出一个不依赖其他文件的 HTML 文件。",
    "help.svg": "写出 SVG 图。",
    "help.mermaid": "打印 Mermaid 流程图。",
    "help.dot": "打印 Graphviz 图。",
    "help.serve": "在 127.0.0.1 上提供页面，仅限本机，直到按下 Ctrl-C。",
    "help.port": "--serve 的端口。默认选一个空闲端口。",
    "help.version": "显示版本并退出。",
    "help.help": "显示本说明并退出。",
    "help.target": "CSV 文件中要预测的列。",
    "help.task": "CSV 目标列的类型；默认文字和整数为类别。",
    "help.layers": "隐藏层宽度，例如 128,64；0 表示没有隐藏层。",
    "help.activation": "每个隐藏层之后的激活函数。",
    "help.optimizer": "更新权重的方法。",
    "help.lr": "学习率。默认 adam 和 adamw 为 0.003，sgd 为 0.1，adagrad 为 0.03，rmsprop 为 0.001。",
    "help.momentum": "sgd（默认 0.9）和 rmsprop（默认 0）的动量。",
    "help.weight_decay": "权重衰减。adamw 默认 0.01，其他默认 0。",
    "help.batch_size": "每一步的样本数。",
    "help.epochs": "训练数据遍历的次数。",
    "help.seed": "决定初始权重、数据顺序、dropout，以及 CSV 文件的划分。",
    "help.dropout": "训练时每个隐藏层随机丢弃的比例。",
    "help.dtype": "运算精度。",
    "help.threads": "矩阵乘法使用的线程数；小网络用一个线程最快。",
    "help.out": "存放结果的新文件夹。默认 runs/<数据>-<时间>。",
    "help.resume": "继续这个文件夹中的运行，沿用它自己的数据和选项；加上 --epochs N 则继续到第 N 轮。",
    "help.quiet": "只显示结果。",
    "help.debug": "显示错误的完整回溯。",
    "help.usage": "用法：",
    "help.options": "选项",
    "help.commands": "命令",
    "help.lang": "显示语言。默认跟随系统区域设置。",
    # the plan
    "data": "数据",
    "network": "网络",
    "training": "训练",
    "folder": "文件夹",
    "data.digits": "手写数字，训练 {train:,} 个，测试 {test:,} 个；{inputs} 个像素，{classes} 个类别",
    "data.idx": "{source}，训练图像 {train:,} 张，测试图像 {test:,} 张；{inputs} 个像素，{classes} 个类别",
    "data.classes": "{source}，训练 {train:,} 行，测试 {test:,} 行；{inputs} 个特征，{classes} 个类别",
    "data.values": "{source}，训练 {train:,} 行，测试 {test:,} 行；{inputs} 个特征，预测一个数值",
    "network.summary": "{widths}，{activation}：{parameters:,} 个参数",
    "training.summary": "{optimizer}，学习率 {lr:g}，批大小 {batch_size}，{epochs} 轮，{dtype}，随机种子 {seed}",
    # the progress
    "epoch": "轮",
    "loss": "损失",
    "accuracy": "准确率",
    "mae": "平均绝对误差",
    "mse": "均方误差",
    "r2": "R²",
    "test": "测试",
    "stopping": "Ctrl-C：在第 {epoch} 轮第 {batch} 步之后停止",
    "gradient": "梯度",
    "update": "更新/权重",
    "fine": "正常",
    "vanishing": "消失",
    "exploding": "爆炸",
    "none": "无梯度",
    "health.note": (
        "更新/权重是每轮最后一步的 ‖Δw‖/‖w‖；爆炸：梯度大于 {norm:g} 或更新/权重大于 {ratio:g}；"
        "消失：梯度小于最大一层的 {share:g} 倍"
    ),
    # the end
    "result.accuracy": (
        "测试准确率 {accuracy:.2%}（{count:,} 个中对了 {right:,} 个），损失 {loss:.4f}，用时 {seconds:.1f} 秒"
    ),
    "result.r2": "测试 R² {r2:.4f}，均方误差 {mse:.4g}（目标单位的平方），用时 {seconds:.1f} 秒",
    "saved": "已保存到 {folder}：{files}",
    "kept": "在 {wanted} 轮中的第 {epochs} 轮之后中断；学到的内容已保留",
    "goes_on": "从第 {done} 轮之后继续，共 {epochs} 轮",
    "goes_on.batch": "从第 {next} 轮的第 {batch} 步之后继续，共 {epochs} 轮",
    "goes_on.begins": "还没有写下检查点：从第 1 轮开始，共 {epochs} 轮",
    "kept.resume": "用 pullback train --resume {folder} 从这里继续",
    "no_picture": '没有图片：未安装 matplotlib；pip install "pullback[plot]"',
    "no_picture.file": "没有图片：{reason}",
    # the errors
    "error": "错误",
    "error.hint": "参见 {command} --help",
    "error.no_option": "没有选项 {name}",
    "error.no_command": "没有命令 {name}",
    "error.missing": "缺少 {name}",
    "error.perhaps": "；是否指 {names}",
    "error.layers": "应为类似 128,64 的宽度，或 0 表示没有隐藏层；得到 {value!r}",
    "error.data": "应为 digits、idx:文件夹 或 csv:文件；得到 {value!r}",
    "error.target": "CSV 文件需要 --target 列名，即要预测的列",
    "error.target_unused": "--{option} 只用于 csv:文件，当前数据为 {value!r}",
    "error.data_again": "{place}：没有说明该运行用的是哪些数据",
    "error.momentum": "--momentum 只用于 sgd 和 rmsprop；{optimizer} 没有动量",
    "error.no_file": "{path}：没有这个文件或文件夹",
    "error.resume_options": "--resume 沿用该运行的数据和选项；不能同时给出 {option}",
    "error.resume_request": "{folder}：这个运行没有记录它的要求，因此无法继续",
    "error.resume_complete": "{folder}：这个运行已完成 {done} 轮；用 --epochs N 可继续到第 N 轮",
    "error.resume_epochs": "--epochs {epochs}：{folder} 中的运行已完成 {done} 轮；需要更大的轮数",
    "error.resume_nothing": "{folder}：没有可以继续的检查点",
    "error.resume_data": "{data}：这些数据已不是 {folder} 中的运行开始时的数据",
    "error.kept": "出错那一步之前的权重保存在 {folder}",
}
