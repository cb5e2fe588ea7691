UPDATE orders SET status = %(status)s WHERE id = %(order)s RETURNING id
