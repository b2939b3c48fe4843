"""One module a log format; each defines `READER`.

To add a format, add a module here: it is found by its presence, and its reader's name becomes a value of
`FLOWS_FORMAT`.
"""

import importlib
import pkgutil
from functools import cache

from cybersec_assets.flows.readers.base import Reader

AUTO = "auto"
"""In place of a reader's name: whichever recognises a file."""


@cache
def readers() -> dict[str, Reader]:
    """Give every format's reader by its name, in the order in which they are asked to recognise a file."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"]
    found: list[Reader] = [importlib.import_module(f"{__name__}.{name}").READER for name in names]
    return {reader.name: reader for reader in sorted(found, key=lambda reader: reader.name)}
