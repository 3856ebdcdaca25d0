"""The audit: one record a bind, its Windows status, its rendering, and where it is written."""
