"""Parquet, data frames and Hugging Face's data sets; and splits that keep the shares of the classes."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback.data import (
    DataLoader,
    HuggingFaceDataset,
    parquet,
    read_csv,
    read_frame,
    read_parquet,
    stratified_split,
)

COLUMNS = {"length": [5.1, 1.4, 2.0], "count": [1, 2, 3], "kind": ["iris", "rose", "iris"]}


class Frame:
    """What `read_frame` asks of a data frame."""

    def __init__(self, columns):
        self.data = columns
        self.columns = list(columns)
        self.shape = (len(self), len(columns))

    def __len__(self):
        return len(next(iter(self.data.values()))) if self.data else 0

    def __getitem__(self, name):
        return self.data[name]


def frame_of(library):
    """The library's kind of frame; where it is not installed, the test is skipped."""
    return Frame if library == "stand-in" else pytest.importorskip(library, reason=f"no {library}").DataFrame


LIBRARIES = pytest.mark.parametrize("library", ["stand-in", "polars", "pandas"])


@LIBRARIES
def test_a_frame_is_read_as_a_csv_file_is(library, tmp_path):
    frame = frame_of(library)
    table = read_frame(frame(COLUMNS), "kind")
    (tmp_path / "a.csv").write_text("length,count,kind\n5.1,1,iris\n1.4,2,rose\n2.0,3,iris\n")
    same = read_csv(tmp_path / "a.csv", "kind")
    np.testing.assert_array_equal(table.features, same.features)
    np.testing.assert_array_equal(table.target, same.target)
    assert (table.classes, table.feature_names, table.target_name) == (same.classes, same.feature_names, "kind")
    assert table.features.dtype == np.float32 and table.target.dtype == np.int64
    regression = read_frame(frame({"a": [1, 2], "y": [0.5, 1.5]}), "y")
    assert regression.classes is None and regression.target.tolist() == [0.5, 1.5]
    assert read_frame(frame({"a": [1, 2], "y": [7, 3]}), "y").classes == (3, 7)
    assert read_frame(frame({"a": [True, False]}), None).features.tolist() == [[1.0], [0.0]]


@LIBRARIES
@pytest.mark.parametrize(
    "columns, target, message",
    [
        (COLUMNS, "colour", "there is no column 'colour'; the columns are length, count, kind"),
        (COLUMNS, None, "column 'kind'.*expected (a )?number"),
        ({"a": [1.0, float("nan")], "y": [1, 2]}, "y", "column 'a', row 1: missing value"),
        ({"a": [1.0, None], "y": [1, 2]}, "y", "column 'a', row 1: missing value"),
        ({"a": [1.0, 1e300], "y": [1, 2]}, "y", "column 'a', row 1: expected a finite number"),
        ({"a": [1.0, 2.0], "y": ["x", None]}, "y", "column 'y', row 1: missing value"),
        ({"y": [1, 2]}, "y", "a column besides the target"),
        ({"a": [], "y": []}, "y", "expected rows"),
    ],
)
def test_what_a_frame_lacks_is_named(library, columns, target, message):
    frame = frame_of(library)
    with pytest.raises(ValueError, match=message):
        read_frame(frame(columns), target)


def test_parquet(tmp_path):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    path = tmp_path / "a.parquet"
    polars.DataFrame(COLUMNS).write_parquet(path)
    table = read_parquet(path, "kind")
    assert table.classes == ("iris", "rose") and table.features.shape == (3, 2)
    with pytest.raises(ValueError, match=r"a\.parquet, column 'kind'"):
        read_parquet(path, None)


