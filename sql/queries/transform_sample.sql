-- A few rows of a table, whichever come first, as capture would write them.
SELECT row_to_json(sample_row__)::text FROM {} AS sample_row__ LIMIT %(limit)s
