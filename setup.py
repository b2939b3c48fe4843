"""A shim for tools that know no pyproject.toml."""

__import__("setuptools").setup()
