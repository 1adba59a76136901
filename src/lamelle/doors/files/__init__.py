"""Files and folders: watched folders, `lamelle import`; vendor slides are converted in a subprocess."""
