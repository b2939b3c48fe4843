"""Print the figures of the package's structure: `python -m benchmarks.structure`.

Units are the modules and packages directly below `cybersec_assets`. Layers are the longest chain of imports between
units. Tuple packings are assignments of several values to several names, such as `a, b = x, y`.
"""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "cybersec_assets"
README = PACKAGE.parent / "README.md"
ODD_WORDS = ("Give ", "Gives ", "Tell ", "Tells ", "Say ", "Says ", "Note ", "Have ", "Let ")


def main() -> None:
    """Print one figure a line."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
    units = imports_between_units(trees)
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    documented = (ast.AsyncFunctionDef, ast.ClassDef, ast.FunctionDef, ast.Module)
    docstrings = [text for node in nodes if isinstance(node, documented) and (text := ast.get_docstring(node))]
    root_modules = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    print(f"root modules: {len(root_modules)} ({', '.join(sorted(root_modules))})")
    print(f"units: {len(units)}")
    print(f"import layers: {layers(units)}")
    print(f"imports between units: {sum(map(len, units.values()))}")
    print(f"package lines: {sum(len(path.read_text().splitlines()) for path in trees)}")
    print(f"tuple packings: {sum(map(is_packing, nodes))}")
    print(f"docstrings: {len(docstrings)}, of which {sum(t.startswith(ODD_WORDS) for t in docstrings)} begin oddly")
    print(f"words of the README: {len(README.read_text().split())}")


def imports_between_units(trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """Return the units that each unit imports."""
    units = defaultdict[str, set[str]](set)
    for path, tree in trees.items():
        unit = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if unit == "__init__":
            continue
        units[unit] |= {
            name.split(".")[1]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (name := node.module or "").startswith("cybersec_assets.")
        } - {unit}
    return dict(units)


def layers(units: dict[str, set[str]]) -> int | str:
    """Return the length of the longest chain of imports, or the cycle if there is one."""
    depth: dict[str, int] = {}
    try:
        for unit in TopologicalSorter(units).static_order():
            depth[unit] = 1 + max((depth[each] for each in units.get(unit, ())), default=0)
    except CycleError as error:
        return f"a cycle: {' -> '.join(error.args[1])}"
    return max(depth.values())


def is_packing(node: ast.AST) -> bool:
    """Return whether a node assigns a tuple of values to a tuple of names."""
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and isinstance(node.targets[0], ast.Tuple)


if __name__ == "__main__":
    main()
