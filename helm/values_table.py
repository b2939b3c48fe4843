"""Write the table of values in the chart's README.

Names and defaults come from values.yaml, descriptions from the schema. `python helm/values_table.py` rewrites the
table; a test checks that it is current.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "cybersec-assets"
BEGIN = "<!-- values: written by helm/values_table.py -->\n"
END = "<!-- end of values -->\n"


def table() -> str:
    """Return the table in Markdown."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return "| value | meaning | default |\n| --- | --- | --- |\n" + "".join(_rows(schema, values, ""))


def with_table(readme: str) -> str:
    """Return the README with the table replaced."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]


def _rows(schema: dict[str, Any], values: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in values.items():
        rule = schema["properties"][name]
        if rule.get("properties") and name != "resources":
            yield from _rows(rule, value, f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {rule['description']} | {_default(value)} |\n"


def _default(value: Any) -> str:
    return "" if value in ("", [], {}) else f"`{json.dumps(value) if not isinstance(value, str) else value}`"


if __name__ == "__main__":
    file = CHART / "README.md"
    file.write_text(with_table(file.read_text()))
