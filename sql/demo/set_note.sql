UPDATE orders SET note = %(note)s WHERE id = %(order)s RETURNING id
