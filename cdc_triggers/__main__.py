"""`python -m cdc_triggers` is the command `cdc-triggers`."""

from cdc_triggers.cli.main import main

if __name__ == "__main__":
    main()
