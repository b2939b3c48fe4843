"""Support tools that cannot read pyproject.toml."""

__import__("setuptools").setup()
