UPDATE orders SET total = %(total)s WHERE id = %(order)s RETURNING id
