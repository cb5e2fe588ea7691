INSERT INTO payments (customer_id, amount) VALUES (%(customer)s, %(amount)s) RETURNING id
