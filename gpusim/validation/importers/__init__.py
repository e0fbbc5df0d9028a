"""Results of other tools as rows of the measured schema."""

from gpusim.validation.importers.detect import Imported, import_measured, is_foreign

__all__ = ["Imported", "import_measured", "is_foreign"]
