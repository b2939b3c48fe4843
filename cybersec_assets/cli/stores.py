"""The commands `cybersec stores …`: what the pods of a cluster do with the stores before and beside their work."""

from typing import Annotated

import typer

from cybersec_assets.cli import interrupts
from cybersec_assets.settings import load_settings

stores_app = typer.Typer(help="Prepare PostgreSQL and the object store for a cluster.", no_args_is_help=True)
Timeout = Annotated[float, typer.Option(help="For how many seconds the stores are waited for.", min=0)]


@stores_app.command()
def reach(timeout: Timeout = 15.0) -> None:
    """Log in to both stores, and change nothing."""
    from cybersec_assets.operations.provision import reach as log_in

    interrupts.raise_from_now()
    log_in(load_settings(), timeout, typer.echo)


@stores_app.command()
def prepare(timeout: Timeout = 300.0) -> None:
    """Make buckets, databases, roles and schemas where they are missing; safe to run again."""
    from cybersec_assets.operations.provision import prepare as make_ready

    interrupts.raise_from_now()
    make_ready(load_settings(), timeout, typer.echo)


@stores_app.command()
def wait(timeout: Timeout = 300.0) -> None:
    """Wait until `prepare` of this very release has run."""
    from cybersec_assets.operations.provision import wait_until_prepared

    interrupts.raise_from_now()
    wait_until_prepared(load_settings(), timeout)


@stores_app.command()
def check() -> None:
    """Write to both stores, read the objects back, and check that exactly one of 16 writers of a name succeeds."""
    from cybersec_assets.operations.provision import check as try_out

    interrupts.raise_from_now()
    try_out(load_settings())
    typer.echo("Both stores return what was written, and exactly one of 16 writers of a name succeeds.")


@stores_app.command()
def prune(days: Annotated[int, typer.Option(help="For how many days a run is kept after its end.", min=1)]) -> None:
    """Take runs that ended long ago out of Dagster's database, but not what says which days are made."""
    from cybersec_assets.operations.prune import prune as take_out

    interrupts.raise_from_now()
    pruned = take_out(load_settings(), days)
    typer.echo(f"Deleted {pruned.deleted} runs, and {pruned.events} events of {pruned.kept} that made what is newest.")
