"""The commands `cybersec stores …`, which the pods of a cluster run to prepare and maintain the stores."""

from typing import Annotated

import typer

from cybersec_assets.cli import interrupts
from cybersec_assets.settings import load_settings

stores_app = typer.Typer(help="Prepare PostgreSQL and the object store for a cluster.", no_args_is_help=True)
Timeout = Annotated[float, typer.Option(help="How many seconds to wait for the stores.", min=0)]


@stores_app.command()
def reach(timeout: Timeout = 15.0) -> None:
    """Log in to both stores, and change nothing."""
    from cybersec_assets.operations.provision import reach as log_in

    interrupts.raise_from_now()
    log_in(load_settings(), timeout, typer.echo)


@stores_app.command()
def prepare(timeout: Timeout = 300.0) -> None:
    """Create the buckets, databases, roles and schemas that are missing. It is safe to run again."""
    from cybersec_assets.operations.provision import prepare as prepare_stores

    interrupts.raise_from_now()
    prepare_stores(load_settings(), timeout, typer.echo)


@stores_app.command()
def wait(timeout: Timeout = 300.0) -> None:
    """Wait until `prepare` of this release has run."""
    from cybersec_assets.operations.provision import wait_until_prepared

    interrupts.raise_from_now()
    wait_until_prepared(load_settings(), timeout)


@stores_app.command()
def check() -> None:
    """Write to both stores and read it back. Check that one of 16 clients can create an object, and no other."""
    from cybersec_assets.operations.provision import check as check_stores

    interrupts.raise_from_now()
    check_stores(load_settings())
    typer.echo("Both stores return what was written, and exactly one of 16 writers of a name succeeds.")


@stores_app.command()
def prune(days: Annotated[int, typer.Option(help="How many days to keep a run after its end.", min=1)]) -> None:
    """Delete old runs from Dagster's database, but keep the record of which days are materialized."""
    from cybersec_assets.operations.prune import prune as delete_old_runs

    interrupts.raise_from_now()
    pruned = delete_old_runs(load_settings(), days)
    typer.echo(
        f"Deleted {pruned.deleted} runs. Kept {pruned.kept} runs with the latest materialization of a day, and deleted "
        f"{pruned.events} of their events."
    )
