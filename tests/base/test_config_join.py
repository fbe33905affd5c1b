"""Settings that a user gives in several places: one with two values is refused."""

from pathlib import Path

import pytest

from striate.base import config
from striate.base.errors import SettingError


def test_a_setting_with_two_values_is_refused_and_not_lost(tmp_path: Path):
    again = {"train": {"lr": 1.0, "epochs": None}}
    assert config.join({"train": {"lr": 1.0}}, again, {"seed": 0}) == {"train": {"lr": 1.0}, "seed": 0}
    with pytest.raises(SettingError, match=r"^train\.lr is given twice, as 0\.1 and as 0\.2; leave one out\.$"):
        config.join({"train": {"lr": 0.1}}, {"train": {"lr": 0.2}})
    with pytest.raises(SettingError, match=r"^data\.path is given twice, as 'd' and as 'e'"):
        config.settings_from_args("d", {"data": {"path": "e"}})
    with pytest.raises(SettingError, match=r"expected one of epochs, steps and minutes; got epochs and steps; remove one"):
        config.build(config.settings_from_args("d", {"train": {"steps": 2}}, epochs=1))
    (tmp_path / "recipe.toml").write_text("\ufeff[train]\nsteps = 5\n", "utf-8")  # with a byte order mark
    tree = config.settings_from_args(Path("d"), {"data": {"path": "d"}}, recipe=tmp_path / "recipe.toml", epochs=1)
    assert tree["train"] == {"epochs": 1}, "a recipe is what the others are laid over"
