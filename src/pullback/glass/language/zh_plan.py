"""Chinese: compiled functions."""

STRINGS: dict[str, str] = {
    "plan.head": "{kernels} 个内核:{native} 个原生,{evaluated} 个由 NumPy 求值;逐个运行共 {milliseconds} 毫秒",
    "plan.memory": "内存:中间结果 {arena},参数与其他状态 {state}",
    "plan.compiled": "编译用时 {seconds} 秒",
    "plan.from_disk": "就绪用时 {seconds} 秒,代码取自磁盘",
    "plan.again": "↻:在此处重新计算,这比存储后再读取更省",
    "plan.columns": "   #        毫秒  占比  Gop/s  运行      映射" + 42 * " " + "模块、行",
    "plan.native": "原生",
    "plan.evaluated": "由 NumPy",
}
