"""``python -m gpusim`` is the same as ``gpusim``."""

from gpusim.cli.app import main

main()