def test_parquet_by_pandas_where_polars_is_not_installed(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pandas reads Parquet by pyarrow")
    (tmp_path / "polars.py").write_text("raise ImportError('as if it were not installed')\n")
    monkeypatch.syspath_prepend(tmp_path)  # the process that reads has this path too
    monkeypatch.delitem(sys.modules, "polars", raising=False)
    pandas.DataFrame(COLUMNS).to_parquet(tmp_path / "a.parquet")
    table = read_parquet(tmp_path / "a.parquet", "kind")
    assert table.classes == ("iris", "rose") and table.features.tolist()[1] == pytest.approx([1.4, 2])
    with pytest.raises(ValueError, match=r"a\.parquet, column 'kind'"):
        read_parquet(tmp_path / "a.parquet", None)


@pytest.mark.slow  # a process for each
@settings(max_examples=12)
@given(st.data())
def test_damaged_parquet_files_are_value_errors(tmp_path_factory, data):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    polars.DataFrame({"a": [1.5, 2.5], "y": [0, 1]}).write_parquet(path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(4, len(content) - 5), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        table = read_parquet(path, "y")
    except ValueError as error:
        assert "damaged.parquet" in str(error)
    else:
        assert table.features.shape[1] == 1


def test_a_file_that_makes_the_library_end_the_process(tmp_path, monkeypatch):
    """As polars 2.1 does when a length in the footer is damaged: the memory for it cannot be had."""
    pytest.importorskip("polars", reason="polars is not installed")
    (tmp_path / "a").write_bytes(b"PAR1????PAR1")
    ending = "import os, sys; print('out of memory', file=sys.stderr, flush=True); os.abort()"
    monkeypatch.setattr(parquet, "CHILD", ending)
    with pytest.raises(ValueError, match="a: not readable as Parquet: the library ended the process: out of memory"):
        read_parquet(tmp_path / "a", None)


def test_no_parquet_file_and_no_library(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"length,width\n1,2\n")
    with pytest.raises(ValueError, match="not a Parquet file, or cut short"):
        read_parquet(tmp_path / "a", None)
    (tmp_path / "a").write_bytes(b"PAR1????PAR1")
    for library in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=r"pip install 'pullback\[tables\]'"):
        read_parquet(tmp_path / "a", None)


# ----------------------------------------------------------------------------------- Hugging Face


class Rows:
    """What `datasets.Dataset` offers."""

    column_names = ["text", "label", "scores"]

    def __init__(self, n=5):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        assert isinstance(index, int)
        return {"text": f"t{index}", "label": index % 2, "scores": [0.5, float(index)]}


def test_rows_of_a_hub_data_set_become_batches():
    data = HuggingFaceDataset(Rows(), "scores", "label")
    scores, labels = next(iter(DataLoader(data, 3)))
    assert scores.dtype == np.float32 and scores.tolist() == [[0.5, 0.0], [0.5, 1.0], [0.5, 2.0]]
    assert labels.dtype == np.int64 and labels.tolist() == [0, 1, 0]
    assert HuggingFaceDataset(Rows())[1][0] == "t1" and len(data) == 5


@pytest.mark.filterwarnings("ignore")
def test_the_real_library():
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    table = datasets.table.InMemoryTable.from_pydict({"x": [[0.5, 1.0], [2.0, 3.0]], "y": [1, 0]})
    rows = datasets.Dataset(table, fingerprint="a")  # else it pickles the table for its cache
    x, y = next(iter(DataLoader(HuggingFaceDataset(rows, "x", "y"), 2)))
    assert x.dtype == np.float32 and x.tolist() == [[0.5, 1.0], [2.0, 3.0]] and y.tolist() == [1, 0]


def test_what_is_no_hub_data_set():
    with pytest.raises(ValueError, match="no column 'x'; there are text, label, scores"):
        HuggingFaceDataset(Rows(), "x")
    with pytest.raises(TypeError, match="expected a data set with column_names"):
        HuggingFaceDataset([1, 2])
    with pytest.raises(TypeError, match=r"such as dataset\['train'\]"):
        HuggingFaceDataset(type("Parts", (dict,), {"column_names": {"train": ["a"]}})())


# ------------------------------------------------------------------------------------- stratified splits


@given(
    counts=st.lists(st.integers(3, 40), min_size=1, max_size=4),
    cut=st.floats(0.05, 0.9),
    seed=st.integers(0, 3),
)
def test_every_part_has_its_share_of_every_class(counts, cut, seed):
    labels = np.repeat([f"class {i}" for i in range(len(counts))], counts)
    fractions = [cut, (1 - cut) / 2, (1 - cut) / 2]
    parts = stratified_split(range(len(labels)), labels, fractions, seed=seed)
    assert sorted(i for part in parts for i in part.indices) == list(range(len(labels)))
    for part, fraction in zip(parts, fractions, strict=True):
        for i, n in enumerate(counts):
            assert abs((labels[part.indices] == f"class {i}").sum() - fraction * n) <= 1
    again = stratified_split(range(len(labels)), labels, fractions, seed=seed)
    assert [p.indices.tolist() for p in again] == [p.indices.tolist() for p in parts]


@pytest.mark.parametrize(
    "labels, fractions, message",
    [
        ([0, 0, 1], [0.5, 0.5], "class np.int64\\(1\\) has 1 of the items, which cannot be in 2 parts"),
        ([0, 0], [0.5, 0.5], r"labels expected shape \(3,\), got \(2,\)"),
        ([0.0, np.nan, 1.0], [1.0], "item 1 has none"),
        ([0, 0, 0], [0.5, 0.6], "add up to 1"),
        ([0, 0, 0], [1.5, -0.5], "numbers >= 0"),
    ],
)
def test_splits_that_cannot_be(labels, fractions, message):
    with pytest.raises(ValueError, match=message):
        stratified_split(range(3), labels, fractions)


def test_one_class_only_is_split_like_any_other():
    a, b = stratified_split(range(4), [1, 1, 1, 1], [0.5, 0.5])
    assert len(a) == len(b) == 2
