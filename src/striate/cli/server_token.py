"""The token of a server: from a file, or from $STRIATE_TOKEN, never from the command line, which others can read."""

import os
from pathlib import Path

from striate.base.errors import SettingError


def read_token(file: Path | None) -> str | None:
    """The token; None where there is none. SettingError: the file cannot be read."""
    if file is None:
        return os.environ.get("STRIATE_TOKEN") or None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingError(f"expected a file with the token at {file}; it cannot be read: {reason}.") from None
