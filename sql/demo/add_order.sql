INSERT INTO orders (customer_id, total) VALUES (%(customer)s, %(total)s) RETURNING id
