from typing import Any

import pytest

from striate.base import config
from striate.base.errors import SettingError


@pytest.mark.parametrize(("name", "value"), [("patience", 3), ("early_stop", True)])
def test_what_looks_for_the_best_epoch_does_not_go_with_the_last(name: str, value: Any):
    with pytest.raises(SettingError) as refused:
        config.build({"train": {"keep": "last", name: value}})
    assert str(refused.value) == f"train: {name} does not apply with keep='last'; remove it."
    assert config.build({"train": {"keep": "best", name: value}}).train.keep == "best"


def test_an_optimizer_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(SettingError) as refused:
        config.build({"train": {"optimizer": "lion"}})
    known = "'sgd', 'adam', 'adamw', 'muon' or 'muon-adamw'"
    assert str(refused.value) == f"train.optimizer: input should be {known}; got 'lion'."
