"""What a listing must be, whichever store it is of: names that stores tell apart, and the plain way to pick them."""

from hypothesis import strategies as st

from cybersec_assets.artifact import fingerprint_of

FOLDERS = ("", "audit-heads/", "x/")
# No name is a folder's, and none is that of the folder itself or the one above.
plain_names = st.text("ab-_.09éZ", min_size=1, max_size=5).filter(lambda name: name.strip("."))
object_names = st.tuples(st.sampled_from(FOLDERS), plain_names).map("".join)
name_sets = st.sets(object_names, max_size=12)


def questions_about(names):
    """Make questions, of which some go on after a name that is there."""
    there = st.sampled_from(sorted(names)) if names else st.nothing()
    return st.fixed_dictionaries(
        {
            "prefix": st.sampled_from([*FOLDERS, "a", "x/b", "nothing/"]),
            "after": st.just("") | there | object_names,
            "limit": st.none() | st.integers(1, 13),
        }
    )


listings = name_sets.flatmap(lambda names: st.tuples(st.just(names), questions_about(names)))
"""Names that are there, and a question about them."""


def put(store, bucket, name, file):
    """Store a file."""
    assert store.create(bucket, name, file, fingerprint_of(file))


def names_in(store, bucket, **question):
    """List a bucket's names."""
    return [entry.name for entry in store.entries(bucket, **question)]


def assert_listed(store, bucket, names, question):
    """See that a listing has the names that are asked for, by the order of their bytes, and no more than the limit."""
    wanted = sorted(name for name in names if name.startswith(question["prefix"]) and name > question["after"])
    assert names_in(store, bucket, **question) == wanted[: question["limit"]]
