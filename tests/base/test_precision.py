import pytest

from striate.base import precision
from striate.base.errors import SettingError


@pytest.mark.parametrize("name", precision.PRECISIONS)
def test_each_is_taken(name: str):
    precision.check(name)


@pytest.mark.parametrize("name", ["int8", "bfloat16", "BF16", ""])
def test_another_is_refused(name: str):
    with pytest.raises(SettingError, match=rf"^expected precision as fp32 or bf16; got '{name}'\.$"):
        precision.check(name)
