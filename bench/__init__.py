"""`make bench`: what the product costs, on a PostgreSQL of its own, in one run."""
