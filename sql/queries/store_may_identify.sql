-- May this role ask for the cluster's identity? All may, unless somebody took the right away.
SELECT has_function_privilege('pg_control_system()', 'EXECUTE')
