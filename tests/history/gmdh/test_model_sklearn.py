"""GMDH where scikit-learn expects one of its own: cloned, in a pipeline, cross-validated, searched."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from striate.base.errors import SettingError
from striate.history.gmdh.criteria import Combined
from striate.history.gmdh.model import GMDH, GMDHClassifier

DRAW = np.random.default_rng(0)
X = DRAW.uniform(-1, 1, (120, 5))
Y = X[:, 0] + X[:, 1] * X[:, 2] + 0.01 * DRAW.standard_normal(120)


def test_it_is_a_regressor_and_its_classifier_a_classifier():
    assert (is_regressor(GMDH()), is_classifier(GMDH())) == (True, False)
    assert (is_regressor(GMDHClassifier()), is_classifier(GMDHClassifier())) == (False, True)


@pytest.mark.parametrize("kind", [GMDH, GMDHClassifier])
def test_a_clone_has_the_settings_and_nothing_learned(kind: type):
    own = kind(keep=5, criterion=Combined("regularity", "stability"), layers=2).fit(X, Y > 0)
    other = clone(own)
    assert other.get_params() == own.get_params()
    assert {name for name in vars(other) if name.endswith("_")} == set()


def test_it_is_cross_validated():
    assert cross_val_score(GMDH(), X, X[:, 1] * X[:, 2], cv=3).min() > 1 - 1e-9
    pixels, digits = load_digits(return_X_y=True)
    scores = cross_val_score(GMDHClassifier(), pixels[:200, 10:16], digits[:200], cv=2)
    assert (scores > 0.2).all()  # a tenth is chance


def test_a_search_finds_the_better_setting_in_a_pipeline():
    grown = make_pipeline(StandardScaler(), GMDH(keep=10))
    search = GridSearchCV(grown, {"gmdh__layers": [1, 4]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"gmdh__layers": 4}


def test_a_setting_that_is_none_is_refused():
    assert GMDH().set_params(keep=9).keep == 9
    with pytest.raises(SettingError, match="GMDH has no setting 'kep'; did you mean keep"):
        GMDH().set_params(kep=9)
