"""`striate data`."""

from typing import Annotated

from cyclopts import Parameter

from striate.base import config
from striate.cli.speaking import print_json, speaking, stdout


def data(
    data: str,
    /,
    *,
    data_dir: str | None = None,
    set_: Annotated[tuple[str, ...], Parameter("--set")] = (),
    json: bool = False,
) -> None:
    """Survey labelled images. Nothing is written into DATA.

    Args:
        data: a folder of images by class, a CSV or Parquet table, or digits, mnist, fashion-mnist, cifar10.
        data_dir: where named data sets lie; else $STRIATE_DATA, else the cache.
        set_: a setting of section data, as in --set data.test_share=0.3; may be repeated.
        json: print one JSON object on stdout.

    """
    from striate import workbench

    settings = config.merge({"data": {"data_dir": data_dir}}, *(config.setting(text) for text in set_))
    with speaking() as watch:
        found = workbench.survey(data, config.section(settings, "data"), watch)
    if json:
        print_json(found.as_json())
    else:
        stdout().print(str(found), markup=False)
