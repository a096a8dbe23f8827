"""scikit-learn is an extra: without it, this package says how to install it."""

try:
    import sklearn  # noqa: F401  # asked for its presence
except ImportError as error:
    raise ImportError(
        "pullback.sklearn needs scikit-learn, which is not installed.\n  pip install 'pullback[sklearn]'"
    ) from error
