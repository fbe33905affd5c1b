"""The precision of the convolutions and matrix products of a network that predicts."""

from striate.base.errors import SettingError
from striate.base.option_names import option

PRECISIONS = ("fp32", "bf16")


def check(precision: str) -> None:
    """Refuse what is none of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise SettingError(f"expected {option('precision')} as {' or '.join(PRECISIONS)}; got {precision!r}.")
