"""English: compiled functions."""

STRINGS: dict[str, str] = {
    "plan.head": "{kernels} kernels: {native} native, {evaluated} evaluated by NumPy; {milliseconds} ms one by one",
    "plan.memory": "memory: {arena} for what is computed on the way, {state} for parameters and other state",
    "plan.compiled": "compiled in {seconds} s",
    "plan.from_disk": "ready in {seconds} s, the code found on disk",
    "plan.again": "↻: computed here again, which costs less than storing it and reading it",
    "plan.columns": "   #          ms share  Gop/s  runs      mappings" + 38 * " " + "module, line",
    "plan.native": "native",
    "plan.evaluated": "NumPy",
}
