"""`python -m striate`, which torchrun needs."""

import os
import sys

from striate.cli.main import main

if __name__ == "__main__":
    code = main()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # All is written by now. On the way out of the interpreter a thread of torch.distributed is now and then destroyed
        # while it runs, which aborts the process and makes torchrun call a finished run failed.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)
