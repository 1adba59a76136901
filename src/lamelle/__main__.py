"""`python -m lamelle` is the `lamelle` command."""

from lamelle.ops.cli import main

main()
