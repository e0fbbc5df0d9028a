"""The report page: one HTML file that needs nothing beside itself."""

from gpusim.report.page.page import page_html, write_html

__all__ = ["page_html", "write_html"]
