-- The size of the buckets of both logs. A row stays where it is: a bucket is emptied by the age of what is in it.
UPDATE cdc_triggers.ring SET period = make_interval(secs => %(period_s)s)
