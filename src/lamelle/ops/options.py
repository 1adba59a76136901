"""What every command takes: the archive's folder, a settings file, and the settings that follow."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lamelle.base import telemetry
from lamelle.ops import config
from lamelle.ops.config import Settings

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the archive (archive.data_dir).")]
File = Annotated[Path | None, typer.Option("--config", help="Settings file in TOML (LAMELLE_CONFIG).")]


def settings_of(data: Path | None, file: Path | None, **overrides: Any) -> Settings:
    """The effective settings, with this command line's on top; logging follows them."""
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    settings = config.load(file, overrides={"archive.data_dir": data, **named})
    telemetry.configure(settings.log.level, settings.log.format)
    for name in config.unknown_variables():
        telemetry.log("settings.unknown_variable", level="warning", name=name)
    return settings
