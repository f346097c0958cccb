"""Records to something a person reads: tables, pages, plots."""
