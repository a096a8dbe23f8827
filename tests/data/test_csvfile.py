"""CSV files: numbers in, arrays out, and the line and column of what is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.data import read_csv


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


class TestValues:
    @given(st.lists(st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3), min_size=1))
    def test_numbers_come_back_to_the_last_bit(self, tmp_path_factory, rows):
        path = tmp_path_factory.mktemp("csv") / "table.csv"
        path.write_text("a,b,y\n" + "".join(f"{a!r},{b!r},{y!r}\n" for a, b, y in rows))
        table = read_csv(path, "y")
        assert table.features.dtype == table.target.dtype == np.float32
        np.testing.assert_array_equal(table.features, np.array(rows, np.float32)[:, :2])
        np.testing.assert_array_equal(table.target, np.array(rows, np.float32)[:, 2])

    def test_the_target_may_be_any_column(self, write):
        table = read_csv(write("a,y,b\n1,0.5,2\n3,1.5,4\n"), "y")
        assert table.feature_names == ("a", "b")
        assert table.target_name == "y"
        np.testing.assert_array_equal(table.features, [[1, 2], [3, 4]])
        np.testing.assert_array_equal(table.target, [0.5, 1.5])
        assert table.classes is None

    def test_the_arrays_are_the_caller_s_own(self, write):
        table = read_csv(write("a,y\n1,0.5\n"), "y")
        table.features[0] = 7
        table.target[0] = 7

    def test_text_means_classes_in_ascending_order(self, write):
        table = read_csv(write("a,kind\n1,rose\n2,iris\n3,rose\n"), "kind")
        assert table.classes == ("iris", "rose")
        assert table.target.dtype == np.int64
        np.testing.assert_array_equal(table.target, [1, 0, 1])

    def test_integers_mean_classes_in_numerical_order(self, write):
        table = read_csv(write("a,y\n1,10\n2,-9\n3,+2\n4,10\n"), "y")
        assert table.classes == (-9, 2, 10)
        np.testing.assert_array_equal(table.target, [2, 0, 1, 2])

    def test_the_task_can_be_said(self, write):
        path = write("price,y\n1,3\n2,4\n")
        table = read_csv(path, "y", task="regression")
        assert table.classes is None
        assert table.target.dtype == np.float32
        assert read_csv(write("a,y\n1,1.5\n2,x\n"), "y", task="classification").classes == ("1.5", "x")
        with pytest.raises(
            ValueError, match="task: expected 'classification', 'regression' or None, got 'rank'"
        ):
            read_csv(path, "y", task="rank")

    def test_without_a_target(self, write):
        table = read_csv(write("a,b\n1,2\n"), None)
        assert table.feature_names == ("a", "b")
        assert table.target is table.target_name is table.classes is None

    @pytest.mark.parametrize(
        "text",
        [
            b"\xef\xbb\xbfa,y\n1,0.5\n",
            b"a,y\r\n1,0.5\r\n",
            b"a,y\n\n1,0.5\n\n",
            b"a,y\n1,0.5",
            b' a , y \n" 1 ", 0.5\n',
            b'"a","y"\n"1e0","5e-1"\n',
        ],
        ids=["byte order mark", "windows", "empty lines", "no last newline", "blanks", "quotes"],
    )
    def test_dialects(self, write, text):
        table = read_csv(write(text), "y")
        assert table.feature_names == ("a",)
        assert (table.features, table.target) == (1.0, 0.5)

    def test_delimiter_and_unicode(self, write):
        table = read_csv(write("größe;art\n1;ö\n2;é\n"), "art", delimiter=";")
        assert table.feature_names == ("größe",)
        assert table.classes == ("é", "ö")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,y\n", "expected rows below the header line, got none"),
        ("1,2\n3,4\n", "line 1: expected column names, got only numbers: '1', '2'"),
        ("a,y,a\n", "line 1: expected column names that differ, got 'a' twice"),
        ("a,b\n1,2\n", "target: there is no column 'y'; the columns are 'a', 'b'$"),
        ("a;y\n1;2\n", r"there is no column 'y'; the columns are 'a;y'; perhaps delimiter=';'"),
        ("y\n1\n", "expected at least one column besides the target 'y'"),
        ("a,y\n1,2\n1,2,3\n", "line 3: expected 2 cells, as in the header, got 3"),
        ("a,y\n1\n", "line 2: expected 2 cells, as in the header, got 1"),
        ("a,y\n1,0\n\nx,0\n", "line 4, column 'a': expected a number, got 'x'"),
        ('a,b,y\n1,2,"two\nlines"\n1,x,0\n', "line 4, column 'b': expected a number, got 'x'"),
        ("a,b,y\n1,,0\n", "line 2, column 'b': missing value: expected a number, got ''"),
        ("a,b,y\n1,NaN,0\n", "line 2, column 'b': missing value: expected a number, got 'NaN'"),
        ("a,b,y\n1,?,0\n", "line 2, column 'b': missing value"),
        ("a,y\n1,0\ninf,0\n", "line 3, column 'a': expected a finite number .* got 'inf'"),
        ("a,y\n-1e39,0\n", "line 2, column 'a': expected a finite number below 3.4e38"),
        ("a,y\n1_000,0\n", "line 2, column 'a': expected a number, got '1_000'"),
        ("a,y\n1,0\n2,\n", "line 3, column 'y': missing value: expected a target, got ''"),
        ("a,y\n1,0.5\n2,nan\n", "line 3, column 'y': missing value"),
        ("a,y\n1,0.5\n2,inf\n", "line 3, column 'y': expected a finite number"),
        ("a,y\n1,0.5\n2,x\n", r"column 'y' mixes text \('x' in line 3\) and numbers \('0.5' in line 2\)"),
        ('a,y\n1,"0\n', "line 2: not readable as CSV"),
        (b"a,y\n1,\xff\n", "expected UTF-8 text"),
    ],
)
def test_refusals_name_line_and_column(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(path, "y")
    assert str(path) in str(caught.value)


def test_text_where_regression_was_asked_for(write):
    with pytest.raises(ValueError, match="line 3, column 'y': expected a number, got 'x'"):
        read_csv(write("a,y\n1,0.5\n2,x\n"), "y", task="regression")


def test_a_sum_that_overflows_is_no_error(write):
    """Three cells near the largest float32 are finite each, whatever their sum does."""
    table = read_csv(write("a,b,c,y\n3.4e38,3.4e38,-3.4e38,0\n"), "y")
    assert np.isfinite(table.features).all()


def test_a_missing_file():
    with pytest.raises(FileNotFoundError):
        read_csv("no such file.csv", "y")
