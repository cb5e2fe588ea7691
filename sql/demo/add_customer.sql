INSERT INTO customers (name, email) VALUES (%(name)s, %(email)s) RETURNING id
