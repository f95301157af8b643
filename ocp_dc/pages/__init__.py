"""Pages of reports: tables and pictures as plain parts, and one self-contained HTML page."""
