INSERT INTO order_items (order_id, product, quantity)
VALUES (%(order)s, 'pear', 6), (%(order)s, 'plum', 12), (%(order)s, 'fig', 3)
RETURNING id
