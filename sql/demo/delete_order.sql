DELETE FROM orders WHERE id = %(order)s RETURNING id
