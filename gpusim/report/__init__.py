"""Sum up: Timeline -> long tables, plots, HTML, Perfetto."""
