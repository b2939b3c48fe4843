"""Each run has a scratch folder of its own, which is removed with the run."""

import dagster as dg
import pytest

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.defs.resources.scratch import ScratchResource


def test_the_folder_is_removed_after_the_run_even_if_it_fails(tmp_path):
    """A missing parent is created."""
    parent = tmp_path / "made" / "here"
    resource = ScratchResource(parent)

    def write_and_fail():
        with resource.yield_for_execution(dg.build_init_resource_context()) as scratch:
            scratch.new_file("a.parquet").write_bytes(b"a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert list(parent.iterdir()) == []


def test_two_attempts_never_share_a_file(tmp_path):
    """The same name gives two paths, and an object's copy has a path of its own."""
    with ScratchResource(tmp_path).yield_for_execution(dg.build_init_resource_context()) as scratch:
        assert scratch.new_file("a.parquet") != scratch.new_file("a.parquet")
        place = scratch.path_of(Artifact("s3://bucket/name", Fingerprint(0, "")))
        assert place.parts[-2:] == ("bucket", "name")
        assert place.parent.is_dir()
