"""What the lab is asked for, and what of it is refused."""

from pathlib import Path
from typing import NamedTuple

from striate.base.errors import SettingError
from striate.workflows.serve.options import check_address


class LabOptions(NamedTuple):
    """Options of `striate.lab.run.lab`, as it describes them."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allow_host: tuple[str, ...] = ()
    root: Path = Path()  # nothing above it is shown
    out: Path = Path("runs")
    max_upload_mb: float = 20.0
    data: str | None = None  # what the pages show at first: images below the root
    run: str | None = None  # or a run in `out`

    @property
    def max_bytes(self) -> int:
        """Of one image that is sent."""
        return int(self.max_upload_mb * 2**20)


def check_options(options: LabOptions) -> None:
    """Refuse an address that others reach without a token, and a folder that there is not."""
    check_address(options.host, options.token)
    if not 0 <= options.port <= 65535:
        raise SettingError(f"expected port from 0 to 65,535; got {options.port:,}.")
    if not options.root.is_dir():
        raise SettingError(f"expected a folder as --root, below which folders can be chosen; there is none at {options.root}.")
