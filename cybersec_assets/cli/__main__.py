"""Start the command `cybersec`; nothing heavy is imported before an interrupt ends in one line."""

from cybersec_assets.cli import interrupts


def main() -> None:
    """Run the command."""
    interrupts.end_at_once()
    from cybersec_assets.cli import app

    app.main()


if __name__ == "__main__":
    main()
