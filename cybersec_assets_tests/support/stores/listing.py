"""Property tests of a store's listing: names, arguments, and the expected result."""

from hypothesis import strategies as st

from cybersec_assets.artifact import fingerprint_of

FOLDERS = ("", "audit-heads/", "x/")
# No name is that of a folder, and none is "." or "..".
plain_names = st.text("ab-_.09éZ", min_size=1, max_size=5).filter(lambda name: name.strip("."))
object_names = st.tuples(st.sampled_from(FOLDERS), plain_names).map("".join)
name_sets = st.sets(object_names, max_size=12)


def arguments_for(names):
    """Return a strategy for arguments. Some continue after a name that exists."""
    existing = st.sampled_from(sorted(names)) if names else st.nothing()
    return st.fixed_dictionaries(
        {
            "prefix": st.sampled_from([*FOLDERS, "a", "x/b", "nothing/"]),
            "after": st.just("") | existing | object_names,
            "limit": st.none() | st.integers(1, 13),
        }
    )


listings = name_sets.flatmap(lambda names: st.tuples(st.just(names), arguments_for(names)))
"""The names of objects, and arguments of a listing."""


def put(store, bucket, name, file):
    """Store a file."""
    assert store.create(bucket, name, file, fingerprint_of(file))


def names_in(store, bucket, **arguments):
    """Return the names in a listing."""
    return [entry.name for entry in store.entries(bucket, **arguments)]


def assert_listed(store, bucket, names, arguments):
    """Assert that a listing is filtered, ordered by bytes, and no longer than its limit."""
    wanted = sorted(name for name in names if name.startswith(arguments["prefix"]) and name > arguments["after"])
    assert names_in(store, bucket, **arguments) == wanted[: arguments["limit"]]
