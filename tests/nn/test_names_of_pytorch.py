"""Every public name of PyTorch's layers, functions, optimisers and schedules is here, or the docs say what instead."""

import inspect
import re
from pathlib import Path

import pytest

from pullback import nn, optim
from pullback.nn.absent import FUNCTIONS, LAYERS, STARTS, TOOLS
from pullback.optim.absent import AVERAGES, OPTIMISERS, SCHEDULES

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH, CHINESE = ((DOCS / f"from-pytorch{end}.md").read_text(encoding="utf-8") for end in ("", ".zh"))
TABLES = (LAYERS, FUNCTIONS, STARTS, TOOLS, OPTIMISERS, SCHEDULES, AVERAGES)
ABSENT = [row for table in TABLES for row in table.items()]

# Names that PyTorch's modules hold for themselves: types, and the machinery of its dispatch and its scripting.
MACHINERY = {
    "Callable", "DType", "Literal", "Optional", "OpaqueBase", "ParamSpec", "ScalingType", "Sequence", "SwizzleType",
    "Tensor", "TypeVar", "assert_int_or_pair", "boolean_dispatch", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "get_swap_module_params_on_conversion",
    "is_opaque_reference_type", "is_traceable_wrapper_subclass", "contextmanager", "deepcopy", "Module", "ModuleDict",
    "ModuleList", "Parameter", "ParametrizationList", "init", "clip_grad", "convert_parameters", "fusion",
    "memory_format", "bind", "factory_kwargs", "BroadcastingList1", "BroadcastingList2",
    "BroadcastingList3", "GRID_SAMPLE_INTERPOLATION_MODES", "GRID_SAMPLE_PADDING_MODES", "TYPE_CHECKING",
    "reproducibility_notes", "sparse_support_notes", "tf32_notes",
}  # fmt: skip


# PyTorch's default and ours say the same, or ours says more: a label is left out only where that is asked for, and
# an axis that PyTorch guesses by the number of axes is the last one.
OTHER_DEFAULTS = {(name, "ignore_index") for name in ("CrossEntropyLoss", "NLLLoss")}
OTHER_DEFAULTS |= {(name, "dim") for name in ("Softmax", "Softmin", "LogSoftmax")} | {("ModuleList", "modules")}
OTHER_DEFAULTS |= {(f"Transformer{part}", "activation") for part in ("", "EncoderLayer", "DecoderLayer")}


def public(module):
    listed = getattr(module, "__all__", None)
    names = listed or [name for name, x in vars(module).items() if not inspect.ismodule(x)]
    return sorted(name for name in names if not name.startswith("_"))


def places():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    utils = torch.nn.utils
    yield torch.nn, nn, LAYERS
    yield torch.nn.functional, nn.functional, FUNCTIONS
    yield torch.nn.init, nn.init, STARTS
    yield utils, nn.utils, TOOLS
    yield utils.rnn, nn.utils.rnn, TOOLS
    yield utils.parametrizations, nn.utils.parametrizations, TOOLS
    yield utils.parametrize, nn.utils.parametrize, TOOLS
    yield torch.optim, optim, OPTIMISERS
    yield torch.optim.lr_scheduler, optim.lr_scheduler, SCHEDULES
    yield torch.optim.swa_utils, optim.swa_utils, AVERAGES


def test_no_name_is_missing_without_a_word():
    for theirs, ours, table in places():
        missing = [name for name in public(theirs) if not hasattr(ours, name) and name not in MACHINERY]
        assert [name for name in missing if name not in table] == [], theirs.__name__
        assert [name for name in table if hasattr(ours, name) and table is not TOOLS] == []


def test_the_constructors_take_pytorchs_arguments():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    # Old spellings, what only a device or an implementation needs, and what the docs say is written otherwise.
    left_out = {"device", "size_average", "reduce", "args", "kwargs", "min_value", "max_value", "_weight", "_freeze"}
    left_out |= {"foreach", "fused", "capturable", "differentiable", "last_epoch", "scale_fn", "scale_mode"}
    left_out |= {"enable_nested_tensor", "mask_check", "custom_encoder", "custom_decoder"}
    apart = {("Adam", "decoupled_weight_decay"), ("ModuleDict", "modules"), ("ParameterDict", "parameters")}
    apart |= {("ParameterList", "values")}
    for theirs, ours in ((torch.nn, nn), (torch.optim, optim), (torch.optim.lr_scheduler, optim.lr_scheduler)):
        for name in public(theirs):
            kind, own = getattr(theirs, name), getattr(ours, name, None)
            if not inspect.isclass(kind) or own is None or name in MACHINERY:
                continue
            have = inspect.signature(own.__init__).parameters
            want = inspect.signature(kind.__init__).parameters
            missing = [p for p in want if p not in have and p not in left_out and (name, p) not in apart]
            assert missing == [], name
            common = [p for p in want if p in have and want[p].kind is not inspect.Parameter.KEYWORD_ONLY]
            positional = [p for p in have if p in common and have[p].kind is not inspect.Parameter.KEYWORD_ONLY]
            assert positional == [p for p in common if p in positional], name
            for p in common:
                if p in ("self", "dtype") or (name, p) in OTHER_DEFAULTS:
                    continue
                a, b = have[p].default, want[p].default
                assert a == b, f"{name}: {p} is {a}, not {b}"


def test_the_docs_and_the_errors_say_the_same():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", ENGLISH.partition("## What there is not")[2], re.M)
    assert rows == ABSENT
    chinese = re.findall(r"^\| `(\w+)` \| .+ \|$", CHINESE.partition("## 没有的")[2], re.M)
    assert chinese == [name for name, _ in rows]
    with pytest.raises(AttributeError, match=r"no LazyLinear, which PyTorch has. Use instead: nn.Linear itself"):
        _ = nn.LazyLinear
    for module, table in ((nn.functional, FUNCTIONS), (nn.init, STARTS), (optim, OPTIMISERS)):
        for name in table:
            with pytest.raises(AttributeError, match="Use instead"):
                getattr(module, name)
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            _ = module.nothing


def test_what_the_docs_point_to_exists():
    for _, text in ABSENT:
        for module, name in re.findall(r"\b(nn|F|init|optim)\.(\w+)", text):
            home = {"nn": nn, "F": nn.functional, "init": nn.init, "optim": optim}[module]
            assert hasattr(home, name), text


def test_the_program_of_the_docs_runs_and_is_the_same_in_both_languages():
    programs = re.findall(r"```python\n(.*?)```", ENGLISH, re.S)
    assert programs == re.findall(r"```python\n(.*?)```", CHINESE, re.S) and len(programs) == 1
    names = {}
    exec(compile(programs[0], "docs/from-pytorch.md", "exec"), names)
    assert names["optimizer"].lr == 0.05
    count = lambda text: len(re.findall(r"^\|", text, re.M))
    assert count(ENGLISH) == count(CHINESE)
