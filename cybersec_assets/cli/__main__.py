"""Start the command `cybersec`. Interrupts are handled before anything heavy is imported."""

from cybersec_assets.cli import interrupts


def main() -> None:
    """Run the command."""
    interrupts.exit_at_once()
    from cybersec_assets.cli import app

    app.main()


if __name__ == "__main__":
    main()
