"""The terminal face: the command `memgpt`. Its modules load nothing heavy until a command needs it."""


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    import warnings

    from memgpt_agent.cli.app import app

    # In a terminal the place in the code is of no use.
    warnings.formatwarning = lambda message, category, filename, lineno, line=None: f"{category.__name__}: {message}\n"  # noqa: ARG005
    app()
