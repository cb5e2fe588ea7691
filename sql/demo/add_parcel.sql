INSERT INTO parcels (customer_id, weight_g) VALUES (%(customer)s, %(weight)s) RETURNING id
