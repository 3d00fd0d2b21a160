"""The terminal face: the command `memgpt`. Its modules load nothing heavy until a command needs it."""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    from memgpt_agent.cli.app import app

    app()
