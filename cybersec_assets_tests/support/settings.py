"""Groups of settings with some values set."""


def group_with(group, **values):
    """Return a group of settings whose fields have some values."""
    return group(**{group.model_fields[name].validation_alias: value for name, value in values.items()})
