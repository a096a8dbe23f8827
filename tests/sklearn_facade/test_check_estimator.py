"""Both estimators hold to scikit-learn's conventions: its own checks are the judge."""

import warnings

from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from pullback.sklearn import Classifier, Regressor


@parametrize_with_checks([Classifier((16,), epochs=60), Regressor((16,), epochs=60)])
def test_check_estimator(estimator, check):
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)  # scikit-learn's, about its own next version
        check(estimator)
